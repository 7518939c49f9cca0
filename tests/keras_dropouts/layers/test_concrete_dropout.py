"""Tests of ConcreteDropout: its loss terms, its learned rate, and the layers it wraps."""

import re

import keras
import numpy as np
import pytest

import keras_dropouts as kd

layers = keras.layers

WRAPPED = [  # (make layer, input shape, axes that share a decision, kernel, dropped dimensions)
    (lambda: layers.Dense(3), (5, 8), (), "kernel", 8),
    (lambda: layers.Dense(3), (5, 6, 8), (), "kernel", 8),
    (lambda: layers.Conv1D(3, 3), (5, 9, 8), (1,), "kernel", 8),
    (lambda: layers.Conv2D(3, 3), (5, 9, 7, 8), (1, 2), "kernel", 8),
    (lambda: layers.Conv3D(3, 2), (5, 4, 4, 4, 8), (1, 2, 3), "kernel", 8),
    (lambda: layers.DepthwiseConv1D(3), (5, 9, 8), (1,), "kernel", 8),
    (lambda: layers.DepthwiseConv2D(3), (5, 9, 7, 8), (1, 2), "kernel", 8),
    (lambda: layers.SeparableConv1D(3, 3), (5, 9, 8), (1,), "depthwise_kernel", 8),
    (lambda: layers.SeparableConv2D(3, 3), (5, 9, 7, 8), (1, 2), "depthwise_kernel", 8),
    (lambda: layers.EinsumDense("ab,bc->ac", 3), (5, 8), (), "kernel", 8),
    (lambda: layers.EinsumDense("...ab,abc->...c", (3,)), (5, 2, 4), (), "kernel", 8),
    (
        lambda: layers.EinsumDense("abc,cde->abde", (None, 2, 3)),
        (5, 6, 8),
        (),
        "kernel",
        8,
    ),
]
IDS = [f"{make().__class__.__name__}-{len(shape)}D" for make, shape, *_ in WRAPPED]


@pytest.mark.parametrize(("make", "shape", "axes", "kernel", "size"), WRAPPED, ids=IDS)
def test_loss_is_the_papers(make, shape, axes, kernel, size):
    layer = kd.ConcreteDropout(make(), 0.2, weight_regularizer=0.3, dropout_regularizer=0.7)
    layer.build(shape)
    weights = keras.ops.convert_to_numpy(getattr(layer.layer, kernel)).astype("float64")
    p = 0.2
    expected = 0.3 * np.sum(weights**2) / (1 - p)
    expected += 0.7 * size * (p * np.log(p) + (1 - p) * np.log(1 - p))
    (loss,) = layer.losses
    np.testing.assert_allclose(float(loss), expected, rtol=2e-6, atol=0.0)


@pytest.mark.parametrize(("make", "shape", "axes", "kernel", "size"), WRAPPED, ids=IDS)
def test_what_shares_a_decision(make, shape, axes, kernel, size):
    layer = kd.ConcreteDropout(make(), 0.4, seed=1)
    layer.build(shape)
    x = np.ones(shape, "float32")
    seen = []
    layer.layer.call = lambda inputs: seen.append(keras.ops.convert_to_numpy(inputs)) or inputs
    layer.drop(x, layer.current_rate(), layer._next_stream())
    factor = keras.ops.convert_to_numpy(layer.drop(x, layer.current_rate(), layer._next_stream()))
    for axis in axes:
        np.testing.assert_array_equal(factor, np.repeat(factor.take([0], axis), shape[axis], axis))
    free = factor[tuple(0 if axis in axes else slice(None) for axis in range(len(shape)))]
    assert len(np.unique(free)) > free.size / 2


def test_the_relaxed_mask_drops_about_the_rate():
    layer = kd.ConcreteDropout(layers.Dense(1), 0.3, seed=1)
    layer.build((None, 200))
    x = np.ones((2000, 200), "float32")
    factor = keras.ops.convert_to_numpy(layer.drop(x, layer.current_rate(), layer._next_stream()))
    kept = factor * 0.7
    assert kept.min() >= 0.0
    assert kept.max() <= 1.0 + 1e-6
    # P(z > 1/2) is the rate itself; the relaxed mean differs from it by a little.
    assert abs(np.mean(kept < 0.5) - 0.3) < 5.0 * np.sqrt(0.3 * 0.7 / x.size)
    assert abs(factor.mean() - 1.0) < 0.02


