"""What each layer is checked for in the conformance report, one function a column."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_dropouts import rewrite, schedules
from subjects import Subject

RATE = 0.25
CALLS = 24
SIGMAS = 5.0  # an honest generator goes beyond this once in 1.7 million looks

BACKEND = keras.backend.backend()
DTYPES = ("float32", "mixed_float16", "mixed_bfloat16")
EXECUTIONS = {
    "tensorflow": ("eager", "graph", "jit"),
    "jax": ("eager", "jit"),
    "torch": ("eager",),
}[BACKEND]

# Their mean over masks is not the output without dropout, as their docstrings say.
NOT_LINEAR = ("VariationalRNN", "Zoneout", "PatchDropout", "DropKey", "ConcreteDropout")


@dataclass
class Check:
    """One finding: ok is None where the question makes no sense for the layer."""

    ok: bool | None
    text: str = ""
    value: float = 0.0


NOT_ASKED = Check(None, "-")


def caller(layer: Any, subject: Subject, execution: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that calls the layer in training, once a call, in one execution."""

    def call(x: Any) -> Any:
        return ops.cast(subject.call(layer, x, training=True), "float32")

    if execution == "eager":
        return lambda x: _numpy(call(ops.convert_to_tensor(x)))
    if BACKEND == "tensorflow":
        import tensorflow as tf

        compiled = tf.function(call, jit_compile=execution == "jit")
        return lambda x: _numpy(compiled(tf.constant(x)))
    import jax

    def pure(trained: Any, state: Any, x: Any) -> Any:
        arguments = subject.wire(x)
        return layer.stateless_call(trained, state, *arguments, training=True)

    jitted = jax.jit(pure)

    def run(x: Any) -> np.ndarray:
        trained = [variable.value for variable in layer.trainable_variables]
        state = [variable.value for variable in layer.non_trainable_variables]
        output, after = jitted(trained, state, x)
        for variable, value in zip(layer.non_trainable_variables, after, strict=True):
            variable.assign(value)
        return _numpy(ops.cast(output, "float32"))

    return run


def _numpy(tensor: Any) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(tensor), "float64")


def rows_for(layer: Any, subject: Subject) -> int:
    """Return how many samples a call needs for a million decisions in all calls."""
    if not subject.dropped:
        return 512
    if not hasattr(layer, "mask_shape"):
        return 20_000  # a peer
    x = subject.data(4)
    masked = np.prod([int(size) for size in layer.mask_shape(ops.convert_to_tensor(x))]) / 4
    block = np.prod(getattr(layer, "block_size", (1,))) * (1 if subject.dropped else 4)
    channels = subject.shape[-1] if getattr(layer, "shared", False) else 1
    return int(min(1_200_000 / CALLS / masked * block * channels, 4_000_000 / x[0].size)) + 1


def statistics(subject: Subject, dtype: str, execution: str) -> dict[str, Check]:
    """Return the checks of rate, mean and independence for one dtype and execution."""
    layers = [subject.make(rate=RATE, seed=seed, dtype=dtype) for seed in (1, 2)]
    x = subject.data(2)
    for layer in layers:
        subject.call(layer, x)
    x = subject.data(rows_for(layers[0], subject))
    runs = [caller(layer, subject, execution) for layer in layers]
    plain = _numpy(ops.cast(subject.call(layers[0], ops.convert_to_tensor(x)), "float32"))
    outputs = [runs[0](x) for _ in range(CALLS)]
    other = runs[1](x)
    checks = {"rate": NOT_ASKED, "mean": NOT_ASKED, "independence": NOT_ASKED}
    if subject.dropped:
        checks["rate"] = _rate([np.mean(output == 0) for output in outputs])
        if "paper" in subject.name:  # the formula that ignores overlap, offered as it is
            checks["rate"] = Check(None, checks["rate"].text)
    if outputs[0].shape == plain.shape:
        noises = [output - plain for output in outputs]
        if not subject.name.startswith(NOT_LINEAR):
            checks["mean"] = _mean([np.mean(noise) for noise in noises], plain, dtype)
        other = other - plain
        if subject.dropped:  # the masks themselves: DropBlock's mean differs from place to place
            noises, other = [noise / plain for noise in noises], other / plain
        checks["independence"] = _independence(layers[0], subject, noises, other)
    return checks


def _rate(fractions: list[float]) -> Check:
    error = np.mean(fractions) / RATE - 1
    bound = SIGMAS * np.std(fractions, ddof=1) / np.sqrt(len(fractions)) / RATE
    return Check(bool(abs(error) <= bound), f"{error:+.2%} (bound {bound:.2%})", abs(error))


def _mean(differences: list[float], plain: np.ndarray, dtype: str) -> Check:
    scale = np.mean(np.abs(plain))
    error = np.mean(differences) / scale
    bound = SIGMAS * np.std(differences, ddof=1) / np.sqrt(len(differences)) / scale
    rounding = {"float32": 2**-24, "mixed_float16": 2**-11, "mixed_bfloat16": 2**-8}[dtype] / 4
    return Check(bool(abs(error) <= bound + rounding), f"{error:+.2%}", abs(error))


