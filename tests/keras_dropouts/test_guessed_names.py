"""Tests that a name which people guess is answered with the one that they mean."""

import re

import keras
import pytest

import keras_dropouts as kd
import keras_dropouts_export as kde
from keras_dropouts.guessed_names import _KNOWN


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Dropout", "`ScheduledDropout`"),
        ("SpatialDropout2D", "`SpatialDropout`, which takes inputs of any rank"),
        ("AlphaDropout", "`keras.layers.AlphaDropout`"),
        ("LinearRamp", "`keras_dropouts.schedules.LinearRamp`"),
        ("export_onnx", "`keras_dropouts_export.export_onnx`"),
        ("Dropblock2d", "`DropBlock2D`"),
        ("ConcreteDropuot", "`ConcreteDropout`"),
        ("mc_predcit", "`mc_predict`"),
    ],
)
def test_the_error_names_what_was_probably_meant(name, meant):
    text = f"module 'keras_dropouts' has no attribute {name!r}. Perhaps you mean {meant}"
    with pytest.raises(AttributeError, match=re.escape(text)):
        getattr(kd, name)


@pytest.mark.parametrize("name", ["Transformer", "__path_of__"])
def test_what_resembles_nothing_gets_the_error_of_python(name):
    text = f"^module 'keras_dropouts' has no attribute {name!r}$"
    with pytest.raises(AttributeError, match=text):
        getattr(kd, name)


@pytest.mark.parametrize("name", _KNOWN)
def test_each_guess_is_no_public_name_and_leads_to_one_that_exists(name):
    assert name not in kd.__all__
    for meant in re.findall(r"`([\w.]+)`", _KNOWN[name]):
        module, _, last = meant.rpartition(".")
        if module == "keras.layers":
            assert hasattr(keras.layers, last)
        elif module == "keras_dropouts.schedules":
            assert hasattr(kd.schedules, last)
        elif module == "keras_dropouts_export":
            assert last in kde.__all__
        else:
            assert hasattr(kd, meant), meant
