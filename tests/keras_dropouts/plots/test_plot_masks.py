"""Tests of the picture of what dropout layers drop, on the values of its images."""

import sys

import keras
import numpy as np
import pytest

import keras_dropouts as kd
from keras_dropouts.plots.mask_images import DROPPED, GAP, mask_image
from keras_dropouts.plots.noted_masks import noted_masks

X = np.linspace(0.5, 1.5, 2 * 6 * 8 * 4, dtype="float32").reshape(2, 6, 8, 4)


@pytest.fixture(autouse=True)
def closed():
    """Close the figures, as matplotlib warns of many that are open."""
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def painted(axes):
    """Return where the image of an Axes has the colour of what is dropped."""
    return np.all(np.isclose(axes.images[0].get_array(), DROPPED, rtol=0, atol=1e-6), axis=-1)


def test_each_unit_that_is_dropped_is_painted_and_no_other():
    layer = kd.DropBlock2D(0.3, block_size=3, seed=1)
    (note,) = noted_masks(layer, X, seed=5)
    figure = kd.plot_masks(layer, X, seed=5)
    assert len(figure.axes) == 2
    for row, axes in enumerate(figure.axes):
        dropped = note.factor[row] == 0.0
        assert 0 < dropped.mean() < 1
        tiles = np.zeros((2 * 6 + 1, 2 * 8 + 1), bool)
        for channel in range(4):
            top, left = channel // 2 * 7, channel % 2 * 9
            tiles[top : top + 6, left : left + 8] = dropped[..., channel]
        np.testing.assert_array_equal(painted(axes), tiles)
        assert axes.get_xlabel() == f"{dropped.mean():.0%} dropped"


def test_the_masks_are_those_of_monte_carlo_sampling():
    model = keras.Sequential([keras.Input((6, 8, 4)), kd.SpatialDropout(0.5, name="channels")])
    (note,) = noted_masks(model, X, seed=7)
    sample = kd.mc_predict(model, X, samples=1, seed=7, verbose=False).samples[0]
    np.testing.assert_allclose(note.inputs * note.factor, sample, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("make", [keras.layers.Dropout, keras.layers.SpatialDropout2D])
def test_layers_of_keras_are_shown_too(make):
    model = keras.Sequential([keras.Input((6, 8, 4)), make(0.5), kd.ScheduledDropout(0.5)])
    theirs, ours = noted_masks(model, X, seed=7)
    assert set(np.unique(theirs.factor)) == {0.0, 2.0}
    np.testing.assert_allclose(ours.inputs, X * theirs.factor, rtol=1e-6, atol=1e-6)
    sample = kd.mc_predict(model, X, samples=1, seed=7, verbose=False).samples[0]
    np.testing.assert_allclose(ours.inputs * ours.factor, sample, rtol=1e-6, atol=1e-6)


def test_nothing_of_the_layer_changes():
    layer = kd.ScheduledDropout(0.5, seed=3)
    twin = kd.ScheduledDropout(0.5, seed=3)
    kd.plot_masks(layer, X)
    assert layer.step == 0
    both = (keras.ops.convert_to_numpy(each(X, training=True)) for each in (layer, twin))
    np.testing.assert_array_equal(*both)


def test_the_rate_of_now_is_shown():
    ramp = kd.schedules.LinearRamp(0.0, 1.0, ramp_steps=2)
    layer = kd.ScheduledDropout(ramp, name="ramp")
    first = kd.plot_masks(layer, X, rows=1).axes[0]
    assert (first.get_title(), first.get_xlabel()) == ("ramp\nScheduledDropout, 0", "0% dropped")
    assert not painted(first).any()
    for _ in range(2):
        layer(X, training=True)
    last = kd.plot_masks(layer, X, rows=1).axes[0]
    assert (last.get_title(), last.get_xlabel()) == ("ramp\nScheduledDropout, 1", "100% dropped")


def test_a_model_has_a_line_of_panels_for_each_layer():
    inputs = keras.Input((6, 8, 4))
    x = kd.DropBlock(0.2, block_size=2, name="block")(inputs)
    x = kd.ConcreteDropout(keras.layers.Conv2D(4, 3, padding="same"), rate=0.4, name="learned")(x)
    x = kd.StochasticDepth(0.5, name="depth")([x, x])
    x = kd.GaussianDropout(0.2, name="noise")(x)
    x = kd.PatchDropout(0.5, name="patches")(keras.layers.Reshape((48, 4))(x))
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling1D()(x))
    figure = kd.plot_masks(model, X)
    titles = [axes.get_title().split("\n")[0] for axes in figure.axes if axes.get_title()]
    assert titles == ["block", "learned", "depth", "noise", "patches"]
    assert len(figure.axes) == 10
    said = [axes.get_xlabel() for axes in figure.axes]
    assert set(said[4:6]) <= {"0% dropped", "100% dropped"}
    assert said[6].startswith("times ")
    assert said[8:] == ["50% dropped"] * 2
    assert painted(figure.axes[8]).shape == (4, 48)
    assert len(kd.plot_masks(model, X, rows=1).axes) == 5


def test_what_is_laid_out_how():
    dropped = np.array([True, False, False])
    line = mask_image(np.array([0.0, 1.0, 2.0]), dropped)
    assert line.shape == (2, 2, 3)
    np.testing.assert_allclose(line[0, 0], DROPPED, rtol=0, atol=1e-12)
    np.testing.assert_allclose(line[1, 1], GAP, rtol=0, atol=1e-12)
    np.testing.assert_allclose(line[1, 0], [0.95] * 3, rtol=0, atol=1e-12)
    sequence = mask_image(np.zeros((5, 2)), np.zeros((5, 2), bool))
    assert sequence.shape == (2, 5, 3)
    assert mask_image(np.zeros((4, 5, 6, 2)), np.zeros((4, 5, 6, 2), bool)).shape == (5, 13, 3)
    first = mask_image(np.zeros((2, 5, 6)), np.zeros((2, 5, 6), bool), channels_first=True)
    assert first.shape == (5, 13, 3)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((keras.layers.Dense(2), X), "a layer that multiplies its input by a mask"),
        ((3, X), "Expected a dropout layer or a keras.Model. Received: layer_or_model=3"),
        ((kd.SpatialDropout(0.1), X[:0]), "with at least one row"),
        ((kd.DropConnect(keras.layers.Dense(2), 0.1), X), "`kd.inspect_dropout` lists"),
    ],
)
def test_what_cannot_be_shown_is_refused(arguments, text):
    with pytest.raises(ValueError, match=text.replace("(", r"\(")):
        kd.plot_masks(*arguments)


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"pip install 'keras-dropouts\[plot\]'"):
        kd.plot_masks(kd.SpatialDropout(0.1), X)
