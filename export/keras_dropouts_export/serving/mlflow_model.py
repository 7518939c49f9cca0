"""Writes an MLflow model of the flavor `onnx`, with a signature and an input example."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from keras_dropouts_export.errors import ExportError, Stage
from keras_dropouts_export.serving.open_inference import numbers
from keras_dropouts_export.serving.packaging import MODEL, Packaging, write_json
from keras_dropouts_export.tracing.inference_function import TensorInfo

_NEEDED = ("mlflow", "onnx", "onnxruntime", "numpy")  # by a server of the model
_LOOSER = 1e-6  # MLflow runs the same file in the same runtime


def write(packaging: Packaging, folder: Path) -> None:
    """Write MLmodel, model.onnx, requirements, a sample request and the answer to it.

    Raises:
        ModuleNotFoundError: if MLflow is not installed.
        ExportError: if MLflow does not write the model, or answers otherwise than the file.
    """
    try:
        import mlflow.onnx
        import mlflow.pyfunc
        from mlflow.models import ModelSignature
        from mlflow.types import Schema
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "A package for MLflow needs mlflow. Install it: pip install 'keras-dropouts[mlflow]'",
            name=error.name,
        ) from error
    import onnx

    sample, interface = packaging.sample, packaging.interface
    with Stage(f"MLflow does not take {packaging.path!r}", "", (OSError,)):
        signature = ModelSignature(
            inputs=Schema(_specs(interface.inputs)), outputs=Schema(_specs(interface.outputs))
        )
        has_weights_apart = len(interface.files) > 1
        mlflow.onnx.save_model(
            onnx.load(str(interface.files[0])),
            str(folder),
            signature=signature,
            input_example=sample.inputs,
            pip_requirements=[f"{name}=={version(name)}" for name in _NEEDED],
            onnx_execution_providers=["CPUExecutionProvider"],  # where the file was verified
            save_as_external_data=has_weights_apart,
            **({"location": f"{MODEL}.data"} if has_weights_apart else {}),
        )
        answers = mlflow.pyfunc.load_model(str(folder)).predict(sample.inputs)
    for name, x in sample.outputs.items():
        if not np.allclose(answers[name], x, rtol=_LOOSER, atol=_LOOSER, equal_nan=True):
            raise ExportError(f"Nothing was written: in MLflow output {name!r} is not the file's.")
    lists = ({name: numbers(x) for name, x in each.items()} for each in (sample.inputs, answers))
    inputs, predictions = lists
    write_json(folder / "sample_request.json", {"inputs": inputs})
    write_json(folder / "sample_answer.json", {"predictions": predictions})


def _specs(tensors: Sequence[TensorInfo]) -> list[Any]:
    from mlflow.types import TensorSpec

    return [
        TensorSpec(
            np.dtype(each.dtype),
            tuple(-1 if size is None else size for size in each.shape),
            each.name,
        )
        for each in tensors
    ]
