"""What onnxruntime draws, by statistics: rate, mean, independence, and how fast a mean converges.

The bounds are those of the conformance report: 5 standard errors, from what was seen to vary.
"""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import drawn
import keras_dropouts as kd
import keras_dropouts_export as kde
from subjects import SUBJECTS, Subject

RATE, SAMPLES, SEED, SIGMAS = 0.25, 64, 5, 5.0

# Their mean over masks is not the output without dropout, as their docstrings say.
NOT_LINEAR = ("VariationalRNN", "Zoneout", "PatchDropout", "DropKey", "ConcreteDropout")


def served(subject: Subject, folder: Path) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return samples of two layers, (samples, rows, ...), and their outputs without dropout."""
    inputs = keras.Input(subject.shape, dtype="int32" if subject.tokens else "float32")
    both = [subject.make(rate=RATE, seed=1, name=f"layer_{i}") for i in range(2)]
    model = keras.Model(inputs, [subject.call(layer, inputs) for layer in both])
    x = subject.data(int(np.clip(400_000 // SAMPLES // np.prod(subject.shape), 64, 512)))
    # What draws for all rows would run each row alone, or be 64 copies of a layer in the file.
    each = not both[0].draws_by_row or both[0].mixes_rows
    options = {"chunk_size": 1, "fixed_masks": True} if each else {}
    path = folder / "m.onnx"
    kde.export_onnx(model, path, samples=SAMPLES, reduce=None, **options)
    plain = [np.asarray(each, "float64") for each in model(x)]
    samples = [np.moveaxis(each, 1, 0) for each in drawn.serve(path, x, SEED)]
    return [each.astype("float64") for each in samples], plain


def within(values: Any, expected: float, what: str, allowed: float = 0.0) -> None:
    """Check that the mean of independent values is what is expected."""
    values = np.asarray(values, "float64").ravel()
    error = abs(values.mean() - expected)
    bound = SIGMAS * values.std(ddof=1) / np.sqrt(values.size) + allowed
    assert error <= bound, f"{what}: off by {error:.3g}, bound {bound:.3g}"


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_rate_mean_and_independence_hold(subject: Subject, tmp_path: Path) -> None:
    (first, second), (plain, plain_second) = served(subject, tmp_path)
    assert not np.array_equal(first[0], first[1])
    if subject.dropped and "paper" not in subject.name:  # that formula ignores overlap
        within((first == 0).reshape(SAMPLES, -1).mean(axis=1), RATE, "rate")
    if first.shape[1:] != plain.shape:
        return  # fewer tokens than without dropout
    if not subject.name.startswith(NOT_LINEAR):
        scale = np.abs(plain).mean()
        errors = (first - plain).reshape(SAMPLES, -1).mean(axis=1) / scale
        within(errors, 0.0, "mean", allowed=2.0**-26)
    noise, other = first - plain, second - plain_second
    if subject.dropped:
        noise, other = noise / plain, other / plain_second
    # By position: the mean of what is not linear, and DropBlock's, differs from place to place.
    noise, other = noise - noise.mean(axis=0), other - other.mean(axis=0)
    products = (noise[:-1:2] * noise[1::2]).reshape(SAMPLES // 2, -1).mean(axis=1)
    # Less a common mean, two of T independent numbers have the correlation -1 / (T - 1).
    within(products, -np.square(noise).mean() / (SAMPLES - 1), "samples")
    within((noise * other).reshape(SAMPLES, -1).mean(axis=1), 0.0, "layers")
    layer = subject.make(rate=RATE, seed=1)
    if layer.draws_by_row and not layer.mixes_rows:
        rows = noise[:, :-1:2] * noise[:, 1::2]
        within(rows.reshape(*rows.shape[:2], -1).mean(axis=2), 0.0, "rows")


def classifier() -> keras.Model:
    keras.utils.set_random_seed(2)
    return keras.Sequential(
        [
            keras.Input((12,), name="x"),
            kd.ScheduledDropout(0.3),
            layers.Dense(16, activation="relu"),
            layers.Dropout(0.4),
            layers.Dense(4, activation="softmax", name="y"),
        ]
    )


def test_means_converge_at_the_rate_of_the_root(tmp_path: Path) -> None:
    model, many = classifier(), 4096
    x = np.random.default_rng(3).standard_normal((64, 12)).astype("float32")
    # Another seed's: samples of the same one would be among those that it is compared with.
    expected = kd.mc_predict(model, x, many, SEED + 100, 64, chunk_size=128, verbose=False).mean
    squares = {}
    for samples in (16, 256):
        path = tmp_path / f"{samples}.onnx"
        kde.export_onnx(model, path, samples=samples)
        errors = [drawn.serve(path, x, seed)[0] - expected for seed in range(8)]
        # One number for each row: its outputs, which sum to 1, depend on each other.
        squares[samples] = np.square(np.stack(errors)).sum(axis=-1).ravel()
    ratio = np.sqrt(squares[16].mean() / squares[256].mean())
    wanted = np.sqrt((1 / 16 + 1 / many) / (1 / 256 + 1 / many))
    spread = [each.std() / each.mean() / np.sqrt(each.size) / 2 for each in squares.values()]
    bound = SIGMAS * wanted * np.hypot(*spread)
    assert abs(ratio - wanted) < bound < 0.25 * wanted, (ratio, wanted, bound)


def test_the_mean_of_a_linear_model_goes_to_the_model_without_dropout(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((16,)), layers.Dropout(0.3), layers.Dense(8, name="y")])
    x = np.random.default_rng(3).standard_normal((32, 16)).astype("float32")
    kde.export_onnx(model, tmp_path / "m.onnx", samples=256)
    mean, std = drawn.serve(tmp_path / "m.onnx", x, SEED)
    scores = (mean - model(x).numpy()) / (std / np.sqrt(256))
    assert np.abs(scores).max() < 5.5  # of 256 numbers
    # The outputs of a row are functions of the same masks, the rows are independent.
    within(np.square(scores).mean(axis=1), 1.0, "square of the scores", allowed=2 / 256)


def test_a_seed_is_all_that_the_samples_depend_on(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    kde.export_onnx(classifier(), path, samples=8, reduce=None)
    x = np.random.default_rng(3).standard_normal((5, 12)).astype("float32")
    base = drawn.serve(path, x, SEED)[0]
    run = drawn.session(path)
    feeds = {"x": x, "seed": kd.row_seeds(SEED, 5)}
    for _ in range(2):  # the same session again, and a new one
        np.testing.assert_array_equal(run.run(None, feeds)[0], base)
    for level in ("ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED"):
        again = drawn.session(path, level).run(None, feeds)[0]
        np.testing.assert_allclose(again, base, atol=1e-6, rtol=1e-5)
    others = [drawn.serve(path, x, seed)[0] for seed in (SEED + 1, SEED + 2**32, 0, 2**63 - 1)]
    for i, left in enumerate([base, *others]):
        for right in others[i:]:
            assert (np.abs(left - right).max(axis=(0, 2)) > 1e-3).all()
