"""Reads a prediction in any of its forms: samples, moments, outputs of onnxruntime, or an array."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from keras_dropouts.arguments import invalid

_ENDINGS = ("mean", "std", "samples", "mutual_information")  # of outputs of one name
_CALIBRATED = "_calibrated"
SERVED = ("set", "lower", "upper", "accept")  # what a calibration adds to an artifact
_OTHERS = ("entropy", "expected_entropy", "calibrated", "calibrated_std", *SERVED)


@dataclass(frozen=True)
class Given:
    """A prediction as arrays.

    mean: shape (N, ...), of the dtype that was given. std: the same shape, or None where there are
    samples to compute it from, or none at all. samples: shape (T, N, ...), or None.
    mutual_information: shape (N, ...) without the classes, or None. served: what an artifact adds
    to its output, by the names in `SERVED`.
    """

    mean: np.ndarray
    std: np.ndarray | None = None
    samples: np.ndarray | None = None
    mutual_information: np.ndarray | None = None
    served: dict[str, np.ndarray] = field(default_factory=dict)


def read(prediction: Any, output: str | None = None, argument: str = "prediction") -> Given:
    """Return a prediction as arrays.

    Args:
        prediction: An array or tensor of shape (N, ...); a `MonteCarloPrediction`, with samples or
            reduced to moments; or a dict of arrays by name, as onnxruntime and `OnnxScorer` give
            them: `<name>`, or `<name>_mean` and `<name>_std`, or `<name>_samples` of shape
            (batch, samples, ...).
        output: The name of the output that is meant, where the model has several;
            `<name>_calibrated` is that as the calibration in its file has it.
        argument: What the error calls the prediction.

    Raises:
        ValueError: if it is none of these, has several outputs and none is named, or holds
            anything but finite numbers.
    """
    if all(hasattr(prediction, name) for name in ("samples", "moments")):
        return _of_samples(prediction, output, argument)
    if isinstance(prediction, Mapping):
        return _of_outputs(prediction, output, argument)
    if output is not None:
        raise invalid("output", "None, as the prediction is one array", output)
    return Given(numbers(prediction, argument))


def numbers(value: Any, argument: str, *, finite: bool = True) -> np.ndarray:
    """Return `value` as an array of numbers, finite ones if `finite`, with at least one row.

    Raises:
        ValueError: if it is none.
    """
    expected = "an array of numbers with a row for each row of data"
    if hasattr(value, "detach"):  # a tensor of PyTorch that may be part of a graph
        value = value.detach().cpu()
        # NumPy has no bfloat16 that PyTorch could make an array of.
        value = value.float() if str(value.dtype) == "torch.bfloat16" else value
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:  # lists of several lengths, a symbolic tensor
        raise invalid(argument, expected, value) from error
    if array.dtype.name == "bfloat16":
        array = array.astype("float32")
    if array.dtype.kind not in "biuf" or array.ndim == 0:
        raise invalid(argument, expected, value)
    if not array.size:
        raise invalid(argument, f"{expected}, and at least one row", described(array))
    if finite and array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = int(array.size - np.isfinite(array).sum())
        shown = f"{described(array)}, {bad} of whose numbers are NaN or infinite"
        raise invalid(argument, f"{expected}, all finite", shown)
    return array


def described(array: np.ndarray) -> str:
    """Return what an error says of an array: its dtype and shape."""
    return f"{array.dtype} of shape {array.shape}"


def _of_samples(prediction: Any, output: str | None, argument: str) -> Given:
    samples = prediction.samples
    mean = numbers(_chosen(prediction.mean, output, argument), f"{argument}.mean")
    if samples is None:
        std = _chosen(prediction.std, output, argument)
        return Given(mean, numbers(std, f"{argument}.std"))
    held = numbers(_chosen(samples, output, argument), f"{argument}.samples")
    return Given(mean, samples=held)


def _chosen(value: Any, output: str | None, argument: str) -> Any:
    """Return one output of a structure of outputs."""
    if isinstance(value, Mapping):
        names = [str(name) for name in value]
    elif isinstance(value, (list, tuple)):
        names = [str(number) for number in range(len(value))]
    else:
        if output is not None:
            raise invalid("output", "None, as the model has one output", output)
        return value
    if output is None and len(names) == 1:
        output = names[0]
    if output not in names:
        raise invalid("output", f"the name of one output, out of {names}", output)
    if isinstance(value, Mapping):
        return {str(name): x for name, x in value.items()}[output]
    return value[int(output)]


def _of_outputs(outputs: Mapping[str, Any], output: str | None, argument: str) -> Given:
    names = output_names(outputs)
    if output is None and len(names) == 1:
        output = names[0]
    stem = str(output).removesuffix(_CALIBRATED)
    added = {f"{stem}{_CALIBRATED}", f"{stem}{_CALIBRATED}_std"} & set(outputs)
    if output not in names and stem in names and added:
        return _calibrated(_of_outputs(outputs, stem, argument), outputs, stem, argument)
    if output not in names:
        raise invalid("output", f"the name of one output, out of {names}", output)
    parts = {
        each: numbers(outputs[f"{output}_{each}"], f"{argument}['{output}_{each}']")
        for each in _ENDINGS
        if f"{output}_{each}" in outputs
    }
    samples = parts.get("samples")
    if samples is not None:
        if samples.ndim < 2:
            expected = "samples of shape (batch, samples, ...)"
            raise invalid(f"{argument}['{output}_samples']", expected, described(samples))
        samples = np.moveaxis(samples, 1, 0)
    if output in outputs:
        mean = numbers(outputs[output], f"{argument}['{output}']")
    elif "mean" in parts:
        mean = parts["mean"]
    else:  # a name in `names` has one of the three
        mean = np.mean(parts["samples"], axis=1, dtype="float64").astype(parts["samples"].dtype)
    served = {
        each: numbers(outputs[f"{output}_{each}"], f"{argument}['{output}_{each}']", finite=False)
        for each in SERVED
        if f"{output}_{each}" in outputs
    }
    return Given(mean, parts.get("std"), samples, parts.get("mutual_information"), served)


def _calibrated(given: Given, outputs: Mapping[str, Any], stem: str, argument: str) -> Given:
    """Return an output as the calibration in its file has it: its mean, or its deviation."""
    mean, std = outputs.get(f"{stem}{_CALIBRATED}"), outputs.get(f"{stem}{_CALIBRATED}_std")
    return Given(
        given.mean if mean is None else numbers(mean, f"{argument}['{stem}{_CALIBRATED}']"),
        None if std is None else numbers(std, f"{argument}['{stem}{_CALIBRATED}_std']"),
        None,
        given.mutual_information,
        given.served,
    )


def middle_of_quantiles(given: Given) -> Given:
    """Return a prediction of two quantiles that has an interval as one of the number between them.

    A conformal calibration of quantiles serves an interval of one number for two units.
    """
    shape, lower = given.mean.shape, given.served.get("lower")
    if lower is None or len(shape) < 2 or shape[-1] != 2 or lower.shape != (*shape[:-1], 1):
        return given
    return Given(given.mean.mean(axis=-1, keepdims=True, dtype="float64"), served=given.served)


def output_names(outputs: Mapping[str, Any]) -> list[str]:
    """Return the names of a model's outputs from those of what its file returns.

    `score_mean` and `score_std` stand for one output, `score`.
    """
    known = set(map(str, outputs))
    stems = {
        name.removesuffix(f"_{end}")
        for name in known
        for end in ("mean", "samples")
        if name.endswith(f"_{end}")
    }
    # What belongs to an output that is there is no output of its own.
    of_others = {f"{stem}_{end}" for stem in known | stems for end in (*_ENDINGS, *_OTHERS)}
    return sorted((known - of_others) | stems)
