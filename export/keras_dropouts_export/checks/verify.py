"""Verifies an artifact that exists against its model, with Monte-Carlo dropout or without."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras

from keras_dropouts.arguments import check_positive, invalid
from keras_dropouts.noise.row_seeds import row_seeds
from keras_dropouts_export.checks.artifact_process import Apart, Runtime
from keras_dropouts_export.checks.coverage import CoverageRow, covered
from keras_dropouts_export.checks.loss import allowed_in
from keras_dropouts_export.checks.parity import ParityReport, compare
from keras_dropouts_export.checks.sampled_parity import compare_samples, without_seed
from keras_dropouts_export.decided_outputs import DecidedOutputs
from keras_dropouts_export.destination import recover
from keras_dropouts_export.formats import format_at
from keras_dropouts_export.formats.format import Exported
from keras_dropouts_export.monte_carlo.sampled_function import sampled_function
from keras_dropouts_export.options import Comparison, MonteCarlo
from keras_dropouts_export.other_backends import Caller, is_elsewhere, on_tensorflow
from keras_dropouts_export.tracing.deciding_function import deciding
from keras_dropouts_export.tracing.inference_function import (
    InferenceFunction,
    inference_function,
    served_signature,
)
from keras_dropouts_export.tracing.sample_inputs import SampleInputs


def verify(
    model: keras.Model,
    path: str | os.PathLike[str],
    *,
    input_signature: Any = None,
    sample_inputs: Any = None,
    y: Any = None,
    second_process: bool = False,
    atol: float | None = None,
    rtol: float | None = None,
    seed: int = 0,
    time_limit: float | None = 600.0,
    providers: Sequence[str] | None = None,
) -> ParityReport:
    """Compare an artifact with the model that it was exported from.

    Both get the same seeded inputs, made from the model's signature, with batch sizes 1, 2 and 7,
    twice each. An ONNX file runs in onnxruntime with its optimizations on and off, a SavedModel is
    loaded again, and every other format runs in its own runtime. The model's side is the model at
    inference with every noise source off. For an artifact with Monte-Carlo dropout it is the
    samples with the same seed; with another seed the mean may differ by what the number of samples
    lets expect, and has to differ.

    Where Keras runs on JAX or PyTorch, a process of its own compares on TensorFlow, and the
    artifact is also compared with the model where it is.

    An output passes if it differs by at most `atol + rtol * max(|model's output|)`; NaN and
    infinity must be in the same places. Integers must be equal.

    Args:
        model: The built Keras model.
        path: An artifact of any format that this package exports.
        input_signature: As for `export_onnx`.
        sample_inputs: As for `export_onnx`.
        y: None, or the labels of `sample_inputs`, for an artifact with a calibration: the report
            says the coverage of its sets and intervals on them, and the risk of what it accepts,
            with exact binomial intervals. Classes are integers, and for several outputs it is a
            dict of labels by the names of the outputs.
        second_process: As for `export_saved_model`; the other formats have it in their runtimes,
            which know nothing of the model.
        atol: Absolute tolerance, a finite number not below 0; None takes the one of the dtype, or
            what a file of float16 or int8 may lose.
        rtol: Relative tolerance, likewise.
        seed: Seed of the inputs, an integer in [0, 2**63).
        time_limit: Seconds that the artifact may take in all, a finite number above 0. It is loaded
            and run in a process of its own, so that a file that never ends, crashes its runtime or
            fills the memory is an error; None runs it in this process and waits for it.
        providers: None for the CPU, or for an ONNX file the execution providers of onnxruntime to
            run it on, the first one first: ["CUDAExecutionProvider"], or "cuda" for short. One that
            onnxruntime leaves out is an error, and no silent run on the CPU. Other hardware rounds
            in another way, so `atol` or `rtol` may have to be larger.

    Raises:
        FileNotFoundError: if nothing is at `path`.
        ValueError: if the artifact cannot be read, has other inputs or outputs than the model,
            takes longer than `time_limit`, or cannot run on `providers`.
        ExportError: if the model cannot be traced.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> import keras_dropouts_export as kde
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    >>> report = kde.export_onnx(model, "model.onnx")
    >>> kde.verify(model, "model.onnx").ok
    True
    >>> model.layers[0].set_weights([np.zeros((4, 2)), np.ones(2)])
    >>> kde.verify(model, "model.onnx").ok
    False
    """
    comparison = Comparison(atol, rtol, seed, second_process)
    samples = SampleInputs.asked_for(sample_inputs)
    if y is not None and samples is None:
        raise invalid("y", "None without `sample_inputs`, whose labels they are", type(y).__name__)
    if time_limit is not None:
        check_positive(time_limit, "time_limit")
    if isinstance(path, (str, os.PathLike)):
        recover(Path(os.path.abspath(path)))
    asked = _providers(path, providers)
    if is_elsewhere():
        signature = served_signature(model, input_signature, samples)
        report: ParityReport = on_tensorflow(
            _verified,
            model,
            signature,
            path=os.fspath(path),
            signature=signature,
            samples=samples,
            comparison=comparison,
            time_limit=time_limit,
            providers=asked,
            y=y,
        )
        return report
    return _verified(
        model, None, None, path, input_signature, samples, comparison, time_limit, asked, y
    )


def _providers(
    path: str | os.PathLike[str], providers: Sequence[str] | None
) -> tuple[str, ...] | None:
    """Return the execution providers, once it is known that the artifact can run on them."""
    home = format_at(path)
    if providers is None:
        return None
    named = [providers] if isinstance(providers, str) else providers
    listed = isinstance(named, Sequence) and all(isinstance(each, str) for each in named)
    if not named or not listed:
        raise invalid("providers", "None, or names of execution providers", providers)
    home.on_providers(tuple(named))
    return tuple(named)


def _verified(
    model: keras.Model,
    caller: Caller | None,
    _: Any,
    path: str | os.PathLike[str],
    signature: Any,
    samples: SampleInputs | None,
    comparison: Comparison,
    time_limit: float | None,
    providers: tuple[str, ...] | None,
    y: Any,
) -> ParityReport:
    place = Path(path)
    home = format_at(path)
    found: Runtime = home if providers is None else home.on_providers(providers)
    if time_limit is not None:
        found = Apart(place.absolute(), time_limit, providers)
    plain = inference_function(model, signature, samples)
    comparison = allowed_in(found.precision_in(place.absolute()), comparison)
    text, said = found.sampling_in(place.absolute()), found.decided_in(place.absolute())
    if said is not None:
        decided = DecidedOutputs.from_json(said, str(path))
        decided = decided.of({each.name: each.shape for each in plain.outputs})
        plain = deciding(plain, decided) if text is None else replace(plain, decided=decided)
    if caller is not None:
        plain = caller.predicting(plain)
    if text is None:
        served = plain
        report = compare(plain, place.absolute(), comparison, str(path), found)
    else:
        sampling = MonteCarlo.from_json(text, str(path))
        served = sampled_function(plain, sampling)
        if caller is not None:
            served = caller.sampling(served, sampling)
        exported = Exported(plain, served, sampling)
        report = compare_samples(exported, place.absolute(), comparison, str(path), found)
    if y is None:
        return report
    if text is not None and not sampling.seeded:
        served = without_seed(served)
    return replace(report, coverage=_coverage(served, place.absolute(), found, y, comparison.seed))


def _coverage(
    served: InferenceFunction, path: Path, runtime: Runtime, y: Any, seed: int
) -> tuple[CoverageRow, ...]:
    """Return what the decisions of an artifact come to on the inputs that the user chose."""
    if served.decided is None or served.chosen is None:
        expected = "None: the artifact decides nothing that labels could be compared with"
        raise invalid("y", expected, type(y).__name__)
    inputs = dict(served.chosen)
    if served.takes_seeds:
        inputs[served.inputs[-1].name] = row_seeds(seed, len(next(iter(inputs.values()))))
    run = next(iter(runtime.runs(path, served).values()))
    return covered(served.decided, run(inputs), y)
