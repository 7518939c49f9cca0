"""The seeds of rows, and that a row's masks are a function of its own seed alone."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import keras_dropouts as kd
from keras_dropouts.noise.sampler import Sampler, words_of
from philox_reference import philox

# Of docs/monte_carlo.md: (seed, first, seeds of the rows).
VECTORS = [
    (0, 0, [-6411193824288604561, -5511663747979980962]),
    (7, 0, [-5137267319001854395, -6461814455296669442, -8312576501255826789]),
    (7, 2, [-8312576501255826789]),
    (-1, 0, [6755974106381971767, -4781302686461524836]),
]


def _mix(z: int) -> int:
    """Return what the docstring of `row_seeds` says, in Python's integers."""
    z = (z + 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)


@pytest.mark.parametrize("seed", [0, 7, 2**63 - 1, -1, -(2**63)])
def test_row_seeds_are_those_of_the_formula(seed: int) -> None:
    start = _mix(seed % 2**64)
    for first in (0, 5, 2**40, 2**63 - 3):
        wanted = [_mix((start + i * 0x9E3779B97F4A7C15) % 2**64) for i in range(first, first + 3)]
        got = kd.row_seeds(seed, 3, first=first)
        assert got.dtype == np.int64
        assert [int(each) % 2**64 for each in got] == wanted


@pytest.mark.parametrize(("seed", "first", "wanted"), VECTORS)
def test_the_vectors_of_the_docs(seed: int, first: int, wanted: list[int]) -> None:
    assert kd.row_seeds(seed, len(wanted), first=first).tolist() == wanted


def test_rows_have_seeds_of_their_own() -> None:
    seeds = np.concatenate([kd.row_seeds(seed, 1000) for seed in range(-50, 50)])
    assert len(np.unique(seeds)) == len(seeds)
    assert kd.row_seeds(7, 0).shape == (0,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((2**63, 1), r"`seed`\. Expected an integer from -2\*\*63 to 2\*\*63 - 1"),
        ((1.0, 1), "`seed`"),
        ((True, 1), "`seed`"),
        ((1, -1), "`rows`"),
        ((1, 1, -1), "`first`"),
        ((1, 2, 2**63 - 1), "`first`"),
    ],
)
def test_bad_arguments(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kd.row_seeds(*arguments)


@pytest.mark.parametrize("first", [0, 3, 2**30])
def test_the_words_are_those_of_the_paper_on_every_backend(first: int) -> None:
    seeds = np.array([5, -(2**63), 2**40 + 1])
    sampler = Sampler(
        keras.ops.convert_to_tensor(words_of(seeds)),
        keras.ops.convert_to_tensor(first, "int32"),
        2,
    )
    numbers = sampler.numbers(sampler.seeds, 9, 1, 21)  # 6 blocks a sample
    got = keras.ops.convert_to_numpy(numbers)
    assert got.shape == (3, 2, 21)
    for row, seed in enumerate(int(each) % 2**64 for each in seeds):
        for sample in range(2):
            begin = (first + sample) * 6
            words: list[int] = []
            for block in range(begin, begin + 6):
                counter = (block % 2**32, block >> 32, seed % 2**32, seed >> 32)
                words += philox((1, 9), counter)
            assert got[row, sample].tolist() == [word >> 9 for word in words[:21]]


def _network() -> keras.Model:
    inputs = keras.Input((6, 6, 2))
    x = kd.DropBlock2D(0.3, 3)(layers.Conv2D(4, 3, padding="same")(inputs))
    x = kd.SpatialDropout(0.2)(x)
    x = layers.Dropout(0.4)(layers.Flatten()(x))
    return keras.Model(inputs, layers.Dense(3)(kd.GaussianDropout(0.2)(layers.Dense(8)(x))))


def _weights_dropped() -> keras.Model:
    inputs = keras.Input((6, 6, 2))
    x = layers.Flatten()(kd.DropBlock2D(0.2, 3, gamma="paper")(inputs))
    x = kd.DropConnect(layers.Dense(5), 0.4)(x)
    return keras.Model(inputs, layers.Dense(3)(layers.Dropout(0.3)(x)))


class Subclassed(keras.Model):
    """A model whose graph is not known."""

    def __init__(self) -> None:
        super().__init__()
        self.drop, self.dense = kd.ScheduledDropout(0.4), layers.Dense(3)

    def call(self, x: Any) -> Any:
        return self.dense(self.drop(keras.ops.reshape(x, (-1, 72))))


def _subclassed() -> keras.Model:
    model = Subclassed()
    model(np.zeros((2, 6, 6, 2), "float32"))
    return model


MODELS = {"network": _network, "weights": _weights_dropped, "subclassed": _subclassed}


def _sample(model: Any, x: np.ndarray, **options: Any) -> np.ndarray:
    options = {"samples": 4, "verbose": False, **options}
    return np.asarray(kd.mc_predict(model, x, **options).samples)


@pytest.mark.slow
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_a_row_has_the_same_masks_in_every_batch_shard_and_order(make: Any) -> None:
    model = make()
    x = np.random.default_rng(0).normal(size=(33, 6, 6, 2)).astype("float32")
    whole = _sample(model, x, seed=-7, batch_size=33)
    assert (whole.std(axis=0) > 0).all()
    close = {"rtol": 1e-4, "atol": 1e-5}  # one other mask would show as 1e-2
    for size in (1, 7, 32):
        np.testing.assert_allclose(_sample(model, x, seed=-7, batch_size=size), whole, **close)
    np.testing.assert_allclose(_sample(model, x, seed=-7, chunk_size=3), whole, **close)
    seeds = kd.row_seeds(-7, 33)
    shards = [
        _sample(model, x[a:b], row_seeds=kd.row_seeds(-7, b - a, first=a))
        for a, b in ((0, 10), (10, 11), (11, 33))
    ]
    np.testing.assert_allclose(np.concatenate(shards, axis=1), whole, **close)
    order = np.random.default_rng(1).permutation(33)
    shuffled = _sample(model, x[order], row_seeds=seeds[order])
    np.testing.assert_allclose(shuffled, whole[:, order], **close)


def test_masks_are_equal_to_the_bit_over_batch_sizes() -> None:
    # At a rate of 0.5 the output shows the mask itself, with no rounding.
    model = keras.Sequential([keras.Input((37,)), layers.Dropout(0.5)])
    x = np.ones((33, 37), "float32")
    whole = _sample(model, x, seed=7, batch_size=33)
    for size in (1, 7, 32):
        np.testing.assert_array_equal(_sample(model, x, seed=7, batch_size=size), whole)
    # The same bits on every backend: these were drawn on TensorFlow.
    assert "".join("x" if each else "." for each in whole[0, 0]) == FIRST_MASK


FIRST_MASK = ".x.x.xxx..x.x.xxxx...xxx...xxxxx..xx."


def test_equal_seeds_are_equal_masks() -> None:
    model = keras.Sequential([keras.Input((64,)), layers.Dropout(0.5)])
    samples = _sample(model, np.ones((3, 64), "float32"), row_seeds=[5, -5, 5])
    np.testing.assert_array_equal(samples[:, 0], samples[:, 2])
    assert (samples[:, 0] != samples[:, 1]).any(axis=-1).all()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros(3), "float64 of shape"),
        (np.zeros(3, "uint64"), "uint64 of shape"),
        (np.zeros((4, 1), "int64"), r"int64 of shape \(4, 1\)"),
        (np.zeros(3, "int64"), r"of shape \(4,\)"),
        ([True] * 4, "bool of shape"),
        ("seeds", "of shape"),
        ([[1], [2, 3]], "integers of 64 bits"),
    ],
)
def test_wrong_row_seeds(value: Any, message: str) -> None:
    model = keras.Sequential([keras.Input((2,)), layers.Dropout(0.5)])
    with pytest.raises(ValueError, match=rf"`row_seeds`\. Expected an array of .*{message}"):
        _sample(model, np.ones((4, 2), "float32"), row_seeds=value)


