"""Exports models with a user's own layers from another backend than TensorFlow; a program."""

import sys
from pathlib import Path

import keras
import numpy as np
import own_layers
import pytest
from common import BACKEND, close, numpy_of, run, stirred
from keras import layers

import keras_dropouts as kd
import keras_dropouts_export as kde


@keras.saving.register_keras_serializable("tests_other_backends")
class InScript(keras.layers.Layer):
    """A layer that the script itself defines."""

    def call(self, x):
        return keras.ops.square(x) + 0.5


def local_class():
    """Return a class that no import finds."""

    @keras.saving.register_keras_serializable("tests_other_backends")
    class Hidden(keras.layers.Layer):
        def call(self, x):
            return x

    return Hidden


class Breaks(keras.layers.Layer):
    """A layer that this backend alone can call."""

    def call(self, x):
        if keras.backend.backend() == "tensorflow":
            raise RuntimeError("only elsewhere")
        return x


class Differs(keras.layers.Layer):
    """A layer that computes something else on TensorFlow."""

    def call(self, x):
        return x * (2.0 if keras.backend.backend() == "tensorflow" else 1.0)


class Unsaved(keras.Model):
    """A model whose constructor takes what no config holds."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def call(self, x):
        return self.inner(x)

    def get_config(self):
        raise NotImplementedError("it has none")


def refused(model, path, *said):
    """Check that an export is refused with these words, and that nothing is written."""
    with pytest.raises(kde.ExportError) as caught:
        kde.export_onnx(model, path)
    for each in said:
        assert each in str(caught.value), (each, str(caught.value))
    print("refused:", caught.value)
    assert not path.exists()
    assert not list(path.parent.glob(".*.export")), "a temporary folder is left"


def main(folder):
    """Run the program."""
    random = np.random.default_rng(0)
    tokens = random.integers(0, 11, (3, 5)).astype("int32")
    weights = random.random((3, 5)).astype("float32")
    model = own_layers.Tagger(name="tagger")
    model(tokens, weights)
    stirred(model)
    wanted = numpy_of(model(tokens, weights, training=False))
    sample = {"tokens": tokens, "weights": weights}
    kde.export_onnx(model, folder / "tagger.onnx", sample_inputs=sample)
    (answer,) = run(folder / "tagger.onnx", tokens=tokens, weights=weights).values()
    close(answer, wanted, "a subclassed model of integers, from a module beside the script")

    inputs = keras.Input((4,), name="x")
    h = InScript(name="in_script")(own_layers.Scale()(inputs))
    h = layers.Dense(3, activation=own_layers.softened)(own_layers.Unregistered()(h))
    h = own_layers.Sparkle(0.5, name="sparkle")(kd.ScheduledDropout(0.3)(h))
    with keras.saving.custom_object_scope({"Unregistered": own_layers.Unregistered}):
        model = stirred(keras.Model(inputs, h, name="own"))
        report = kde.export_onnx(model, folder / "own.onnx")
    assert {row.path for row in report.stripped} >= {"sparkle"}, report.stripped
    x = random.normal(size=(3, 4)).astype("float32")
    (answer,) = run(folder / "own.onnx", x=x).values()
    stripped = kde.strip_dropout(model)
    close(answer, numpy_of(stripped(x, training=False)), "layers of the script and of a module")

    doctor = kde.doctor(model)
    found = [(each.path, each.problem) for each in doctor.findings]
    assert found == [("sparkle", "draws"), ("sparkle", "writes")], doctor
    flip = keras.Sequential([keras.Input((8, 8, 1)), layers.RandomFlip(name="flip")])
    assert [(each.path, each.problem) for each in kde.doctor(flip).findings] == [("flip", "trains")]

    def around(layer):
        return keras.Sequential([keras.Input((4,)), layer, layers.Dense(2)], name="around")

    hidden = around(local_class()())
    refused(
        hidden,
        folder / "no.onnx",
        "class 'local_class.<locals>.Hidden' of module '__main__'",
        "it is defined inside of 'local_class'",
        "register_keras_serializable",
    )
    refused(around(Breaks()), folder / "no.onnx", "nothing of one backend alone", "only elsewhere")
    refused(
        around(Differs()),
        folder / "no.onnx",
        f"on TensorFlow the model computes something else than on '{BACKEND}'",
        "beside the model on",
    )
    unsaved = Unsaved(layers.Dense(2))
    unsaved(np.ones((1, 4), "float32"))
    refused(unsaved, folder / "no.onnx", "cannot be")
    elsewhere = around(own_layers.Scale())
    del sys.path[0]  # so that no other process finds the module
    own_layers.__file__ = None
    refused(
        elsewhere,
        folder / "no.onnx",
        "class 'Scale' of module 'own_layers' cannot be imported there",
        "No module named 'own_layers'",
        "Put it into a module",
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    print("ok")
