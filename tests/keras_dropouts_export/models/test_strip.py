"""Tests that a stripped model has no dropout and is otherwise the same model."""

import os
import subprocess
import sys
from importlib.util import find_spec

import keras
import numpy as np
import pytest

import keras_dropouts as kd
import keras_dropouts_export as kde
from keras_dropouts.keras_internals.random_functions import BACKEND_RANDOM
from keras_dropouts.surgery import sources as noise
from keras_dropouts_export.models import drawing_layers
from keras_dropouts_export.tracing.inference_mode import noise_off
from served import Rolls, Subclassed, data, dense_model, graph_model, image_model, inputs_of

MODELS = {"dense": dense_model, "image": image_model, "graph": graph_model}
NOISE = [
    keras.layers.Dropout(0.5),
    keras.layers.SpatialDropout1D(0.5),
    keras.layers.AlphaDropout(0.5),
    keras.layers.GaussianDropout(0.5),
    keras.layers.GaussianNoise(0.5),
    kd.ScheduledDropout(0.5),
    kd.SpatialDropout(0.5),
    kd.DropPath(0.5),
    kd.DropBlock1D(0.5, 2),
]


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_predictions_are_the_same_to_the_bit(make):
    model = make()
    x = inputs_of(model)
    with noise_off(model):
        wanted = model(x)
    got = kde.strip_dropout(model)(x)
    keras.tree.map_structure(np.testing.assert_array_equal, got, wanted)


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_no_dropout_is_left(make, capsys):
    new = kde.strip_dropout(make())
    assert all(source.rate == 0.0 for source in noise.noise_sources(new))
    new.summary(expand_nested=True)
    assert "rop" not in capsys.readouterr().out.replace("Prop", "")


@pytest.mark.parametrize("layer", NOISE, ids=lambda layer: type(layer).__name__)
def test_each_noise_layer_is_removed(layer):
    model = keras.Sequential([keras.Input((6, 4)), layer, keras.layers.Dense(2, name="d")])
    new = kde.strip_dropout(model)
    assert [each.name for each in new.layers] == ["d"]
    x = data(2, 6, 4)
    np.testing.assert_array_equal(new(x), model(x, training=False))


def test_names_and_weights_are_kept_and_the_model_is_not_changed():
    model = image_model()
    before = [np.array(w) for w in model.get_weights()]
    new = kde.strip_dropout(model)
    names = ["first", "second", "norm", "flat", "third", "digit"]
    assert [layer.name for layer in new.layers] == names
    np.testing.assert_array_equal(new.get_layer("third").kernel, model.layers[7].layer.kernel)
    for weight in new.weights:
        weight.assign(weight + 1.0)
    for old, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, now)


def test_the_report_says_what_became_of_each_rate():
    report = kde.strip_report(kde.strip_dropout(graph_model()))
    parts = {row.path.split("/")[-1].rstrip("_0123456789"): row.what for row in report.rows}
    assert parts == {
        "lstm_cell": "silenced",
        "inner_drop": "removed",
        "attend": "silenced",
        "path": "removed",
        "dropout": "removed",
        "last": "removed",
    }
    assert "attend" in str(report)
    image = kde.strip_report(kde.strip_dropout(image_model()))
    assert [row.what for row in image.rows if row.layer == "ConcreteDropout"] == ["replaced"] * 2


def test_a_stripped_model_trains_without_noise():
    new = kde.strip_dropout(graph_model())
    x = inputs_of(new)
    one, two = new(x, training=True), new(x, training=True)
    keras.tree.map_structure(np.testing.assert_array_equal, one, two)


def test_bad_models_are_refused():
    for bad in (None, "model.keras", keras.layers.Dense(2)):
        with pytest.raises(ValueError, match=r"Expected a keras\.Model"):
            kde.strip_dropout(bad)
    with pytest.raises(ValueError, match="Expected a built model"):
        kde.strip_dropout(keras.Sequential([keras.layers.Dropout(0.5)]))
    with pytest.raises(ValueError, match="Expected a model that `strip_dropout`"):
        kde.strip_report(graph_model())
    with pytest.raises(ValueError, match="argument `allow_unreachable`"):
        kde.strip_dropout(dense_model(), allow_unreachable=1)


def test_a_subclassed_model_is_copied_and_silenced():
    model = Subclassed()
    x = data(4, 3)
    model(x)
    with noise_off(model):
        wanted = model(x)
    new = kde.strip_dropout(model)
    np.testing.assert_array_equal(new(x), wanted)
    assert [row.what for row in kde.strip_report(new).rows] == ["silenced", "silenced"]
    for weight in new.weights:
        weight.assign(weight + 1)
    with noise_off(model):
        np.testing.assert_array_equal(model(x), wanted)


