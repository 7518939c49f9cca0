"""Tests that a frozen model has constant rates, Keras's own layers, and no need of this package."""

import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest

import keras_dropouts as kd
import keras_dropouts_export as kde
from keras_dropouts.surgery import sources as noise
from keras_dropouts_export.tracing.inference_mode import noise_off
from served import data, graph_model, image_model, inputs_of

WITHOUT_PACKAGE = """
    import sys
    sys.modules["keras_dropouts"] = None  # an import of it fails from here on
    import keras, numpy as np
    model = keras.saving.load_model(sys.argv[1])
    np.save(sys.argv[2], model.predict(np.load(sys.argv[3]), verbose=0))
"""


def kin_model():
    ramp = kd.schedules.LinearRamp(0.0, 0.5, ramp_steps=4)
    return keras.Sequential(
        [
            keras.Input((6, 4)),
            kd.ConcreteDropout(keras.layers.Conv1D(4, 3, name="conv"), name="learned", data_size=6),
            kd.SpatialDropout(0.2, name="channels"),
            kd.ScheduledDropout(ramp, noise_shape=(None, 1, None), name="ramp"),
            kd.DropPath(0.3, name="path"),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )


@pytest.mark.parametrize("make", [image_model, graph_model, kin_model])
def test_predictions_are_the_same_to_the_bit(make):
    model = make()
    x = inputs_of(model)
    with noise_off(model):
        wanted = model(x)
    new = kde.freeze_dropout(model)
    with noise_off(new):
        got = new(x)
    keras.tree.map_structure(np.testing.assert_array_equal, got, wanted)


def test_schedules_and_learned_rates_become_the_numbers_that_they_are():
    model = kin_model()
    model.compile("sgd", "mse")
    model.fit(data(6, 6, 4), np.zeros((6, 2)), batch_size=2, verbose=0)
    new = kde.freeze_dropout(model)
    kinds = {layer.name: type(layer).__name__ for layer in new.layers}
    assert kinds["ramp"] == "Dropout"
    assert kinds["learned"] == kinds["channels"] == "SpatialDropout1D"
    assert new.get_layer("ramp").rate == model.get_layer("ramp").rate == 0.375
    assert new.get_layer("ramp").noise_shape == (None, 1, None)
    assert new.get_layer("learned").rate == model.get_layer("learned").rate
    assert model.get_layer("ramp").schedule is not None


def test_a_layer_that_keras_has_no_kin_of_gets_a_constant_rate():
    ramp = kd.schedules.LinearRamp(0.2, 0.5, ramp_steps=4)
    model = keras.Sequential([keras.Input((8, 8, 1)), kd.DropBlock2D(ramp, 3, name="block")])
    new = kde.freeze_dropout(model)
    block = new.get_layer("block")
    assert (type(block), block.schedule) == (kd.DropBlock2D, None)
    assert block.rate == pytest.approx(0.2)
    new(data(2, 8, 8, 1), training=True)
    assert block.rate == pytest.approx(0.2)


def test_a_dropout_in_time_distributed_is_frozen_in_its_place():
    layer = keras.layers.TimeDistributed(kd.ScheduledDropout(0.25), name="each")
    new = kde.freeze_dropout(keras.Sequential([keras.Input((3, 4)), layer]))
    assert type(new.get_layer("each").layer) is keras.layers.Dropout


def test_keras_dropout_stays_as_it_is():
    new = kde.freeze_dropout(graph_model())
    report = {row.path.split("/")[-1]: row.what for row in kde.strip_report(new).rows}
    assert (report["last"], report["path"]) == ("kept", "replaced")
    assert {s.path: s.rate for s in noise.noise_sources(new)}["last"] == 0.5


def test_a_frozen_model_loads_where_the_package_is_not_installed(tmp_path):
    model = kin_model()
    x = data(3, 6, 4)
    new = kde.freeze_dropout(model)
    new.save(tmp_path / "frozen.keras")
    np.save(tmp_path / "x.npy", x)
    names = [str(tmp_path / name) for name in ("frozen.keras", "y.npy", "x.npy")]
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(WITHOUT_PACKAGE), *names], check=True, timeout=120
    )
    got = np.load(tmp_path / "y.npy")
    np.testing.assert_allclose(got, model.predict(x, verbose=0), rtol=0, atol=1e-6)


def test_bad_models_are_refused():
    with pytest.raises(ValueError, match=r"Expected a keras\.Model"):
        kde.freeze_dropout("model")
    with pytest.raises(ValueError, match="Expected a built model"):
        kde.freeze_dropout(keras.Sequential([keras.layers.Dropout(0.5)]))
