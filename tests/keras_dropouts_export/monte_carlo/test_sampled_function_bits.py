"""Tests that mc_predict, SavedModel and onnxruntime draw equal bits from equal seeds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import drawn
import keras_dropouts as kd
import keras_dropouts_export as kde
from keras_dropouts.layers.base import BaseDropout
from subjects import SUBJECTS

SEED = 9
SAMPLES = 3


class Artifacts:
    """A model and its two artifacts, with all samples as their output."""

    def __init__(self, model: keras.Model, x: Any, folder: Path, fixed: bool = False) -> None:
        self.model, self.x = model, x
        self.file, self.folder = folder / "m.onnx", folder / "saved"
        options = {"samples": SAMPLES, "reduce": None, "fixed_masks": fixed}
        with drawn.marks() as self.marks:
            kde.export_onnx(model, self.file, **options)
        kde.export_saved_model(model, self.folder, **options)

    def outputs(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the samples of the SavedModel and of onnxruntime, (samples, rows, ...)."""
        loaded = tf.saved_model.load(str(self.folder))
        seeds = kd.row_seeds(SEED, keras.tree.flatten(self.x)[0].shape[0])
        saved = loaded.serve_mc(tf.constant(self.x), tf.constant(seeds))
        (served,) = drawn.serve(self.file, self.x, SEED)
        both = next(iter(saved.values())).numpy(), served
        return np.moveaxis(both[0], 1, 0), np.moveaxis(both[1], 1, 0)


def on(make: Callable[[], Any], *shape: int) -> Callable[[], tuple[keras.Model, np.ndarray]]:
    """Return what makes a model of one layer, and inputs of a shape."""

    def made() -> tuple[keras.Model, np.ndarray]:
        inputs = keras.Input(shape)
        layer = make()
        outputs = layer(inputs, inputs) if "Attention" in type(layer).__name__ else layer(inputs)
        x = np.random.default_rng(1).uniform(0.5, 1.5, (3, *shape)).astype("float32")
        return keras.Model(inputs, outputs), x

    return made


