"""Tests that doctor says what a plain Keras export gets wrong, with the layer and the cause."""

import keras
import numpy as np
import pytest

import keras_dropouts as kd
import keras_dropouts_export as kde

layers = keras.layers


def found(model):
    """Return {(path, problem): why} of the findings of a model."""
    return {(each.path, each.problem): each.why for each in kde.doctor(model).findings}


def test_nothing_to_say_of_an_ordinary_model():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.BatchNormalization(),
            kd.DropBlock2D(0.2, 3),
            layers.Flatten(),
            kd.ConcreteDropout(layers.Dense(4)),
            layers.Dropout(0.5),
            layers.Dense(2),
        ]
    )
    report = kde.doctor(model)
    assert report.ok
    assert "a plain Keras export serves what predict does" in str(report)


def test_the_text_of_a_report():
    inputs = keras.Input((4,))
    outputs = layers.Dropout(0.5, name="drop")(inputs, training=True)
    report = kde.doctor(keras.Model(inputs, outputs, name="net"))
    assert not report.ok
    head, first, why, fix, _, *legend = str(report).splitlines()
    assert head == "net: 1 error"
    assert first == "  error: drop (Dropout) trains, in export"
    assert why.strip() == report.findings[0].why
    assert fix == f"  way out: {report.findings[0].fix}"
    assert [each.split(":")[0].strip() for each in legend] == ["error", "trains"]


def test_one_way_out_of_many_findings_is_said_once_and_errors_come_first():
    inputs = keras.Input((5, 4))
    x = layers.LSTM(3, dropout=0.2, name="lstm")(inputs)
    x = layers.Dropout(0.5, name="drop")(x, training=True)
    report = kde.doctor(keras.Model(inputs, layers.Dense(2, activation="gelu")(x), name="net"))
    text = str(report)
    assert text.splitlines()[0] == "net: 2 errors, 2 warnings"
    fixes = [each.fix for each in report.findings]
    assert len(fixes) == 4 > len(set(fixes)) == text.count("way out: ")
    kinds = [x.split(":")[0] for x in text.splitlines() if x.startswith(("  error", "  warning"))]
    assert kinds == ["  error", "  warning", "  warning", "  error", "  error", "  warning"]


def test_what_is_wrong_in_predict_too_is_told_apart():
    x = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
    inputs = keras.Input((4,))
    told = keras.Model(inputs, layers.Dropout(0.5)(inputs, training=True))
    default = keras.Sequential([inputs, layers.GaussianNoise(0.1), AugmentsByDefault()])
    always = keras.Sequential([inputs, AlwaysDrops()])
    for model, affects in (
        (told, "export"),
        (default, "export"),
        (always, "predict and export"),
    ):
        report = kde.doctor(model)
        assert {each.affects for each in report.findings} == {affects}
        one, other = (model.predict(x, verbose=0) for _ in range(2))
        assert np.array_equal(one, other) == (affects == "export")


def test_what_a_recurrent_layer_draws_changes_no_answer():
    model = keras.Sequential([keras.Input((5, 4)), layers.GRU(3, recurrent_dropout=0.5)])
    assert {each.severity for each in kde.doctor(model).findings} == {"warning"}
    x = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
    one, other = (model.predict(x, verbose=0) for _ in range(2))
    np.testing.assert_array_equal(one, other)


class AugmentsByDefault(layers.Layer):
    """Doubles its input where it trains, which it does unless it is told not to."""

    def call(self, inputs, training=True):
        return inputs * 2.0 if training else inputs


def test_a_baked_training_flag():
    inputs = keras.Input((4,))
    x = layers.Dropout(0.5, name="drop")(inputs, training=True)
    x = layers.BatchNormalization(name="norm")(x, training=True)
    why = found(keras.Model(inputs, layers.Dense(2)(x)))
    assert why["drop", "trains"].startswith("It is called with training=True in the graph")
    assert "moves its averages" in why["norm", "trains"]


def test_augmentation_leaks_to_the_layers_after_it():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.RandomFlip(name="flip"),
            layers.Conv2D(4, 3),
            layers.BatchNormalization(name="norm"),
            layers.Flatten(),
            kd.ScheduledDropout(0.5, name="ours"),
            layers.Dense(2),
        ]
    )
    why = found(model)
    assert why["flip", "trains"].startswith("It trains unless it is told not to")
    assert "leaks to it from 'flip'" in why["norm", "trains"]
    assert ("ours", "trains") not in why  # Keras keeps the default of False in the graph


def test_recurrent_dropout_draws_at_inference():
    model = keras.Sequential(
        [keras.Input((5, 4)), layers.LSTM(3, dropout=0.2, recurrent_dropout=0.3, name="lstm")]
    )
    why = found(model)
    assert "at inference, too" in why["lstm", "draws"]
    assert ("lstm", "writes") in why


@keras.saving.register_keras_serializable(package="doctor_tests")
class AlwaysDrops(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.drop = layers.Dropout(0.5, name="inner")

    def call(self, inputs):
        return self.drop(inputs, training=True)


def test_a_flag_written_into_a_call():
    why = found(keras.Sequential([keras.Input((4,)), AlwaysDrops(name="custom")]))
    assert why["custom/inner", "trains"].startswith("A layer around it calls it with training=True")


def test_an_operation_that_tf2onnx_does_not_know():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, activation="gelu", name="act")])
    (finding,) = kde.doctor(model).findings
    assert (finding.path, finding.problem) == ("act", "unknown op")
    assert "Erfc" in finding.why
    assert "export_onnx" in finding.fix


def test_what_cannot_be_exported_at_all():
    class Holes(layers.Layer):
        def call(self, inputs):
            import tensorflow as tf

            return tf.linalg.logdet(tf.matmul(inputs, inputs, transpose_b=True))[:, None]

    model = keras.Sequential([keras.Input((3, 3)), Holes(name="holes")])
    problems = {each.problem for each in kde.doctor(model).findings}
    assert problems == {"unknown op", "blocked"}


def test_the_model_is_not_changed():
    inputs = keras.Input((4,))
    drop = kd.ScheduledDropout(0.5, seed=1)
    model = keras.Model(inputs, layers.BatchNormalization()(drop(inputs, training=True)))
    before = [keras.ops.convert_to_numpy(x).copy() for x in model.weights]
    kde.doctor(model)
    for old, new in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(old, keras.ops.convert_to_numpy(new))


@pytest.mark.parametrize(
    ("model", "opset", "message"),
    [
        (3, 18, "`model`. Expected a keras.Model"),
        (keras.Sequential([layers.Dense(2)]), 18, "`model`. Expected a built model"),
        (keras.Sequential([keras.Input((2,)), layers.Dense(2)]), 5, "`opset`. Expected an integer"),
    ],
)
def test_bad_arguments(model, opset, message):
    with pytest.raises(ValueError, match=message):
        kde.doctor(model, opset)
