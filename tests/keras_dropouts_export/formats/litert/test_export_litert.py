"""Tests of models in the LiteRT interpreter, and of the errors for what LiteRT cannot hold."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

import keras_dropouts_export as kde
import served
from ordinary_models import BATCHES, MODELS, assert_close, inputs_of


def exported(model: keras.Model, path: Path) -> bytes:
    kde.export_litert(model, path)
    return path.read_bytes()


@pytest.mark.parametrize("name", MODELS)
def test_the_file_predicts_what_the_model_predicts(name, tmp_path):
    model = MODELS[name]()
    report = kde.export_litert(model, tmp_path / "m.tflite")
    run = Interpreter(str(tmp_path / "m.tflite")).get_signature_runner("serving_default")
    for batch in BATCHES:
        given, by_name = inputs_of(model, batch)
        assert sorted(run.get_input_details()) == sorted(by_name)
        assert_close(model, given, run(**by_name), [each.name for each in report.outputs])


def test_names_that_tensorflow_does_not_take(tmp_path):
    x = keras.Input((4,), name="a b-c")
    model = keras.Model(x, keras.layers.Dense(2, name="d-e.f")(x))
    report = kde.export_litert(model, tmp_path / "m.tflite")
    assert [each.name for each in (*report.inputs, *report.outputs)] == ["a b-c", "d-e.f"]
    run = Interpreter(str(tmp_path / "m.tflite")).get_signature_runner("serving_default")
    assert list(run.get_input_details()) == ["a_b_c"]
    assert_close(model, served.data(3, 4), run(a_b_c=served.data(3, 4)), ["d-e.f"])


def test_nothing_of_the_model_changes_and_nothing_is_said(tmp_path, capfd):
    model = MODELS["mixed float16"]()
    x, _ = inputs_of(model, 3)
    before = keras.ops.convert_to_numpy(model(x))
    capfd.readouterr()
    kde.export_litert(model, tmp_path / "m.tflite")
    assert capfd.readouterr() == ("", "")
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(model(x)), before)
    assert [each.name for each in tmp_path.iterdir()] == ["m.tflite"]
    assert tf.vectorized_map.__module__.startswith("tensorflow")


def test_a_fixed_batch_stays(tmp_path):
    x = keras.Input(batch_shape=(2, 4), name="x")
    model = keras.Model(x, keras.layers.Dense(3, name="y")(x))
    report = kde.export_litert(model, tmp_path / "m.tflite")
    assert report.inputs[0].shape == (2, 4)
    assert {row.batch for row in report.parity.rows} == {2}


def test_the_report(tmp_path):
    report = kde.export_litert(served.dense_model(), tmp_path / "m.tflite")
    assert report.format == "litert"
    assert str(report).splitlines()[0].endswith(f"(LiteRT, {report.bytes:,} bytes)")
    assert {row.runtime for row in report.parity.rows} == {"LiteRT", "LiteRT plain"}
    assert report.audit.operations == 2
    assert [(row.path, row.rate) for row in report.stripped] == [("drop", 0.25)]
    assert kde.audit(tmp_path / "m.tflite").ok


def test_another_model_is_not_the_file(tmp_path):
    kde.export_litert(served.dense_model(), tmp_path / "m.tflite")
    assert not kde.verify(served.dense_model(), tmp_path / "m.tflite").ok
    model = keras.Sequential([keras.Input((4,), name="x"), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match=r"inputs \['x'\] and outputs \['dense.*It has inputs \["):
        kde.verify(model, tmp_path / "m.tflite")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: _one(keras.layers.MaxPooling3D(), (4, 4, 4, 2)), r"MaxPool3D of float32\[\?, 4"),
        (lambda: _one(keras.layers.Dense(2, dtype="float64"), (4,)), r"MatMul of float64\[\?, 4\]"),
        (lambda: _one(keras.layers.Lambda(_decomposed), (4, 4)), r"Svd of float32\[\?, 4, 4\]"),
    ],
)
def test_what_litert_cannot_do_is_named_with_its_layer(make, said, tmp_path):
    layer = r"'[^']*the_layer[^']*'"
    with pytest.raises(kde.ExportError, match=rf"do not cover: .*{said}.* in {layer}.*Export it w"):
        kde.export_litert(make(), tmp_path / "m.tflite")
    assert not list(tmp_path.iterdir())


def _one(layer: keras.layers.Layer, shape: tuple[int, ...]) -> keras.Model:
    x = keras.Input(shape, dtype=layer.compute_dtype)
    layer.name = "the_layer"
    return keras.Model(x, layer(x))


def _decomposed(x):
    return tf.linalg.svd(x, compute_uv=False)


def test_bad_arguments(tmp_path):
    model = served.dense_model()
    with pytest.raises(ValueError, match=r"ends in \.tflite\. Received: path='.*m\.lite'"):
        kde.export_litert(model, tmp_path / "m.lite")
    with pytest.raises(ValueError, match=r"`samples`.*no shift to the left.*`export_onnx`"):
        kde.export_litert(model, tmp_path / "m.tflite", samples=10)
    strings = keras.Input((1,), dtype="string", name="word")
    looked_up = keras.layers.StringLookup(vocabulary=["a", "b"])(strings)
    with pytest.raises(kde.ExportError, match=r"takes strings \(word\)"):
        kde.export_litert(keras.Model(strings, looked_up), tmp_path / "m.tflite")
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_stays_whole(tmp_path):
    path = tmp_path / "m.tflite"
    before = exported(served.dense_model(), path)
    with pytest.raises(FileExistsError, match="Pass `overwrite=True`"):
        kde.export_litert(served.dense_model(), path)
    with pytest.raises(kde.ExportError, match="do not cover"):
        kde.export_litert(_one(keras.layers.MaxPooling3D(), (4, 4, 4, 2)), path, overwrite=True)
    assert path.read_bytes() == before
    kde.export_litert(served.dense_model(), path, overwrite=True)
    assert path.read_bytes() != before


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"{}" * 99])
def test_a_damaged_file_is_a_clear_error(damage, tmp_path):
    path, model = tmp_path / "m.tflite", served.dense_model()
    path.write_bytes(damage(exported(model, path)))
    with pytest.raises(ValueError, match=r"a whole \.tflite file.*m\.tflite.*It cannot be read"):
        kde.audit(path)
    # Older interpreters load a file that is cut off, and find the damage when they run it.
    clear = (
        r"a (whole \.tflite file|file that LiteRT loads).*m\.tflite.*It (cannot be read|does not)"
    )
    with pytest.raises(ValueError, match=clear):
        kde.verify(model, path)


class Counter(tf.Module):
    """Counts its calls in a variable."""

    def __init__(self):
        super().__init__()
        self.calls = tf.Variable(0.0)

    @tf.function(input_signature=[tf.TensorSpec([4])])
    def __call__(self, x):
        return x + self.calls.assign_add(1.0)


def _by_hand(path: Path, function, *sets: str, **options) -> Path:
    """Write a file with the converter as it is, with more than builtin operations."""
    concrete = function if hasattr(function, "graph") else None
    if concrete is None:
        spec = tf.TensorSpec([4, 4], name="x")
        concrete = tf.function(function, input_signature=[spec]).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], options.pop("of", None))
    every = ("TFLITE_BUILTINS", *sets)
    converter.target_spec.supported_ops = [getattr(tf.lite.OpsSet, each) for each in every]
    for name, value in options.items():
        setattr(converter, name, value)
    path.write_bytes(converter.convert())
    return path


def test_the_audit_finds_draws(tmp_path):
    def builtin(x):
        return x * tf.random.uniform([4, 4])

    found = kde.audit(_by_hand(tmp_path / "m.tflite", builtin))
    assert [each.op for each in found.random_ops] == ["RANDOM_UNIFORM"]
    assert not found.ok
    assert not found.unknown_ops


def test_the_audit_finds_operations_of_tensorflow(tmp_path):
    def flex(x):
        wide = tf.cast(x, "float64")
        return tf.matmul(wide, wide), tf.random.truncated_normal([4])

    found = kde.audit(_by_hand(tmp_path / "m.tflite", flex, "SELECT_TF_OPS"))
    ops = {each.op for each in found.unknown_ops}
    assert ops == {"FlexMatMul", "FlexTranspose", "FlexTruncatedNormal"}
    assert [each.op for each in found.random_ops] == ["FlexTruncatedNormal"]


def test_the_audit_finds_custom_operations(tmp_path):
    def custom(x):
        return tf.linalg.svd(x, compute_uv=False)

    path = _by_hand(tmp_path / "m.tflite", custom, allow_custom_ops=True)
    assert [(each.op, each.where) for each in kde.audit(path).unknown_ops] == [
        ("Svd", "subgraph main")
    ]


def test_the_audit_finds_variables(tmp_path):
    module = Counter()
    path = _by_hand(
        tmp_path / "m.tflite",
        module.__call__.get_concrete_function(),
        of=module,
        experimental_enable_resource_variables=True,
    )
    ops = {each.op for each in kde.audit(path).state_writes}
    assert ops == {"VAR_HANDLE", "ASSIGN_VARIABLE"}