class Own(layers.Layer):
    """A user's layer with a generator: three kinds of draws in one call."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.generator = keras.random.SeedGenerator(1)

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training:
            return inputs
        shape = keras.ops.shape(inputs)
        noise = keras.random.uniform(shape, seed=self.generator)
        shift = keras.random.randint(shape, 0, 5, seed=self.generator)
        dropped = keras.random.dropout(inputs, 0.5, seed=self.generator)
        return dropped + noise + keras.ops.cast(shift, "float32")


def recurrent(**kwargs: Any) -> dict[str, Any]:
    return {"dropout": 0.3, "recurrent_dropout": 0.4, "return_sequences": True, **kwargs}


KERAS = {
    "Dropout": on(lambda: layers.Dropout(0.3), 5, 4),
    "Dropout-noise_shape": on(lambda: layers.Dropout(0.3, noise_shape=(None, 1, 4)), 5, 4),
    "SpatialDropout1D": on(lambda: layers.SpatialDropout1D(0.3), 5, 9),
    "AlphaDropout": on(lambda: layers.AlphaDropout(0.3), 5, 4),
    "GaussianDropout": on(lambda: layers.GaussianDropout(0.3), 5, 4),
    "GaussianNoise": on(lambda: layers.GaussianNoise(0.3), 5, 4),
    "LSTM": on(lambda: layers.LSTM(6, **recurrent()), 5, 4),
    "GRU": on(lambda: layers.GRU(6, **recurrent()), 5, 4),
    "Bidirectional": on(lambda: layers.Bidirectional(layers.LSTM(6, **recurrent())), 5, 4),
    "stacked cells": on(
        lambda: layers.RNN([layers.LSTMCell(6, dropout=0.3), layers.GRUCell(5, dropout=0.4)]), 5, 4
    ),
    "ConvLSTM1D": on(lambda: layers.ConvLSTM1D(3, 2, **recurrent()), 3, 5, 2),
    "MultiHeadAttention": on(lambda: layers.MultiHeadAttention(2, 4, dropout=0.3), 5, 4),
    "GroupQueryAttention": on(lambda: layers.GroupQueryAttention(4, 4, 2, dropout=0.3), 5, 4),
    "a user's layer": on(Own, 5, 4),
}
LONG = {"Bidirectional", "ConvLSTM1D"}
EVERY = [
    *(
        pytest.param(lambda each=each: (each.model(), each.data(3)), id=f"ours: {each.name}")
        for each in SUBJECTS
    ),
    *(
        pytest.param(make, id=f"Keras: {name}", marks=[pytest.mark.slow] if name in LONG else [])
        for name, make in KERAS.items()
    ),
]


def draws_for_all_rows(model: keras.Model) -> bool:
    """Return whether a layer draws what all rows share, so that each row runs alone, in a loop."""
    return any(
        isinstance(layer, BaseDropout) and (layer.mixes_rows or not layer.draws_by_row)
        for layer in model._flatten_layers()
    )


@pytest.mark.parametrize("make", EVERY)
def test_every_layer_draws_the_same_numbers(make: Any, tmp_path: Path) -> None:
    model, x = make()
    # The numbers inside a loop cannot be read out of a file.
    fixed = draws_for_all_rows(model)
    artifacts = Artifacts(model, x, tmp_path, fixed)
    served = drawn.of_onnx(artifacts.file, artifacts.marks, x, SEED)
    predicted, prediction = drawn.of_mc_predict(model, x, SAMPLES, SEED, fixed_masks=fixed)
    assert set(served) == set(predicted)
    assert {sample for _, _, sample in served} == set(range(SAMPLES))
    assert {row for _, row, _ in served} == set(kd.row_seeds(SEED, 1 if fixed else 3).tolist())
    for key, numbers in served.items():
        np.testing.assert_array_equal(numbers, predicted[key])
    # The numbers are the masks' own; what is computed from them agrees as floats do.
    for values in artifacts.outputs():
        error = np.abs(values - prediction.samples).max()
        np.testing.assert_allclose(
            values, prediction.samples, atol=2e-4, rtol=1e-4, err_msg=f"largest {error}"
        )
    assert prediction.std.max() > 0.0


# With a rate of 0.5 the scale is 2, so that all that follows is exact: outputs show the masks.
def plain(layer: Any) -> Any:
    """Set the weights of a recurrent layer of n units so that it adds its inputs and its state."""
    n = layer.units
    eye, zeros = np.eye(n, dtype="float32"), np.zeros((n, n), "float32")
    shown = {"SimpleRNN": [eye], "LSTM": [zeros, zeros, eye, zeros], "GRU": [zeros, zeros, eye]}
    kernel = np.concatenate(shown[type(layer).__name__], axis=1)
    weights = [kernel, kernel]
    if isinstance(layer, layers.LSTM):  # gates: input, forget and output are 1
        weights.append(np.repeat(np.float32([1, 1, 0, 1]), n))
    if isinstance(layer, layers.GRU):  # the update gate is 0, the reset gate 1
        gates = np.repeat(np.float32([0, 1, 0]), n)
        weights.append(np.stack([gates, np.zeros_like(gates)]))
    layer.set_weights(weights)
    return layer


def linear(kind: Any, **kwargs: Any) -> Any:
    gates = {} if kind is layers.SimpleRNN else {"recurrent_activation": "linear"}
    bias = kind is not layers.SimpleRNN
    return kind(8, activation="linear", use_bias=bias, return_sequences=True, **gates, **kwargs)


def series() -> np.ndarray:
    """Return a series of ones and then zeros, so that the second step shows the state's mask."""
    x = np.zeros((4, 3, 8), "float32")
    x[:, 0] = 1.0
    return x


def sequential(layer: Any, x: np.ndarray) -> tuple[keras.Model, np.ndarray]:
    return keras.Sequential([keras.Input(x.shape[1:], dtype=str(x.dtype)), layer]), x


def keras_recurrent(kind: Any) -> tuple[keras.Model, np.ndarray]:
    layer = linear(kind, dropout=0.5, recurrent_dropout=0.5)
    made = sequential(layer, series())
    plain(layer)
    return made