def _independence(layer: Any, subject: Subject, noises: list[Any], other: Any) -> Check:
    """Multiply noises that should be independent; the mean product is 0 if they are."""
    by_row = getattr(layer, "draws_by_row", True)
    # Centred over all but the batch: taking away a mean over few calls would correlate them.
    noises = [noise - noise.mean(axis=0) if by_row else noise for noise in noises]
    centred = np.stack(noises)
    steps = centred[:-1] * centred[1:]
    products = {"steps": steps.mean(axis=tuple(range(1 if not by_row else 2, steps.ndim)))}
    if by_row:
        samples = centred[:, :-1] * centred[:, 1:]
        products["samples"] = samples.mean(axis=tuple(range(2, samples.ndim)))
        if subject.dropped:  # two layers of the others have other weights
            pairs = centred[0] * (other - other.mean(axis=0))
            products["layers"] = pairs.reshape(len(pairs), -1).mean(axis=1)
    scores = {
        name: abs(values.mean()) / (values.std(ddof=1) / np.sqrt(values.size) or 1.0)
        for name, values in products.items()
    }
    name = max(scores, key=lambda each: scores[each])
    return Check(bool(scores[name] <= SIGMAS), f"{scores[name]:.1f} sigma {name}", scores[name])


def ends(subject: Subject) -> Check:
    """Rate 0 changes nothing and rate 1 drops all, both without NaN."""
    if not subject.ends:
        return NOT_ASKED
    x = subject.data()
    zero, one = subject.make(rate=0.0, seed=1), subject.make(rate=1.0, seed=1)
    kept = _numpy(subject.call(zero, x, training=True))
    plain = _numpy(subject.call(zero, x))
    gone = _numpy(subject.call(one, x, training=True))
    ok = np.allclose(kept, plain, rtol=1e-5, atol=1e-6) and np.isfinite(gone).all()
    return Check(bool(ok and (not subject.dropped or not gone.any())))


def hostile_shapes(subject: Subject) -> Check:
    """No NaN, no error: one sample, none at all, sizes of 1, odd and long ones."""
    smallest = tuple(1 if i < len(subject.shape) - 1 else n for i, n in enumerate(subject.shape))
    if subject.name.startswith(("PatchDropout",)):
        smallest = (2, subject.shape[-1])
    if "Conv2D" in subject.name:
        smallest = (3, 3, subject.shape[-1])  # a kernel's size
    shapes = [(1, *subject.shape), (0, *subject.shape), (3, *smallest), (5, *smallest)]
    bad = []
    for shape in shapes:
        values = np.ones(shape, "int32" if subject.tokens else "float32")
        layer = subject.make(rate=0.5, seed=1)
        if not np.isfinite(_numpy(subject.call(layer, values, training=True))).all():
            bad.append(shape)
    return Check(not bad, "" if not bad else f"NaN at {bad}")


def gradient(subject: Subject) -> Check:
    """The gradient is exactly 0 where a unit is dropped and the scale elsewhere."""
    if not subject.dropped:
        return NOT_ASKED
    layer = subject.make(rate=RATE, seed=1)
    x = subject.data(16)
    output, slope = _gradient(layer, subject, x)
    expected = np.where(output == 0, 0.0, output / x)
    return Check(bool(np.allclose(slope, expected, rtol=1e-5, atol=0)))


def _gradient(layer: Any, subject: Subject, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if BACKEND == "tensorflow":
        import tensorflow as tf

        tensor = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(tensor)
            output = layer(tensor, training=True)
        return _numpy(output), _numpy(tape.gradient(output, tensor))
    if BACKEND == "torch":
        tensor = ops.convert_to_tensor(x).requires_grad_(True)
        output = layer(tensor, training=True)
        output.sum().backward()
        return _numpy(output.detach()), _numpy(tensor.grad)
    import jax

    layer(x)
    state = [variable.value for variable in layer.non_trainable_variables]

    def total(value: Any) -> Any:
        output, _ = layer.stateless_call([], state, value, training=True)
        return output.sum(), output

    slope, output = jax.grad(total, has_aux=True)(x)
    return _numpy(output), _numpy(slope)


def saving(subject: Subject) -> Check:
    """A saved and loaded model goes on bit for bit as one that was never stopped."""
    rate = schedules.LinearRamp(0.1, 0.6, 8) if subject.schedules else RATE
    model = subject.model(rate, seed=None)
    x = subject.data()
    model(x, training=True)
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model.keras")
        again = keras.saving.load_model(Path(folder) / "model.keras")
    runs = [[_numpy(each(x, training=True)) for _ in range(3)] for each in (model, again)]
    return Check(bool(np.array_equal(runs[0], runs[1])))


def stand_ins(subject: Subject) -> Check:
    """Stripped and frozen, the model computes the same, bit for bit, when not training."""
    if not hasattr(subject.make(rate=RATE, seed=1), "stripped"):
        return NOT_ASKED
    model = subject.model(RATE)
    x = subject.data()
    layer = model.get_layer("subject")
    before = _numpy(model(x))

    def strip(each: Any) -> Any:
        left = each.stripped() if each is layer else None
        return None if each is not layer else [] if left is None else [left]

    stripped = rewrite.rewrite(model, strip)
    frozen = rewrite.rewrite(model, lambda each: each.frozen() if each is layer else None)
    same = [np.array_equal(_numpy(each(x)), before) for each in (stripped, frozen)]
    return Check(all(same), "" if all(same) else f"strip {same[0]}, freeze {same[1]}")


def schedule(subject: Subject) -> Check:
    """The rate has the schedule's value at each step."""
    if not subject.schedules:
        return NOT_ASKED
    ramp = schedules.CosineRamp(0.1, 0.7, ramp_steps=4, begin_step=1)
    layer = subject.make(rate=ramp, seed=1)
    x, seen = subject.data(), []
    for _ in range(7):
        seen.append(layer.rate)
        subject.call(layer, x, training=True)
    return Check(bool(np.allclose(seen, [ramp(step) for step in range(7)], rtol=1e-6, atol=1e-7)))


ONCE = {
    "rates 0 and 1": ends,
    "shapes": hostile_shapes,
    "gradient": gradient,
    "save and go on": saving,
    "strip, freeze": stand_ins,
    "schedule": schedule,
}
