"""Scores tables of any size with ONNX files, on one machine or many, with onnxruntime and NumPy.

Neither Keras nor TensorFlow is imported. Each name is imported when it is first used, so that
pyarrow and the engines (Ray, Spark, Beam) are needed by those alone who use them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from keras_dropouts_export import keras_free, requirements

requirements.check("keras_dropouts_export.scoring needs", ("onnxruntime", "numpy"), "score")
keras_free.prepare("keras_dropouts.noise.row_seeds")

if TYPE_CHECKING:
    from keras_dropouts_export.scoring.onnx_scorer import OnnxScorer
    from keras_dropouts_export.scoring.table_scoring import score_file
    from keras_dropouts_export.scoring.with_beam import BeamModelHandler
    from keras_dropouts_export.scoring.with_ray import RayScorer
    from keras_dropouts_export.scoring.with_spark import (
        spark_map_function,
        spark_result_schema,
        spark_udf,
    )

__all__ = [
    "BeamModelHandler",
    "OnnxScorer",
    "RayScorer",
    "score_file",
    "spark_map_function",
    "spark_result_schema",
    "spark_udf",
]

_MODULES = {  # where each name is defined
    "BeamModelHandler": "with_beam",
    "OnnxScorer": "onnx_scorer",
    "RayScorer": "with_ray",
    "score_file": "table_scoring",
    "spark_map_function": "with_spark",
    "spark_result_schema": "with_spark",
    "spark_udf": "with_spark",
}
_NEEDED = {"score_file": "pyarrow", "BeamModelHandler": "apache_beam"}
_EXTRAS = {"pyarrow": "score", "apache_beam": "score,beam"}

if not TYPE_CHECKING:  # a type checker would take any name for one of the module's

    def __getattr__(name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if name in _NEEDED:
            package = _NEEDED[name]
            requirements.check(f"{__name__}.{name} needs", (package,), _EXTRAS[package])
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
