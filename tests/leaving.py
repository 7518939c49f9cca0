"""Takes a model out of training by every way, and says what each way came to.

What an artifact answers is compared with `model(x, training=False)` itself, on two batches whose
sizes, and whose lengths where those are dynamic, differ from each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnxruntime
import tensorflow as tf

import keras_dropouts as kd
import keras_dropouts_export as kde
from keras_dropouts.surgery.sources import noise_sources
from keras_dropouts_export.tracing.inference_mode import inference_mode
from keras_dropouts_export.tracing.signature import Signature, input_signature
from keras_io.example import Example
from runtimes import Arrays, answers, assert_close, lowest_precision

BATCHES = (2, 5)
SAMPLES, SEED = 3, 6
# What a library says of its own insides, and a refusal does not.
RAW = re.compile(r"Traceback|\{\{node|detected at node|StatusCode|0x[0-9a-f]{8}|core/framework")


@dataclass(frozen=True)
class Outcome:
    """What one way came to.

    status: "right", "refused", "wrong", "raw error", "no dropout", or "unstable" where the answers
    differ and so do the model's own when its inputs move by one step of float32.
    """

    way: str
    status: str
    said: str = ""
    expected: bool = True


@dataclass(frozen=True)
class Trial:
    """A model, what it takes, and what it answers to two batches."""

    model: keras.Model
    given: Signature
    batches: list[list[Any]]  # the inputs of each batch, in order
    wanted: list[list[Any]]  # the outputs of each
    signature: Any
    told: bool

    def feeds(self, inputs: list[Any], names: list[str]) -> Arrays:
        """Return the inputs of a batch by the names that an artifact has for them."""
        return {n: np.asarray(x.numpy()) for n, x in zip(names, inputs, strict=True)}


def trial(example: Example, told: bool = True) -> Trial:
    """Return a model with inputs that are drawn for it.

    told: whether its layers do as `training=False` says; those that do not are made to.
    """
    model = example.make()
    given = input_signature(model, example.signature)
    random = np.random.default_rng(8)
    batches = []
    for batch, length in zip(BATCHES, example.lengths, strict=True):
        rows = batch if example.fixed is None else example.fixed
        pairs = zip(given.names, given.specs, strict=True)
        batches.append([_drawn(example, n, spec, rows, length, random) for n, spec in pairs])
    with nullcontext() if told else inference_mode(model):
        wanted = [_tensors(given.call(model, each)) for each in batches]
    return Trial(model, given, batches, wanted, example.signature, told)


def _drawn(
    example: Example, name: str, spec: Any, batch: int, length: int, random: np.random.Generator
) -> Any:
    own = enumerate(spec.shape.as_list())
    shape = tuple(size or (length if axis else batch) for axis, size in own)
    if name in example.draw:
        values: Any = example.draw[name](random, shape)
    elif spec.dtype == tf.bool or "mask" in name:
        values = random.random(shape) < 0.8
        values[..., :1] = True
    elif spec.dtype.is_integer:
        values = random.integers(0, example.integers, shape)
    else:
        values = random.standard_normal(shape)
    return tf.constant(values) if spec.dtype == tf.string else tf.cast(values, spec.dtype)


def _tensors(structure: Any) -> list[Any]:
    return [x for x in keras.tree.flatten(structure) if tf.is_tensor(x)]


def outcomes(example: Example, folder: Path, told: bool = True) -> list[Outcome]:
    """Return what each way out of training came to for one model."""
    made = trial(example, told)
    ways: dict[str, Callable[[], str | None]] = {
        "strip": lambda: _stripped(made),
        "saved_model": lambda: _served(made, kde.export_saved_model, folder / "saved"),
        "onnx": lambda: _served(made, kde.export_onnx, folder / "plain.onnx"),
        "samples": lambda: _sampled(made, folder / "sampled.onnx"),
    }
    return [_outcome(way, run, example.refused.get(way)) for way, run in ways.items()]


def _outcome(way: str, run: Callable[[], str | None], refusal: str | None) -> Outcome:
    try:
        status = run() or "right"
    except AssertionError as error:
        return Outcome(way, "wrong", str(error).strip()[:600], False)
    except Exception as error:  # noqa: BLE001 - what a user would meet, whatever it is
        said = str(error).strip()
        if not isinstance(error, kde.ExportError | ValueError) or RAW.search(said):
            return Outcome(way, "raw error", f"{type(error).__name__}: {said}", False)
        return Outcome(way, "refused", said, refusal is not None and refusal in said)
    return Outcome(way, status, expected=refusal is None)


def _stripped(made: Trial) -> None:
    # A model that needs to be told its signature also needs inputs that its Python code can take.
    given = None if made.signature is None else made.given.arguments(made.batches[0])[0]
    new = kde.strip_dropout(made.model, sample_inputs=given)
    left = [source.path for source in noise_sources(new) if source.rate]
    assert not left, f"these still drop: {left}"
    for inputs, wanted in zip(made.batches, made.wanted, strict=True):
        with nullcontext() if made.told else inference_mode(new):
            got = _tensors(made.given.call(new, inputs))
        for one, two in zip(got, wanted, strict=True):
            _assert_same(one, two)


def _assert_same(one: Any, two: Any) -> None:
    """Assert that two models are the same function.

    Eager kernels may sum in another order where an array lies elsewhere in memory, so the last
    bits of floats may differ.
    """
    if not one.dtype.is_floating:
        np.testing.assert_array_equal(one.numpy(), two.numpy())
        return
    one, two = (
        tf.cast(x, "float64").numpy() if x.dtype == tf.bfloat16 else x.numpy() for x in (one, two)
    )
    step = np.finfo(one.dtype).eps * np.abs(two[np.isfinite(two)]).max(initial=0.0)
    np.testing.assert_allclose(one, two, atol=32 * float(step), rtol=0.0)


def _served(made: Trial, export: Callable[..., kde.ExportReport], path: Path) -> str | None:
    """Compare an artifact with the model, and say where the model itself is not stable."""
    report = export(made.model, path, input_signature=made.signature)
    names, outputs = ([each.name for each in infos] for infos in (report.inputs, report.outputs))
    status = None
    for inputs, wanted in zip(made.batches, made.wanted, strict=True):
        expected = dict(zip(outputs, wanted, strict=True))
        got = answers(path, made.feeds(inputs, names))
        try:
            assert_close(got, expected, lowest_precision(made.model))
        except AssertionError:
            if _is_stable(made, inputs, outputs):
                raise
            status = "unstable"
    return status


def _is_stable(made: Trial, inputs: list[Any], names: list[str]) -> bool:
    """Return whether a model's answers stay the same where its floats are one step larger.

    One that takes the best of nearly equal candidates does not, and no artifact can be held to it.
    """
    moved = [
        tf.constant(np.nextafter(x.numpy(), x.dtype.max)) if x.dtype == tf.float32 else x
        for x in inputs
    ]
    with nullcontext() if made.told else inference_mode(made.model):
        one, other = (_tensors(made.given.call(made.model, each)) for each in (inputs, moved))
    try:
        assert_close(
            dict(zip(names, other, strict=True)),
            dict(zip(names, one, strict=True)),
            lowest_precision(made.model),
        )
    except AssertionError:
        return False
    return True


def _batch_first(samples: Any) -> list[np.ndarray]:
    """Return samples as a file gives them; NumPy has no bfloat16 of its own."""
    arrays = [np.moveaxis(x, 0, 1) for x in keras.tree.flatten(samples)]
    return [x if x.dtype.kind != "V" else x.astype("float32") for x in arrays]


def _sampled(made: Trial, path: Path) -> str | None:
    """Compare the samples of an ONNX file with those of the model for the same seed."""
    if not any(source.rate for source in noise_sources(made.model)):
        return "no dropout"
    report = kde.export_onnx(
        made.model, path, samples=SAMPLES, reduce=None, input_signature=made.signature
    )
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    as_one = report.inputs[-1].shape == (1,)  # nodes and edges of a graph, say
    for inputs in made.batches:
        (x,) = made.given.arguments([each.numpy() for each in inputs])
        options = {"batch_size": None} if as_one else {}
        wanted = kd.mc_predict(made.model, x, SAMPLES, SEED, verbose=False, **options).samples
        *names, seed = (each.name for each in report.inputs)
        feeds = made.feeds(inputs, names)
        feeds[seed] = kd.row_seeds(SEED, 1 if as_one else len(next(iter(feeds.values()))))
        found = dict(
            zip((o.name for o in session.get_outputs()), session.run(None, feeds), strict=True)
        )
        expected = dict(zip((o.name for o in report.outputs), _batch_first(wanted), strict=True))
        assert_close(found, expected, lowest_precision(made.model))
    return None
