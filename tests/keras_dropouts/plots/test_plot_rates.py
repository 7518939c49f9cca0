"""Tests of the picture of rates over the epochs."""

import keras
import numpy as np
import pytest

import keras_dropouts as kd


def test_each_rate_is_a_line():
    import matplotlib.pyplot as plt

    ramp = kd.schedules.LinearRamp(0.0, 0.4, ramp_steps=2)
    layers = [keras.Input((4,)), kd.ScheduledDropout(ramp, name="ramp"), keras.layers.Dropout(0.2)]
    model = keras.Sequential([*layers, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.ones((4, 4), "float32")
    history = model.fit(x, x[:, :1], epochs=2, verbose=0, callbacks=[kd.RateLogger()])
    axes = kd.plot_rates(history)
    assert [line.get_label() for line in axes.lines] == ["ramp", model.layers[1].name]
    np.testing.assert_allclose(axes.lines[0].get_xdata(), [1, 2], rtol=0, atol=0)
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [0.2, 0.4], rtol=1e-6, atol=1e-7)
    assert kd.plot_rates(history.history, ax=axes) is axes
    plt.close("all")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"history": 3}, "Expected what `fit` returned, or a dict of lists. Received: history=3"),
        ({"history": {"loss": [1.0]}}, r"callbacks=\[kd.RateLogger\(\)\]"),
        ({"history": {"rate/a": [1.0]}, "prefix": 1}, "Expected a string. Received: prefix=1"),
        ({"history": {"rate/a": [1.0]}, "ax": 1}, "None or a matplotlib Axes"),
    ],
)
def test_bad_arguments_are_refused(arguments, text):
    with pytest.raises(ValueError, match=text):
        kd.plot_rates(**arguments)