def wrapped_recurrent(wrapper: Any, kind: Any, x: np.ndarray, **kwargs: Any) -> Any:
    layer = linear(kind)
    made = sequential(wrapper(layer, 0.5, **kwargs), x)
    plain(layer)
    return made


def zoneout(kind: Any) -> tuple[keras.Model, np.ndarray]:
    """Return a model whose states are sums of powers of two: which steps stayed can be told."""
    x = np.ones((4, 6, 8), "float32") * 2.0 ** np.arange(6, dtype="float32")[:, None]
    return wrapped_recurrent(kd.Zoneout, kind, x)


def drop_connect_dense() -> tuple[keras.Model, np.ndarray]:
    dense = layers.Dense(6, kernel_initializer="ones", use_bias=False)
    return sequential(kd.DropConnect(dense, 0.5), np.eye(10, dtype="float32"))


def drop_connect_conv() -> tuple[keras.Model, np.ndarray]:
    conv = layers.Conv2D(5, 3, padding="same", kernel_initializer="ones", use_bias=False)
    x = np.zeros((4, 7, 7, 2), "float32")
    x[0, 3, 3, 0] = x[1, 2, 3, 1] = x[2, 5, 4, 0] = 1.0
    return sequential(kd.DropConnect(conv, 0.5), x)


def embedding() -> tuple[keras.Model, np.ndarray]:
    table = layers.Embedding(20, 4, embeddings_initializer="ones")
    x = np.arange(20, dtype="int32").reshape(4, 5)
    return sequential(kd.EmbeddingDropout(table, 0.5), x)


def patches() -> tuple[keras.Model, np.ndarray]:
    x = np.arange(4 * 17 * 3, dtype="float32").reshape(4, 17, 3)
    return sequential(kd.PatchDropout(0.5, prefix=1), x)


def residual() -> tuple[keras.Model, np.ndarray]:
    inputs = keras.Input((3,))
    outputs = kd.StochasticDepth(0.5)([inputs, inputs * 2.0])
    return keras.Model(inputs, outputs), np.ones((32, 3), "float32")


def several_masks() -> tuple[keras.Model, np.ndarray]:
    dense = layers.Dense(8, kernel_initializer="identity", use_bias=False)
    return sequential(kd.MultiSampleDropout(dense, 0.5, samples=4), np.ones((4, 8), "float32"))


def ones(layer: Any, *shape: int) -> tuple[keras.Model, np.ndarray]:
    return sequential(layer, np.ones((4, *shape), "float32"))


RECURRENT = (layers.SimpleRNN, layers.LSTM, layers.GRU)
SHOWN = {
    "ScheduledDropout": lambda: ones(kd.ScheduledDropout(0.3), 6, 6, 4),
    "ScheduledDropout-float16": lambda: ones(
        kd.ScheduledDropout(0.3, dtype="mixed_float16"), 6, 6, 4
    ),
    "SpatialDropout": lambda: ones(kd.SpatialDropout(0.3), 6, 6, 4),
    "DropBlock": lambda: ones(kd.DropBlock2D(0.2, 3), 6, 6, 4),
    "DropBlock-clip": lambda: ones(kd.DropBlock2D(0.2, 3, border="clip"), 6, 6, 4),
    "DropPath": lambda: ones(kd.DropPath(0.4), 6),
    "Keras Dropout": lambda: ones(layers.Dropout(0.3), 6, 6, 4),
    "Keras SpatialDropout2D": lambda: ones(layers.SpatialDropout2D(0.3), 6, 6, 4),
    **{f"Keras {k.__name__}": lambda k=k: keras_recurrent(k) for k in RECURRENT},
    **{
        f"VariationalRNN-{k.__name__}": lambda k=k: wrapped_recurrent(
            kd.VariationalRNN, k, series(), recurrent_rate=0.5
        )
        for k in RECURRENT
    },
    **{f"Zoneout-{k.__name__}": lambda k=k: zoneout(k) for k in RECURRENT},
    "DropConnect-Dense": drop_connect_dense,
    "DropConnect-Conv2D": drop_connect_conv,
    "EmbeddingDropout": embedding,
    "PatchDropout": patches,
    "StochasticDepth": residual,
    "MultiSampleDropout": several_masks,
}