def test_the_rate_is_learned_and_in_the_history():
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(256, 4)).astype("float32")
    y = x @ np.ones((4, 1), "float32")
    layer = kd.ConcreteDropout(layers.Dense(8), 0.3, 1e-4, 1e-4, name="learned")
    model = keras.Sequential([keras.Input((4,)), layer, layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.02), "mse")
    history = model.fit(x, y, epochs=5, verbose=0).history
    rates = history["learned_rate"]
    # Nothing but noise comes from dropout in a linear task: the rate falls.
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.25
    assert rates[-1] == pytest.approx(layer.rate, rel=1e-6, abs=0.0)


def test_a_strong_entropy_term_drives_the_rate_to_one_half():
    layer = kd.ConcreteDropout(layers.Dense(2), 0.1, 0.0, 1.0)
    model = keras.Sequential([keras.Input((4,)), layer])
    model.compile(keras.optimizers.Adam(0.1), "mse")
    model.fit(np.zeros((64, 4)), np.zeros((64, 2)), epochs=100, verbose=0, batch_size=64)
    assert layer.rate == pytest.approx(0.5, rel=0.0, abs=0.02)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_rate_and_loss_stay_in_float32(dtype):
    layer = kd.ConcreteDropout(layers.Dense(3, dtype=dtype), 0.001, data_size=9, dtype=dtype)
    y = layer(np.ones((4, 8), "float32"), training=True)
    assert keras.backend.standardize_dtype(y.dtype) == dtype.removeprefix("mixed_")
    assert keras.backend.standardize_dtype(layer.losses[0].dtype) == "float32"
    assert layer.rate == 0.001


def test_rate_is_the_rate_that_was_given():
    for rate in (1e-6, 0.1, 0.123456789, 0.5, 0.999):
        layer = kd.ConcreteDropout(layers.Dense(3), rate)
        assert layer.rate == rate
        assert layer.get_config()["rate"] == rate
        layer.rate = 0.25
        assert layer.rate == pytest.approx(0.25, rel=1e-6, abs=0.0)


def test_rate_0_switches_it_off():
    layer = kd.ConcreteDropout(layers.Dense(3), 0.3, seed=1, data_size=16)
    model = keras.Sequential([keras.Input((8,)), layer])
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(16, 8)).astype("float32")
    layer.rate = 0.0
    y = keras.ops.convert_to_numpy(model(x, training=True))
    np.testing.assert_array_equal(y, keras.ops.convert_to_numpy(model(x)))
    loss = model.fit(x, np.zeros((16, 3)), epochs=3, verbose=0).history["loss"]
    assert np.isfinite(loss).all()
    assert layer.rate == 0.0
    with pytest.raises(ValueError, match="Expected a number below 1, as the rate is learned"):
        layer.rate = 1.0


