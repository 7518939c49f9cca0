"""mc_predict on inputs, outputs and models of every form: samples, or one clear sentence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_dropouts as kd


def _x(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=shape).astype("float32")


def _dense(shape: tuple[int, ...] = (4,), **options: Any) -> keras.Model:
    drop = layers.Dropout(0.5, name="drop")
    return keras.Sequential([keras.Input(shape, **options), drop, layers.Dense(2)])


@pytest.mark.parametrize(
    ("layer", "later"),
    [
        (layers.Dropout(0.0), 0.5),
        (layers.SpatialDropout1D(0.0), 0.5),
        (layers.GaussianDropout(0.0), 0.5),
        (layers.AlphaDropout(0.0), 0.5),
        (layers.GaussianNoise(0.0), 0.5),
    ],
    ids=lambda x: type(x).__name__,
)
def test_a_layer_of_keras_made_with_rate_0_samples_at_a_later_rate(
    layer: Any, later: float
) -> None:
    model = keras.Sequential([keras.Input((3, 4)), layer])
    setattr(layer, "stddev" if isinstance(layer, layers.GaussianNoise) else "rate", later)
    result = kd.mc_predict(model, _x(2, 3, 4), samples=8, seed=1, verbose=False)
    assert (result.std > 0).any()
    assert getattr(layer, "seed_generator", None) is None  # the model is as it was


@pytest.mark.parametrize("kind", [layers.Attention, layers.MultiHeadAttention])
def test_attention_made_with_rate_0_samples_at_a_later_rate(kind: Any) -> None:
    inputs = keras.Input((5, 4))
    attend = kind(dropout=0.0) if kind is layers.Attention else kind(1, 4, dropout=0.0)
    args = ([inputs, inputs],) if kind is layers.Attention else (inputs, inputs)
    model = keras.Model(inputs, attend(*args))
    if kind is layers.Attention:
        attend.dropout = 0.5
    else:
        kd.set_rates(model, {f"{attend.name}/dropout": 0.5})
    result = kd.mc_predict(model, _x(2, 5, 4), samples=8, seed=1, verbose=False)
    assert (result.std > 0).any()


class Forgetful(keras.Model):
    """A model that makes a dropout layer and does not call it."""

    def __init__(self, calls: bool = False) -> None:
        super().__init__()
        self.drop = layers.Dropout(0.5, name="forgotten")
        self.dense = layers.Dense(2)
        self.calls = calls

    def call(self, x: Any) -> Any:
        return self.dense(self.drop(x) if self.calls else x)


def test_dropout_that_is_never_called_is_an_error_or_a_warning() -> None:
    model = Forgetful()
    expected = ops.convert_to_numpy(model(_x(3, 4)))
    with pytest.raises(ValueError, match=r"never calls its dropout layers, 'forgotten'\. Pass"):
        kd.mc_predict(model, _x(3, 4), verbose=False)
    with pytest.warns(UserWarning, match="never calls its dropout layers, 'forgotten'. All"):
        result = kd.mc_predict(model, _x(3, 4), 4, without_dropout="warn", verbose=False)
    assert not result.std.any()
    np.testing.assert_allclose(result.mean, expected, rtol=1e-5, atol=1e-6)
    called = Forgetful(calls=True)
    called(_x(3, 4))
    assert kd.mc_predict(called, _x(3, 4), 4, verbose=False).std.any()


@pytest.mark.parametrize(
    ("shape", "x", "message"),
    [
        ((28, 28, 1), (28, 28, 1), r"Expected arrays of shapes \[\(None, 28, 28, 1\)\]"),
        ((28, 28, 3), (28, 28, 3), r"Expected arrays of shapes \[\(None, 28, 28, 3\)\]"),
        ((None, None, 3), (16, 16, 3), r"Expected arrays of shapes \[\(None, None, None, 3\)\]"),
        ((4,), (4,), r"Expected arrays of shapes \[\(None, 4\)\]"),
    ],
)
def test_one_row_without_a_batch_axis(shape: Any, x: Any, message: str) -> None:
    model = keras.Sequential([keras.Input(shape), layers.Dropout(0.5)])
    with pytest.raises(ValueError, match=rf"`x`\. {message}.*as in `x\[None\]`"):
        kd.mc_predict(model, _x(*x), verbose=False)
    assert kd.mc_predict(model, _x(*x)[None], 2, verbose=False).samples.shape == (2, 1, *x)


def test_one_row_of_a_subclassed_model_without_a_batch_axis() -> None:
    model = Forgetful(calls=True)
    model(_x(3, 8, 4))
    with pytest.raises(
        ValueError, match=r"`x`\. Expected an array of shape \(None, 8, 4\).*x\[None"
    ):
        kd.mc_predict(model, _x(8, 4), verbose=False)


def test_a_last_axis_of_1_is_added_and_taken_away_as_keras_does() -> None:
    assert kd.mc_predict(_dense((1,)), _x(5), 2, verbose=False).samples.shape == (2, 5, 2)
    model = keras.Sequential([keras.Input(()), layers.Reshape((1,)), layers.Dropout(0.5)])
    assert kd.mc_predict(model, _x(5, 1), 2, verbose=False).samples.shape == (2, 5, 1)


class Loader(keras.utils.PyDataset):
    """A loader of Keras's, of three batches with targets."""

    def __init__(self) -> None:
        super().__init__()

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return _x(7, 4)[3 * index : 3 * index + 3], np.zeros(3)


