"""Scores on Spark: a UDF, a function for `mapInPandas`, and ranges of a file as Spark's tasks."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from keras_dropouts_export.scoring.columns import flat_outputs, scored_columns
from keras_dropouts_export.scoring.model_values import ModelValue
from keras_dropouts_export.scoring.onnx_scorer import OnnxScorer

_TYPES = {  # of Spark, by NumPy's names; Spark has no unsigned integers
    "float16": "FloatType",
    "float32": "FloatType",
    "float64": "DoubleType",
    "bool": "BooleanType",
    "int8": "ByteType",
    "int16": "ShortType",
    "int32": "IntegerType",
    "int64": "LongType",
    "uint8": "ShortType",
    "uint16": "IntegerType",
    "uint32": "LongType",
    "uint64": "LongType",
}


def spark_udf(
    path: str | os.PathLike[str],
    seed: int = 0,
    *,
    batch_size: int = 256,
    row_numbers: bool = True,
    **options: Any,
) -> Any:
    """Return a function of columns for Spark's DataFrames, made by `predict_batch_udf`.

    It takes a column for each input, in the order of the file: numbers for an input of shape
    (batch,) or (batch, 1), flat arrays of numbers for another, whose dimensions must be fixed; and
    after them one of integers that numbers the rows, such as a key of your own. A row's masks
    depend on `seed` and that number alone. It returns a struct with a field for each output:
    numbers, or flat arrays of numbers.

    Args:
        path: An .onnx file that each machine sees.
        seed: Any integer of 64 bits.
        batch_size: How many rows run at once.
        row_numbers: Whether the last column numbers the rows; a file without dropout needs none.
        options: Further arguments of `OnnxScorer`.

    Raises:
        ModuleNotFoundError: if pyspark is missing.
        ValueError: if an input has dimensions that are not fixed.
    """
    from pyspark.ml.functions import predict_batch_udf

    scorer = OnnxScorer(path, seed, **options)
    shapes: list[list[int] | None] = []
    for value in scorer.inputs:
        if value.size is None:
            raise _not_fixed(path, value)
        shapes.append(None if value.is_scalar else [int(size or 0) for size in value.shape])
    shapes += [None] if row_numbers else []
    return predict_batch_udf(
        functools.partial(_predict_function, scorer, row_numbers),
        return_type=_struct(scorer, nested=False),
        batch_size=batch_size,
        input_tensor_shapes=shapes,
    )


def _not_fixed(path: str | os.PathLike[str], value: ModelValue) -> ValueError:
    from keras_dropouts.arguments import invalid

    expected = "an .onnx file whose inputs have fixed dimensions, for a UDF"
    way_out = f"Its {value.name!r} is {value}. Take `spark_map_function`."
    return invalid("path", expected, os.fspath(path), way_out)


def _predict_function(scorer: OnnxScorer, row_numbers: bool) -> Callable[..., dict[str, Any]]:
    def predict(*columns: np.ndarray) -> dict[str, Any]:
        given = columns[:-1] if row_numbers else columns
        inputs = {x.name: each for x, each in zip(scorer.inputs, given, strict=True)}
        outputs = scorer(inputs, row_numbers=columns[-1] if row_numbers else None)
        flat = flat_outputs(scorer, outputs)
        return {name: x if x.ndim == 1 else x.reshape(len(x), -1) for name, x in flat.items()}

    # Spark counts the parameters: with one alone it would want all columns in one array.
    names = [f"column_{number}" for number in range(len(scorer.inputs) + row_numbers)]
    kind = inspect.Parameter.POSITIONAL_ONLY
    signature = inspect.Signature([inspect.Parameter(name, kind) for name in names])
    predict.__signature__ = signature  # type: ignore[attr-defined]
    return predict


def spark_map_function(
    path: str | os.PathLike[str],
    seed: int = 0,
    *,
    row_numbers: str | None = "row",
    **options: Any,
) -> Callable[[Iterator[Any]], Iterator[Any]]:
    """Return a function for `DataFrame.mapInPandas`, which adds a column for each output.

    The DataFrame has a column for each input, by its name (or `x_0`, `x_1` ... for the numbers of
    an input `x`): numbers, arrays, or arrays in arrays. `spark_result_schema` makes the schema that
    `mapInPandas` asks for.

    Args:
        path: An .onnx file that each machine sees.
        seed: Any integer of 64 bits.
        row_numbers: The column of integers that numbers the rows, or None where the file has no
            dropout.
        options: Further arguments of `OnnxScorer`.

    Raises:
        ValueError: when it runs, if a column is missing, does not fit, or has the name of an
            output.

    Example:

    >>> import keras
    >>> import keras_dropouts_export as kde
    >>> layers = [keras.Input((4,), name="features"), keras.layers.Dense(1, name="score")]
    >>> report = kde.export_onnx(keras.Sequential(layers), "score.onnx")
    >>> function = kde.scoring.spark_map_function("score.onnx", row_numbers="id")
    >>> callable(function)  # df.mapInPandas(function, spark_result_schema(df.schema, "score.onnx"))
    True
    """
    return functools.partial(_map_pandas, OnnxScorer(path, seed, **options), row_numbers)


def _map_pandas(
    scorer: OnnxScorer, row_numbers: str | None, frames: Iterator[Any]
) -> Iterator[Any]:
    for frame in frames:
        columns = {name: frame[name].to_numpy() for name in frame.columns}
        scored = scored_columns(scorer, columns, row_numbers)
        new = {name: x for name, x in scored.items() if name not in columns}
        yield frame.assign(**{name: x if x.ndim == 1 else x.tolist() for name, x in new.items()})


def spark_result_schema(schema: Any, path: str | os.PathLike[str]) -> Any:
    """Return the schema of a DataFrame of `schema` with a column for each output of a file.

    Args:
        schema: The `StructType` of the DataFrame that is scored.
        path: The .onnx file.

    Raises:
        ModuleNotFoundError: if pyspark is missing.
    """
    from pyspark.sql.types import StructType

    return StructType([*schema.fields, *_struct(OnnxScorer(path), nested=True).fields])


def _struct(scorer: OnnxScorer, nested: bool) -> Any:
    from pyspark.sql import types

    fields = []
    for value in scorer.outputs:
        kind = getattr(types, _TYPES[value.dtype])()
        depth = 0 if value.is_scalar else len(value.shape) if nested else 1
        for _ in range(depth):
            kind = types.ArrayType(kind)
        fields.append(types.StructField(value.name, kind))
    return types.StructType(fields)


def run(task: Any, spans: Sequence[Any], workers: int) -> None:
    """Score ranges of rows as tasks of Spark, each of which is run again if its worker is lost."""
    from pyspark.sql import SparkSession

    from keras_dropouts_export.scoring.parts import work

    running = SparkSession.getActiveSession()
    session = running or _started(workers)
    try:
        slices = max(min(len(spans), 32 * workers), 1)
        ranges = session.sparkContext.parallelize(list(spans), slices)
        ranges.map(functools.partial(work, task)).count()
    finally:
        if running is None:
            session.stop()


def _started(workers: int) -> Any:
    """Start Spark: the master that SPARK_MASTER names, or processes of this machine."""
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    # A task may fail three times, where a local master would give up after the first one.
    master = os.environ.get("SPARK_MASTER", f"local[{workers},4]")
    builder = SparkSession.builder.appName("keras-dropouts score").master(master)
    settings = {"ui.enabled": "false", "ui.showConsoleProgress": "false", "log.level": "FATAL"}
    for name, value in settings.items():
        builder = builder.config(f"spark.{name}", value)
    return builder.getOrCreate()