def test_regularizers_are_the_papers():
    assert kd.concrete_regularizers(1000, length_scale=0.1) == pytest.approx((1e-5, 2e-3))
    weight, entropy = kd.concrete_regularizers(500, 0.2, model_precision=4.0, loss="crossentropy")
    assert (weight, entropy) == pytest.approx((0.04 / 2000, 1 / 2000), rel=1e-12, abs=0.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layer": layers.LSTM(3)}, "`layer`. Expected one of these layers: Dense, EinsumDense"),
        ({"layer": 3}, "Received: layer=3"),
        ({"rate": 0.0}, "`rate`. Expected a number strictly between 0 and 1"),
        ({"rate": 1}, "`rate`. Expected a number strictly between 0 and 1"),
        ({"rate": kd.schedules.LinearRamp(0.0, 0.5, 10)}, "A schedule goes to `ScheduledDropout`"),
        (
            {"weight_regularizer": -1.0},
            "`weight_regularizer`. Expected a finite number of at least",
        ),
        ({"dropout_regularizer": float("nan")}, "Received: dropout_regularizer=nan"),
        ({"temperature": 0.0}, "`temperature`. Expected a finite number above 0"),
        ({"seed": "a"}, "`seed`. Expected None or an integer"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        kd.ConcreteDropout(**{"layer": layers.Dense(3), **arguments})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dataset_size": 0}, "`dataset_size`. Expected an integer not below 1"),
        ({"dataset_size": 10.0}, "Received: dataset_size=10.0"),
        ({"length_scale": 0}, "`length_scale`. Expected a finite number above 0"),
        ({"model_precision": float("inf")}, "Received: model_precision=inf"),
        ({"loss": "mae"}, "`loss`. Expected one of 'mse', 'crossentropy'. Received: loss='mae'"),
    ],
)
def test_bad_regularizer_arguments(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        kd.concrete_regularizers(**{"dataset_size": 10, **arguments})


def test_data_size_gives_the_factors_of_the_paper():
    layer = kd.ConcreteDropout(layers.Dense(3), data_size=500, length_scale=0.2)
    found = layer.weight_regularizer, layer.dropout_regularizer
    assert found == kd.concrete_regularizers(500, 0.2)
    layer = kd.ConcreteDropout(layers.Dense(3), data_size=500, loss="crossentropy")
    assert layer.dropout_regularizer == 1 / 500
    again = kd.ConcreteDropout.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert (again.weight_regularizer, again.dropout_regularizer) == (1e-4 / 500, 1 / 500)


def test_configs_of_the_first_release_are_still_read():
    config = kd.ConcreteDropout(layers.Dense(3), 0.2, 1e-3, 1e-2).get_config()
    for new in ("data_size", "length_scale", "loss"):
        del config[new]
    layer = kd.ConcreteDropout.from_config(config)
    assert (layer.weight_regularizer, layer.dropout_regularizer) == (1e-3, 1e-2)


def _rate_learned_from(rows: int) -> float:
    """Return the rate that is learned with the factors of so many samples of one function."""
    keras.utils.set_random_seed(1)
    generator = np.random.default_rng(0)
    x = generator.normal(size=(rows, 1)).astype("float32")
    y = (2.0 * x + 8.0 + generator.normal(size=(rows, 1))).astype("float32")
    learned = kd.ConcreteDropout(layers.Dense(1), data_size=rows, length_scale=1e-4, seed=3)
    model = keras.Sequential([keras.Input((1,)), layers.Dense(64, "relu"), learned])
    model.compile(keras.optimizers.Adam(0.01), "mse")
    model.fit(x, y, batch_size=min(rows, 250), epochs=max(1, 500 // -(-rows // 250)), verbose=0)
    return learned.rate


@pytest.mark.slow
def test_the_rate_falls_with_the_size_of_the_data():
    few, more, many = map(_rate_learned_from, (10, 100, 1000))
    assert few > 0.1, (few, more, many)  # where it began: a little data pushes it up
    assert few > more + 0.02 > many + 0.04, (few, more, many)


def test_a_layer_that_nothing_pushes_says_so_once():
    layer = kd.ConcreteDropout(layers.Dense(2), name="silent")
    model = keras.Sequential([keras.Input((4,)), layer])
    model.compile("sgd", "mse")
    x, y = np.ones((8, 4), "float32"), np.ones((8, 2), "float32")
    model.predict(x, verbose=0)  # which says nothing
    kd.mc_predict(model, x, samples=2, seed=0, verbose=False)
    message = re.escape(
        "ConcreteDropout 'silent' trains with neither `data_size` nor regularizers, so the data "
        "alone moves its rate, and hardly: how far a rate is pushed depends on the number of "
        "training samples. Pass `data_size=len(x)` to ConcreteDropout."
    )
    with pytest.warns(UserWarning, match=message) as said:
        model.fit(x, y, epochs=2, verbose=0)
    assert sum("data_size" in str(each.message) for each in said) == 1
    model.fit(x, y, verbose=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"data_size": 0}, "`data_size`. Expected an integer not below 1. Received: data_size=0"),
        ({"data_size": 9.5}, "Received: data_size=9.5"),
        ({"data_size": 9, "length_scale": 0}, "`length_scale`. Expected a finite number above 0"),
        ({"loss": "mae"}, "`loss`. Expected one of 'mse', 'crossentropy'"),
        (
            {"data_size": 9, "weight_regularizer": 0.1},
            "`weight_regularizer`. Expected None where `data_size` is given, as it follows from",
        ),
        (
            {"data_size": 9, "dropout_regularizer": 0.1},
            "`dropout_regularizer`. Expected None where `data_size` is given",
        ),
    ],
)
def test_bad_sizes(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        kd.ConcreteDropout(layers.Dense(3), **arguments)
