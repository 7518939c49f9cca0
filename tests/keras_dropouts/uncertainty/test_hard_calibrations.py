"""Tests calibrations where they are hard: a number a row, next to zero, certain rows, bfloat16."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_dropouts as kd
from calibrated_data import METHODS, figures, held, make_overconfident, softmax

uncertainty = kd.uncertainty


@pytest.fixture(scope="module")
def overconfident():
    return make_overconfident()


@pytest.mark.parametrize("method", METHODS)
def test_a_number_a_row_is_the_probability_of_the_second_class(method, overconfident):
    p, y = overconfident
    second, labels = held(p[:, 2:].sum(axis=1).clip(0.0, 1.0)), (y >= 2).astype("int64")
    found = uncertainty.calibrate(second, y=labels, method=method)
    wanted = found.scaled(second[:, None], np)[:, 0]
    np.testing.assert_array_equal(found.scaled(second, np), wanted)
    made = keras.ops.convert_to_numpy(found(second))
    np.testing.assert_allclose(made, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_isotonic_functions_take_probabilities_next_to_zero(dtype):
    random = np.random.default_rng(0)
    scores = random.normal(size=(3000, 3))
    y = np.array([random.choice(3, p=p) for p in softmax(scores)])
    p = held(softmax(80.0 * scores).astype(dtype))  # many are below 1e-38
    found = uncertainty.calibrate(p, y=y, method="isotonic")
    made = keras.ops.convert_to_numpy(found(p))
    assert np.isfinite(made).all()
    np.testing.assert_allclose(made, found.scaled(p, np), rtol=1e-4, atol=1e-6)
    assert figures(made, y)["nll"] < 0.5 * figures(p, y)["nll"]


def test_rows_that_no_temperature_can_change_do_not_move_it(overconfident):
    p, y = overconfident
    certain = np.array([[1.0, 0.0, 0.0, 0.0]] * 50)
    wrong = np.ones(50, "int64")
    found = uncertainty.calibrate(np.concatenate([p, certain]), y=np.concatenate([y, wrong]))
    alone = uncertainty.calibrate(p, y=y)
    assert found.temperature == pytest.approx(alone.temperature, rel=1e-6)


@pytest.mark.parametrize("method", ["vector", "isotonic"])
def test_layers_say_how_many_classes_they_are_for(method, overconfident):
    p, y = overconfident
    found = uncertainty.calibrate(p, y=y, method=method)
    with pytest.raises(ValueError, match=r"`inputs`. Expected probabilities of 4 classes"):
        found(np.full((3, 2), 0.5, "float32"))


def test_probabilities_of_bfloat16_are_taken(overconfident):
    p, y = overconfident
    narrow = keras.ops.cast(p.astype("float32"), "bfloat16")
    found = uncertainty.calibrate(narrow, y=y)
    assert found.temperature == pytest.approx(uncertainty.calibrate(p, y=y).temperature, rel=0.02)
    with pytest.raises(ValueError, match="with the sum 1"):
        uncertainty.calibrate((p * 0.995).astype("float32"), y=y)


def test_a_model_that_fails_on_its_inputs_is_named():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2, activation="softmax")], name="two")
    with pytest.raises(ValueError, match="Model 'two' cannot predict on `x`"):
        uncertainty.calibrate(model, np.ones((6, 3), "float32"), [0, 1] * 3)
