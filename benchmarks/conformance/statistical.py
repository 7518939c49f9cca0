"""Checks what is drawn by statistics: rate, mean, independence; bounds from the sample's size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops
from running import caller, to_numpy, wrapped_layer_fails

from subjects import Subject

RATE = 0.25
CALLS = 24
MORE_CALLS = 240  # of a layer that draws once a call, not for each sample
NAMES = ("rate", "mean", "independence")
LIMIT = 0.01  # of the rate: what the bound of a realised rate may be at most
SIGMAS = 5.0  # an honest generator goes beyond this once in 1.7 million looks

# Their mean over masks is not the output without dropout, as their docstrings say.
NOT_LINEAR = ("VariationalRNN", "Zoneout", "PatchDropout", "DropKey", "ConcreteDropout")


@dataclass
class Check:
    """One finding: ok is None where the question makes no sense for the layer."""

    ok: bool | None
    text: str = ""
    value: float = 0.0


NOT_ASKED = Check(None, "-")


def rows_for(subject: Subject) -> int:
    """Return how many samples a call needs for a million decisions in all calls."""
    if not subject.dropped:
        return 512
    layer = subject.make(rate=RATE, seed=1)
    x = subject.data(4)
    masked = np.prod([int(size) for size in layer.mask_shape(ops.convert_to_tensor(x))]) / 4
    block = np.prod(getattr(layer, "block_size", (1,)))
    channels = subject.shape[-1] if getattr(layer, "shared", False) else 1
    return int(min(1_200_000 / CALLS / masked * block * channels, 4_000_000 / x[0].size)) + 1


def statistics(subject: Subject, rows: int, dtype: str, execution: str) -> dict[str, Check]:
    """Return the checks of rate, mean and independence for one dtype and execution."""
    x = subject.data(2)
    if wrapped_layer_fails(subject, x, dtype, execution):
        return dict.fromkeys(NAMES, Check(None, "Keras's own layer fails"))
    layers = [subject.make(rate=RATE, seed=seed, dtype=dtype) for seed in (1, 2)]
    for layer in layers:
        subject.call(layer, x)
    x = subject.data(rows)
    runs = [caller(layer, subject, execution) for layer in layers]
    plain = to_numpy(ops.cast(subject.call(layers[0], ops.convert_to_tensor(x)), "float32"))
    calls = CALLS if getattr(layers[0], "draws_by_row", True) else MORE_CALLS
    outputs = [runs[0](x) for _ in range(calls)]
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
    ok = abs(error) <= bound <= LIMIT
    return Check(bool(ok), f"{error:+.2%} of {bound:.2%}", abs(error))


def _mean(differences: list[float], plain: np.ndarray, dtype: str) -> Check:
    scale = np.mean(np.abs(plain))
    error = np.mean(differences) / scale
    bound = SIGMAS * np.std(differences, ddof=1) / np.sqrt(len(differences)) / scale
    rounding = {"float32": 2**-24, "mixed_float16": 2**-11, "mixed_bfloat16": 2**-8}[dtype] / 4
    bound += rounding
    return Check(bool(abs(error) <= bound), f"{error:+.2%} of {bound:.2%}", abs(error))


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
        # To take away the mean of n rows leaves two of them a covariance of -1 / n.
        samples = samples + np.square(centred).mean(axis=1, keepdims=True) / (centred.shape[1] - 1)
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