def _in_tensorflow() -> Any:
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices(_x(7, 4)).batch(3)


def _in_torch() -> Any:
    data = pytest.importorskip("torch.utils.data")
    torch = pytest.importorskip("torch")
    pairs = data.TensorDataset(torch.from_numpy(_x(7, 4)), torch.zeros(7))
    return data.DataLoader(pairs, batch_size=3)


def _generator(*after: Any) -> Iterator[Any]:
    for part in np.split(_x(7, 4), [3, 6]):
        yield (part, *after) if after else part


GIVING_BATCHES = {
    "PyDataset": Loader,
    "tf.data": _in_tensorflow,
    "DataLoader": _in_torch,
    "generator": _generator,
    "generator of pairs": lambda: _generator(None),
    "generator of dicts": lambda: ({"x": part} for part in _generator()),
}


@pytest.mark.parametrize("make", GIVING_BATCHES.values(), ids=GIVING_BATCHES)
def test_what_gives_batches_is_read_as_predict_reads_it(make: Any) -> None:
    model = _dense(name="x")
    whole = kd.mc_predict(model, _x(7, 4), 5, seed=3, verbose=False)
    read = kd.mc_predict(model, make(), 5, seed=3)
    np.testing.assert_allclose(read.samples, whole.samples, rtol=1e-6, atol=1e-6)
    seeds = kd.row_seeds(3, 7)
    by_row = kd.mc_predict(model, make(), 5, row_seeds=seeds, reduce="mean_std", verbose=False)
    np.testing.assert_allclose(by_row.mean, whole.mean, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(by_row.std, whole.std, rtol=1e-5, atol=1e-6)
    for count in (6, 8):
        with pytest.raises(ValueError, match=r"`row_seeds`\. Expected a seed for each row"):
            kd.mc_predict(model, make(), 5, row_seeds=kd.row_seeds(3, count), verbose=False)


def _endless() -> Any:
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensors(_x(3, 4)).repeat()


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda: _generator, {}, "Call the function"),
        (lambda: iter([]), {}, "one batch or more"),
        (_endless, {}, r"data that has an end.*x\.take"),
        (_generator, {"batch_size": None}, "one whole, and no batches"),
        (lambda: iter([(1, 2, 3, 4)]), {}, r"tuples \(inputs, targets, weights\)"),
        (lambda: iter([_x(2, 5)]), {}, r"arrays of shapes \[\(None, 4\)\]"),
    ],
    ids=["function", "empty", "endless", "whole", "tuple", "shape"],
)
def test_wrong_batches(make: Any, options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=rf"`x`\. Expected .*{message}"):
        kd.mc_predict(_dense(), make(), verbose=False, **options)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((0, 4), "float32"), "the same number of rows, at least one"),
        ([_x(2, 4), _x(2, 4)], r"arrays of shapes \[\(None, 4\)\]"),
        ({"wrong": _x(2, 4)}, "a dict with the inputs"),
        (np.array([[1, None, 2, 3]], dtype=object), "numbers or strings"),
        (np.array(["2024-01-01"], "datetime64[D]"), "numbers or strings"),
        ([[1.0, 2.0], [3.0]], "an array, or a structure of arrays"),
        (None, "numbers or strings"),
    ],
    ids=["no rows", "two inputs", "wrong key", "objects", "dates", "ragged", "None"],
)
def test_wrong_inputs(x: Any, message: str) -> None:
    with pytest.raises(ValueError, match=rf"`x`\. Expected .*{message}"):
        kd.mc_predict(_dense(name="x"), x, verbose=False)