def test_a_seed_and_row_seeds_exclude_each_other() -> None:
    model = keras.Sequential([keras.Input((2,)), layers.Dropout(0.5)])
    with pytest.raises(ValueError, match=r"`row_seeds`\. Expected None where `seed` is given"):
        _sample(model, np.ones((4, 2), "float32"), row_seeds=[1, 2, 3, 4], seed=1)


def test_moments_alone() -> None:
    model = _network()
    x = np.random.default_rng(0).normal(size=(9, 6, 6, 2)).astype("float32")
    options = {"samples": 7, "seed": 3, "batch_size": 4, "verbose": False}
    whole = kd.mc_predict(model, x, **options)
    for chunk in (1, 3, 7):
        moments = kd.mc_predict(model, x, reduce="mean_std", chunk_size=chunk, **options)
        assert moments.samples is None
        np.testing.assert_allclose(moments.mean, whole.mean, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(moments.std, whole.std, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="Predict again without `reduce`"):
        _ = moments.predictive_entropy
    with pytest.raises(ValueError, match="`reduce`"):
        kd.mc_predict(model, x, reduce="median", **options)


@pytest.mark.parametrize("nested", [False, True])
def test_time_steps_have_their_masks_whatever_was_traced_before(nested: bool) -> None:
    inputs = keras.Input((None, 6))
    drop: Any = layers.Dropout(0.5)
    if nested:
        drop = keras.Sequential([keras.Input((6,)), drop])
    outputs = layers.TimeDistributed(drop)(inputs)
    model = keras.Model(inputs, layers.Dropout(0.5)(outputs))
    x = np.ones((3, 4, 6), "float32")
    first = _sample(model, x, seed=1)
    for length in (5, 7, 9):  # by which TensorFlow traces the model for any length
        _sample(model, np.ones((2, length, 6), "float32"), seed=1)
    np.testing.assert_array_equal(_sample(model, x, seed=1), first)
    known = keras.Input((4, 6))
    fixed = keras.Model(known, model(known))
    np.testing.assert_array_equal(_sample(fixed, x, seed=1), first)
    steps = np.moveaxis(first, 2, 0).reshape(4, -1)
    assert len(np.unique(steps, axis=0)) == 4  # no two time steps share a mask
