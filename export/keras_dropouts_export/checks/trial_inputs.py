"""Makes seeded inputs to try a model with, from its signature."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_dropouts.arguments import invalid
from keras_dropouts_export.checks.input_domains import Domain, input_domains
from keras_dropouts_export.errors import ExportError
from keras_dropouts_export.tracing.inference_function import InferenceFunction, TensorInfo

BATCH_SIZES = (1, 2, 7)
# Pairs of sizes of a dynamic dimension; the first pair that the model takes is used. The first is
# of a sequence, the next of an image, the last of sound.
_LENGTHS: tuple[tuple[int, int], ...] = ((12, 17), (64, 96), (32, 64), (224, 256), (4000, 4800))
# Tried last, for a model that takes one length only.
_LENGTHS += tuple((length, length) for length in (64, 16, 77, 128, 256, 512))

Inputs = dict[str, np.ndarray]


def trial_inputs(
    function: InferenceFunction, seed: int = 0, batch_sizes: Sequence[int] = BATCH_SIZES
) -> Iterator[tuple[int, Inputs, Inputs]]:
    """Yield (batch size, inputs by name, the outputs of the model itself by name).

    Every dynamic dimension has two sizes over the batches. A model whose batch dimension is fixed
    gets that one batch size.

    Raises:
        ExportError: if the function takes none of the inputs that were tried.
    """
    random = np.random.default_rng(seed)
    domains = input_domains(function)
    fixed = {each.shape[0] for each in function.inputs if each.shape and each.shape[0] is not None}
    batches = sorted(fixed)[:1] or list(batch_sizes)
    lengths = _accepted_lengths(function, batches[0], domains)
    for i, batch in enumerate(batches):
        inputs = _inputs(function, batch, lengths[i % 2], domains, random)
        yield batch, inputs, function.expected(inputs)


def _accepted_lengths(
    function: InferenceFunction, batch: int, domains: dict[str, Domain]
) -> tuple[int, int]:
    if not any(None in each.shape[1:] for each in function.inputs):
        return _LENGTHS[0]
    images = any(len(each.shape) > 3 for each in function.inputs)
    problems: list[Exception] = []
    for lengths in _LENGTHS[1:] if images else _LENGTHS:
        try:
            for length in lengths:
                inputs = _inputs(function, batch, length, domains, np.random.default_rng(0))
                function.expected(inputs)
        except (tf.errors.OpError, ValueError) as error:  # too short for the model, most often
            problems.append(error)
        else:
            return lengths
    raise ExportError(
        f"Model {function.name!r} took none of the inputs that were tried, with dynamic dimensions "
        f"of {_LENGTHS}. Fix them with `input_signature`. The last problem: {problems[-1]}"
    ) from problems[-1]


def _inputs(
    function: InferenceFunction,
    batch: int,
    length: int,
    domains: dict[str, Domain],
    random: np.random.Generator,
) -> Inputs:
    return {
        each.name: _values(each, batch, length, domains[each.name], random)
        for each in function.inputs
    }


def _values(
    info: TensorInfo, batch: int, length: int, domain: Domain, random: np.random.Generator
) -> np.ndarray:
    shape = [
        size if size is not None else batch if axis == 0 else length
        for axis, size in enumerate(info.shape)
    ]
    if info.dtype == "bool" or "mask" in info.name:
        return _mask(shape, random).astype(_numpy(info.dtype))
    if "int" in info.dtype or info.dtype == "string":
        return domain.draw(shape, info.dtype, random)
    return random.standard_normal(shape).astype(_numpy(info.dtype))


def _mask(shape: list[int], random: np.random.Generator) -> np.ndarray:
    """Return ones with some zeros, never a row of zeros alone."""
    mask = random.random(shape) < 0.8
    mask[..., :1] = True
    return mask


def _numpy(dtype: str) -> Any:
    # NumPy has no bfloat16 of its own; TensorFlow casts on the way in.
    return "float32" if dtype == "bfloat16" else dtype


def check_probabilities(function: InferenceFunction) -> None:
    """Raise a clear error where an output of a model is not class probabilities.

    Raises:
        ValueError: naming the output, for the argument `uncertainty`, which needs them.
    """
    _, _, outputs = next(trial_inputs(function))
    for name, values in outputs.items():
        numbers = values.astype("float64")
        sums = numbers.sum(axis=-1) if numbers.ndim > 1 else numbers
        one_unit = numbers.ndim > 1 and numbers.shape[-1] == 1
        inside = (numbers >= 0.0).all() and (numbers <= 1.001).all()
        if numbers.ndim < 2 or not inside or not (one_unit or (abs(sums - 1.0) < 1e-2).all()):
            raise invalid(
                "uncertainty",
                "False where an output is not class probabilities along its last axis",
                True,
                f"Output {name!r} is not; give the model a softmax or sigmoid.",
            )