def test_two_inputs_with_unequal_rows() -> None:
    first, second = keras.Input((2,)), keras.Input((2,))
    model = keras.Model([first, second], layers.Dropout(0.5)(first + second))
    with pytest.raises(ValueError, match=r"same number of rows.*pass batch_size=None"):
        kd.mc_predict(model, [_x(3, 2), _x(2, 2)], verbose=False)


class Nested(keras.Model):
    """A model with a dict of inputs and a nest of outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = layers.Dropout(0.5)

    def call(self, inputs: Any) -> Any:
        x = self.drop(inputs["a"]) + inputs["b"]
        return {"sum": x, "both": (x, [inputs["a"]])}


@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize("batch_size", [2, 64])
def test_nested_inputs_and_outputs(rows: int, batch_size: int) -> None:
    model = Nested()
    x = {"a": _x(rows, 3), "b": _x(rows, 3)}
    model(x)
    result = kd.mc_predict(model, x, samples=1, batch_size=batch_size, verbose=False)
    assert result.samples["sum"].shape == (1, rows, 3)
    np.testing.assert_array_equal(result.samples["both"][0], result.samples["sum"])
    np.testing.assert_allclose(result.samples["both"][1][0][0], x["a"], rtol=1e-6, atol=0)
    assert not result.std["sum"].any()


def test_lists_of_numbers_are_one_array() -> None:
    model = Forgetful(calls=True)
    model(_x(3, 2))
    result = kd.mc_predict(model, [[1.0, 2.0], [3.0, 4.0]], 2, verbose=False)
    assert result.samples.shape == (2, 2, 2)


def test_what_a_layer_raises_is_said_with_the_shapes() -> None:
    class Picky(keras.Model):
        """A model that takes three rows only."""

        def __init__(self) -> None:
            super().__init__(name="picky")
            self.drop = layers.Dropout(0.5)

        def call(self, x: Any) -> Any:
            return ops.reshape(self.drop(x), (3, 4)) + ops.ones((3, 4))

    model = Picky()
    model(_x(3, 4))
    with pytest.raises(
        ValueError, match=r"Model 'picky' cannot be sampled on inputs of shapes \[\(5, 4"
    ):
        kd.mc_predict(model, _x(5, 4), 2, verbose=False)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow refuses the name")
def test_a_refused_name_is_not_left_behind() -> None:
    parts = [keras.Input((4,)), layers.Dropout(0.5), layers.Dense(2, name="[a]")]
    model = keras.Sequential(parts, name="plain")
    with pytest.raises(ValueError, match=r"'plain' cannot be sampled"):
        kd.mc_predict(model, np.zeros((2, 4), "float32"))
    assert keras.Variable(0.0, name="v").path == "v"


def test_a_model_that_is_not_built() -> None:
    with pytest.raises(ValueError, match="Expected a built model"):
        kd.mc_predict(Forgetful(), _x(3, 4), verbose=False)


def test_bad_batch_sizes() -> None:
    for bad in (0, 2.5, "all"):
        with pytest.raises(ValueError, match=r"`batch_size`"):
            kd.mc_predict(_dense(), _x(3, 4), batch_size=bad, verbose=False)