def test_a_layer_that_cannot_be_reached_is_named():
    model = keras.Sequential([keras.Input((4,)), Rolls(name="rolls"), keras.layers.Dropout(0.5)])
    with pytest.raises(kde.ExportError, match=r"draws random numbers at inference in '.*rolls"):
        kde.strip_dropout(model)
    report = kde.strip_report(kde.strip_dropout(model, allow_unreachable=True))
    assert [row.what for row in report.rows] == ["removed", "unreachable"]


def test_what_draws_is_found_without_a_graph():
    rolls = Rolls(name="rolls")
    layers = [keras.Input((4,)), rolls, keras.layers.Dropout(0.5), keras.layers.Lambda(abs)]
    model = keras.Sequential([*layers, keras.Sequential([keras.layers.Dense(4), rolls])], name="m")
    before = np.array(rolls.seeds.state)
    found = drawing_layers._seen_to_draw(model, drawing_layers.known_signature(model))
    assert found[0] == "'m/rolls'"
    assert [each.split("/")[-1] for each in found] == ["rolls'", "rolls'"]
    np.testing.assert_array_equal(rolls.seeds.state, before)
    assert (
        drawing_layers._seen_to_draw(dense_model(), drawing_layers.known_signature(dense_model()))
        == []
    )
    assert BACKEND_RANDOM.uniform.__name__ == "uniform"


class Breaks(Subclassed):
    """Can be called until it is told not to."""

    broken = False

    def call(self, inputs):  # type: ignore[no-untyped-def]
        if self.broken:
            raise RuntimeError("a part is missing")
        return super().call(inputs)


def test_a_model_that_cannot_be_called_is_an_error():
    model = Breaks()
    model(data(4, 3))
    model.broken = True
    with pytest.raises(
        kde.ExportError, match=r"(?s)cannot be called on .*what it draws.*a part is"
    ):
        drawing_layers._seen_to_draw(model, drawing_layers.known_signature(model))


OTHER_BACKEND = """
import keras
import keras_dropouts_export as kde

class Rolls(keras.layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seeds = keras.random.SeedGenerator(1)

    def call(self, inputs):
        return inputs * keras.random.uniform((4,), seed=self.seeds)

model = keras.Sequential([keras.Input((4,)), Rolls(name="rolls"), keras.layers.Dropout(0.5)])
try:
    kde.strip_dropout(model)
except kde.ExportError as error:
    print(error)
print(kde.strip_report(kde.strip_dropout(model, allow_unreachable=True)))
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", [each for each in ("jax", "torch") if find_spec(each)])
def test_a_layer_that_cannot_be_reached_is_named_on_other_backends(backend):
    run = subprocess.run(
        [sys.executable, "-c", OTHER_BACKEND],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "draws random numbers at inference in 'sequential/rolls'" in run.stdout, run.stderr
    assert run.stdout.count("unreachable") == 1 + run.stdout.count("allow_unreachable")


@keras.saving.register_keras_serializable("tests")
class Holder(keras.layers.Layer):
    """A user's layer that holds a dropout layer in an attribute."""

    def __init__(self, held, **kwargs):
        super().__init__(**kwargs)
        self.held = held

    def build(self, shape):
        if not self.held.built:
            self.held.build(shape)

    def call(self, x, training=False):
        return self.held(x, training=training)

    def get_config(self):
        held = keras.saving.serialize_keras_object(self.held)
        return {**super().get_config(), "held": held}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "held": keras.saving.deserialize_keras_object(config["held"])})


HELD = {
    "zoneout": (lambda: kd.Zoneout(keras.layers.LSTM(3), 0.4, cell_rate=0.2), (5, 4)),
    "zoneout both ways": (
        lambda: kd.Zoneout(keras.layers.Bidirectional(keras.layers.GRU(3)), 0.4),
        (5, 4),
    ),
    "learned noise": (lambda: kd.VariationalDropout(keras.layers.Dense(3)), (4,)),
    "learned rate": (lambda: kd.ConcreteDropout(keras.layers.Dense(3)), (4,)),
    "tokens": (lambda: kd.PatchDropout(0.5), (6, 4)),
    "heads": (lambda: kd.MultiSampleDropout(keras.layers.Dense(2), 0.3), (4,)),
    "recurrent": (lambda: kd.VariationalRNN(keras.layers.GRU(3), 0.3), (5, 4)),
}


@pytest.mark.parametrize("name", HELD)
def test_dropout_in_an_attribute_of_a_users_layer_is_off_and_the_predictions_stay(name, tmp_path):
    make, shape = HELD[name]
    model = keras.Sequential([keras.Input(shape), Holder(make())])
    x = np.random.default_rng(0).standard_normal((6, *shape)).astype("float32")
    wanted = np.asarray(model(x, training=False))
    new = kde.strip_dropout(model)
    np.testing.assert_array_equal(new(x, training=False), wanted)
    np.testing.assert_allclose(new(x, training=True), wanted, atol=1e-6, rtol=1e-5)
    np.testing.assert_array_equal(model(x, training=False), wanted)
    new.save(tmp_path / "m.keras")
    back = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(back(x, training=True), wanted, atol=1e-6, rtol=1e-5)