@pytest.mark.parametrize("make", SHOWN.values(), ids=SHOWN.keys())
def test_the_masks_are_the_same_to_the_bit(make: Any, tmp_path: Path) -> None:
    model, x = make()
    predicted = kd.mc_predict(model, x, SAMPLES, SEED, verbose=False).samples
    for values in Artifacts(model, x, tmp_path).outputs():
        np.testing.assert_array_equal(values, predicted)
    assert np.abs(predicted[0] - predicted[1]).max() > 0.0


@pytest.mark.parametrize("kind", RECURRENT)
def test_input_and_state_have_a_mask_each(kind: Any, tmp_path: Path) -> None:
    for name, (model, x) in {
        "Keras": keras_recurrent(kind),
        "ours": wrapped_recurrent(kd.VariationalRNN, kind, series(), recurrent_rate=0.5),
    }.items():
        file = tmp_path / f"{name}.onnx"
        kde.export_onnx(model, file, samples=32, reduce=None)
        (states,) = drawn.serve(file, x, SEED)
        states = np.moveaxis(states, 1, 0)
        # What an LSTM's carry brings is taken off: what is left went through the state's mask.
        carried = states[:, :, 0] if kind is layers.LSTM else 0.0
        kept, recurred = states[:, :, 0] > 0, states[:, :, 1] - carried > 0
        for found in (kept, recurred[kept]):
            assert abs(found.mean() - 0.5) < 5 * 0.5 / np.sqrt(found.size)
        assert not recurred[~kept].any()


def many_kinds() -> keras.Model:
    """Return a model with noise sources of many kinds, all with the same seed of their own."""
    inputs = keras.Input((6, 16))
    x = kd.ScheduledDropout(0.2, seed=1)(inputs)
    x = layers.Dropout(0.2, seed=1)(x)
    x = layers.GaussianDropout(0.1, seed=1)(x)
    x = kd.GaussianDropout(0.1, seed=1)(x)
    x = kd.SpatialDropout(0.2, seed=1)(x)
    x = kd.DropBlock1D(0.2, 2, seed=1)(x)
    x = layers.GRU(16, dropout=0.2, recurrent_dropout=0.2, return_sequences=True, seed=1)(x)
    x = kd.Zoneout(layers.LSTM(16, return_sequences=True), 0.2, seed=1)(x)
    x = layers.MultiHeadAttention(2, 8, dropout=0.2, seed=1)(x, x)
    x = kd.ConcreteDropout(layers.Dense(16), seed=1)(x)
    return keras.Model(inputs, kd.DropPath(0.2, seed=1)(layers.Dense(16)(x)))


def parts_of(numbers: np.ndarray) -> list[bytes]:
    """Return parts of a draw that no two draws have by chance: blocks, or runs of decisions."""
    size = 4 if numbers.max(initial=0) > 1 else 96  # of rate 0.2: equal by chance once in 2**53
    whole = numbers[: numbers.size // size * size].reshape(-1, size).astype("<i4")
    return [part.tobytes() for part in whole]


def test_seeds_layers_samples_and_rows_share_no_stream_in_onnxruntime(tmp_path: Path) -> None:
    model, x = many_kinds(), np.ones((4, 6, 16), "float32")
    with drawn.marks() as where:
        kde.export_onnx(model, tmp_path / "m.onnx", samples=SAMPLES)
    places, parts = set(), []
    for seed in (SEED, SEED + 1, SEED + 2**32):
        draws = drawn.of_onnx(tmp_path / "m.onnx", where, x, seed)
        places = {key >> 32 for key, _, _ in draws}
        for numbers in draws.values():
            parts += parts_of(numbers)
        rows = kd.row_seeds(seed, 4).tolist()
        assert {row for _, row, _ in draws} == set(rows)
        assert draws[0, rows[0], 0].size == x[0].size  # of the first layer
    assert len(places) >= 11
    assert len(parts) > 1500
    assert len(set(parts)) == len(parts)
