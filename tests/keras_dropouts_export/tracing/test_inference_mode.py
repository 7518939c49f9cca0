"""Tests that nothing trains in the inference mode, and that it leaves nothing changed."""

import threading

import keras
import numpy as np
import pytest

from keras_dropouts.surgery import sources as noise
from keras_dropouts_export.tracing.inference_mode import inference_mode
from served import Subclassed, data, graph_model


def rates(model):
    return [(source.path, source.attribute, source.rate) for source in noise.noise_sources(model)]


def test_rates_are_zero_inside_and_back_after():
    model = graph_model()
    before = rates(model)
    with inference_mode(model):
        assert {rate for _, _, rate in rates(model) if _ != "path"} >= {0.0}
        assert not any(source.rate for source in noise.noise_sources(model) if not source.ours)
    assert rates(model) == before


def test_rates_are_back_after_an_error():
    model = graph_model()
    before, call = rates(model), keras.layers.Layer.__call__
    with pytest.raises(KeyboardInterrupt), inference_mode(model):
        raise KeyboardInterrupt
    assert rates(model) == before
    assert keras.layers.Layer.__call__ is call


def test_a_training_flag_in_a_call_is_overruled():
    model = Subclassed()
    x = data(4, 3)
    model(x)
    with inference_mode(model):
        np.testing.assert_array_equal(model(x), model(x, training=True))
    assert not np.array_equal(model(x), model(x))


def test_batch_normalization_serves_its_moving_statistics():
    x = keras.Input((4,))
    model = keras.Model(x, keras.layers.BatchNormalization()(x, training=True))
    before = [w.copy() for w in model.get_weights()]
    with inference_mode(model):
        np.testing.assert_allclose(model(data(3, 4)), data(3, 4) / np.sqrt(1.001), rtol=1e-5)
    for old, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, now)


def test_another_thread_trains_meanwhile():
    model = keras.Sequential([keras.Input((100,)), keras.layers.Dropout(0.5)])
    other = keras.layers.Dropout(0.5)
    found = []
    with inference_mode(model):
        thread = threading.Thread(target=lambda: found.append(other(data(1, 100), training=True)))
        thread.start()
        thread.join()
    assert (np.array(found[0]) == 0.0).any()


def test_losses_and_call_flags_are_as_they_were():
    layer = keras.layers.Dense(2, activity_regularizer="l2", name="regular")
    model = keras.Sequential([keras.Input((4,)), layer])
    model(data(2, 4))
    before = [float(loss) for loss in model.losses]
    with inference_mode(model):
        model(data(9, 4))
    assert [float(loss) for loss in model.losses] == before
