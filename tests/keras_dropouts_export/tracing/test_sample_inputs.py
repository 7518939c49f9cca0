"""Inputs that a user chose: every structure that a model takes, and a clear error for all else."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

import keras_dropouts_export as kde
from keras_dropouts_export.models.same_predictions import check_same_predictions
from keras_dropouts_export.tracing.inference_function import inference_function
from keras_dropouts_export.tracing.sample_inputs import SampleInputs
from runtimes import answers
from served import data

EXPORTS = [(kde.export_onnx, "m.onnx"), (kde.export_saved_model, "m")]
both = pytest.mark.parametrize(("export", "name"), EXPORTS, ids=["onnx", "saved_model"])


def two_inputs(as_dict=False):
    a, b = keras.Input((4,), name="a"), keras.Input((3,), name="b")
    outputs = layers.Dense(3)(a) + b
    return keras.Model({"a": a, "b": b} if as_dict else [a, b], outputs)


def chosen(model, given, signature=None):
    return inference_function(model, signature, SampleInputs(given)).chosen


A, B = data(5, 4), data(5, 3)


@pytest.mark.parametrize("given", [[A, B], (A, B), {"a": A, "b": B}, [tf.constant(A), B.tolist()]])
@pytest.mark.parametrize("as_dict", [False, True], ids=["list", "dict"])
def test_structures(given, as_dict):
    if as_dict and not isinstance(given, dict):
        with pytest.raises(ValueError, match=r"arrays for the inputs {'a': 'a', 'b': 'b'}"):
            chosen(two_inputs(as_dict), given)
        return
    found = chosen(two_inputs(as_dict), given)
    assert list(found) == ["a", "b"]
    np.testing.assert_array_equal(found["a"], A)
    np.testing.assert_array_equal(found["b"], B)
    assert found["b"].dtype == "float32"


class Pair(keras.Model):
    """Takes a tuple, and nothing but a tuple."""

    def __init__(self):
        super().__init__()
        self.table, self.dense = layers.Embedding(7, 3), layers.Dense(3)

    def call(self, inputs):
        assert isinstance(inputs, tuple)
        ids, x = inputs
        return self.table(ids) + self.dense(x)


class Separate(keras.Model):
    """Takes two arguments, of which Keras keeps the shape of the first alone."""

    def __init__(self):
        super().__init__()
        self.table, self.dense = layers.Embedding(7, 3), layers.Dense(3)

    def call(self, ids, extra, training=None):
        return self.table(ids) + self.dense(extra["x"]) * extra["y"][0]


class Nested(keras.Model):
    """Takes a dict of dicts and lists."""

    def __init__(self):
        super().__init__()
        self.table, self.dense = layers.Embedding(7, 3), layers.Dense(3)

    def call(self, inputs):
        return self.table(inputs["ids"]["of"]) + self.dense(inputs["x"][0]) * inputs["x"][1]


IDS = np.array([3, 6, 0, 5, 6], "int32")


@both
@pytest.mark.parametrize(
    ("make", "given", "names"),
    [
        (Pair, (IDS, A), ["inputs_0", "inputs_1"]),
        (Separate, (IDS, {"x": A, "y": (B,)}), ["ids", "x", "y_0"]),
        (Nested, {"ids": {"of": IDS}, "x": [A, B]}, ["of", "x_0", "x_1"]),
    ],
    ids=["pair", "separate", "nested"],
)
def test_subclassed_models_get_dtypes_and_structure(export, name, make, given, names, tmp_path):
    model = make()
    wanted = model(*given) if make is Separate else model(given)
    report = export(model, tmp_path / name, sample_inputs=given)
    assert [each.name for each in report.inputs] == names
    assert report.inputs[0].dtype == "int32"
    by_name = dict(zip(names, keras.tree.flatten(given), strict=True))
    got = answers(report.path, by_name)
    np.testing.assert_allclose(*got.values(), wanted, atol=1e-6, rtol=1e-5)
    assert kde.verify(model, report.path, sample_inputs=given).ok
    # With the names of the inputs, as an .npz file has them.
    if make is not Separate:
        assert kde.verify(model, report.path, sample_inputs=by_name).ok


class AnyRank(keras.Model):
    """Takes sequences of any rank and dtype."""

    def call(self, inputs):
        return ops.cast(inputs, "float32") * 2.0


def test_ranks_and_lengths_of_a_subclassed_model_come_from_the_sample():
    model = AnyRank()
    model(data(2, 3))
    function = inference_function(model, None, SampleInputs(np.ones((4, 5, 6), "uint8")))
    assert str(function.inputs[0]) == "inputs: uint8[batch, 5, 6]"
    model(data(2, 8))
    longer = inference_function(model, None, SampleInputs(data(2, 9)))
    assert longer.inputs[0].shape == (None, None)


@both
def test_class_ids_that_random_numbers_miss(export, name, tmp_path):
    ids = keras.Input((), dtype="int32", name="ids")

    class Table(layers.Layer):
        def call(self, inputs):
            # Defined for 40 to 49 alone; what lies outside is an error of TensorFlow.
            return ops.take(ops.arange(10, dtype="float32"), inputs - 40)

    model = keras.Model(ids, Table()(ids))
    with pytest.raises(kde.ExportError, match=r"took none of the inputs.*`sample_inputs`"):
        export(model, tmp_path / name)
    report = export(model, tmp_path / name, sample_inputs=np.array([41, 49, 40]))
    assert {row.batch for row in report.parity.rows} == {1, 2, 3}
    got = answers(report.path, {"ids": np.array([42], "int32")})
    assert next(iter(got.values())).tolist() == [2.0]


@both
def test_samples_of_monte_carlo_dropout(export, name, tmp_path):
    x = keras.Input((4,), name="x")
    model = keras.Model(x, layers.Dense(2)(layers.Dropout(0.5)(x)))
    report = export(model, tmp_path / name, samples=6, sample_inputs=A)
    assert {row.batch for row in report.parity.rows} == {1, 2, 5}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"a": A}, r"the keys \['a', 'b'\]. Received: sample_inputs={'a': 'float32\[5, 4\]'}"),
        ({"a": A, "c": B}, r"the keys \['a', 'b'\]"),
        ({"a": A, "b": B, "c": B}, r"the keys \['a', 'b'\]"),
        ([A], "arrays for the inputs"),
        (A, "arrays for the inputs"),
        ([A, B, B], "arrays for the inputs"),
        ([A, data(5, 4)], r"an array of shape \[any, 3\] for input 'b'. .*'float32\[5, 4\]'"),
        ([A, data(5, 3, 1)], "an array of shape"),
        ([A, np.float32(1)], "an array of shape"),
        ([A, np.full((5, 3), "x")], "an array of float32 for input 'b'"),
        ([A, B.astype("complex64")], "an array of float32 for input 'b'"),
        ([A, np.full((5, 3), 1e300)], "values that fit into float32 for input 'b'"),
        ([A, np.zeros((0, 3))], "arrays of at least one element"),
        ([A, np.array([[None, 1, 2]])], "not of objects"),
        ([A, np.zeros((5, 3), "datetime64[s]")], "arrays of numbers, booleans or strings"),
        ([A, [[1, 2, 3], [1, 2]]], "It is none"),
        ([A, None], "an array, or a tuple, list or dict of arrays"),
        ([A, open], "an array, or a tuple, list or dict of arrays"),
        ({}, "a dict of arrays by the names of the inputs"),
        ({1: A}, "a dict of arrays by the names of the inputs"),
        ([], "arrays of at least one element"),
    ],
)
def test_bad_samples_of_a_float_model(given, text):
    with pytest.raises(ValueError, match=rf"(?s)argument `sample_inputs`\. Expected .*{text}"):
        chosen(two_inputs(), given)


def test_integers_are_cast_where_they_fit():
    ids = keras.Input((2,), dtype="uint8", name="ids")
    model = keras.Model(ids, ops.cast(ids, "float32"))
    assert chosen(model, np.array([[1, 255]]))["ids"].dtype == "uint8"
    for bad, text in (([[1, 256]], "fit into uint8"), ([[1, -1]], "fit into uint8")):
        with pytest.raises(ValueError, match=f"values that {text} for input 'ids'"):
            chosen(model, np.array(bad))
    with pytest.raises(ValueError, match="an array of uint8 for input 'ids'"):
        chosen(model, np.array([[1.0, 2.0]]))


def test_a_fixed_batch_is_checked_and_kept(tmp_path):
    x = keras.Input(batch_shape=(4, 3), name="x")
    model = keras.Model(x, layers.Dense(2)(x))
    report = kde.export_onnx(model, tmp_path / "m.onnx", sample_inputs=data(4, 3))
    assert {row.batch for row in report.parity.rows} == {4}
    with pytest.raises(ValueError, match=r"an array of shape \[4, 3\] for input 'x'"):
        kde.export_onnx(model, tmp_path / "n.onnx", sample_inputs=data(5, 3))


def test_samples_that_the_model_refuses(tmp_path):
    x = keras.Input((None, 2))
    model = keras.Model(x, ops.reshape(x, (-1, 6)))
    with pytest.raises(kde.ExportError, match="does not take the `sample_inputs`"):
        kde.export_onnx(model, tmp_path / "m.onnx", sample_inputs=data(1, 4, 2))
    assert list(tmp_path.iterdir()) == []
    kde.export_onnx(model, tmp_path / "m.onnx", sample_inputs=data(1, 9, 2))


def test_strip_freeze_and_doctor_take_them():
    x = keras.Input((4,), name="x")
    model = keras.Model(x, layers.Dense(2)(layers.Dropout(0.5)(x)))
    for make in (kde.strip_dropout, kde.freeze_dropout):
        new = make(model, sample_inputs={"x": A})
        np.testing.assert_array_equal(new(A), model(A))
        with pytest.raises(ValueError, match="an array of shape"):
            make(model, sample_inputs=B)
    assert kde.doctor(model, sample_inputs=A).ok
    with pytest.raises(ValueError, match="an array of shape"):
        kde.doctor(model, sample_inputs=B)


def test_strip_takes_dtypes_of_a_subclassed_model_and_doctor_likewise():
    class Own(Pair):
        pass

    model = Own()
    model((IDS, A))
    new = kde.strip_dropout(model, sample_inputs=(IDS, A))
    np.testing.assert_array_equal(new((IDS, A)), model((IDS, A)))
    assert kde.doctor(model, sample_inputs=(IDS, A)).ok


def test_a_copy_that_predicts_something_else_is_refused():
    model, other = two_inputs(), two_inputs()
    check_same_predictions(model, model, SampleInputs((A, B)))
    with pytest.raises(kde.ExportError, match="does not predict what model"):
        check_same_predictions(other, model, SampleInputs((A, B)))


class Loader(keras.utils.PyDataset):
    """A loader of Keras's, which NumPy would go through without an end on Keras 3.10."""

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return A


@pytest.mark.parametrize("given", [Loader(), iter([A]), tf.data.Dataset.from_tensors(A)])
def test_what_gives_batches_is_refused(given, tmp_path):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    with pytest.raises(ValueError, match=r"argument `sample_inputs`\. Expected an array"):
        kde.export_onnx(model, tmp_path / "m.onnx", sample_inputs=given)
