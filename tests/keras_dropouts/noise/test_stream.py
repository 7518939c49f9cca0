"""Tests of keys and random words: the stream's layout, word for word, on every backend."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_dropouts import backends
from keras_dropouts.noise.stream import TrainingStream, new_key
from philox_reference import philox, words

PHILOX = keras.backend.backend() in ("tensorflow", "jax")


def stream(key=(123, 0xFFFFFFD3), step=7, place=3):
    words = np.array(key, "uint32").view("int32")
    return TrainingStream(ops.convert_to_tensor(words), ops.convert_to_tensor(step, "int32"), place)


def draw(function, *arguments, **options):
    """Return numbers as an array, compiled or not makes no difference."""
    return ops.convert_to_numpy(function(*arguments, **options))


@pytest.mark.parametrize(
    ("key", "counter", "words"),
    [  # the known answers that Random123 ships, by the authors of Philox
        ((0, 0), (0, 0, 0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        (
            (0xA4093822, 0x299F31D0),
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_the_reference_is_philox(key, counter, words):
    assert philox(key, counter) == list(words)


@pytest.mark.parametrize("count", [1, 4, 7, 64])
@pytest.mark.parametrize(("place", "draw_index", "step"), [(0, 0, 0), (3, 1, 7), (40_000, 15, -1)])
def test_words_are_those_of_the_documented_counter(count, place, draw_index, step):
    key = (0xFFFFFFD3, 123)
    tag = place << 16 | draw_index
    tensors = ops.convert_to_tensor(np.array(key, "uint32").view("int32"))
    drawn = draw(backends.words, tensors, ops.convert_to_tensor(step, "int32"), tag, (count,))
    if PHILOX:
        expected = words(key, (tag, step & 0xFFFFFFFF), count)
        np.testing.assert_array_equal(drawn, expected)
        uniform = draw(stream(key, step, place).uniform, (count,), draw=draw_index)
        exact = ((expected >> 9).astype("float32") + np.float32(0.5)) * np.float32(2.0**-23)
        np.testing.assert_array_equal(uniform, exact)
    assert drawn.shape == (count,)


def test_a_key_gives_one_sequence_whatever_the_shape():
    flat = draw(stream().uniform, (24,))
    for shape in [(4, 6), (2, 3, 4), (1, 24)]:
        np.testing.assert_array_equal(draw(stream().uniform, shape).reshape(-1), flat)


@pytest.mark.parametrize(
    "other",
    [{"key": (123, 5)}, {"step": 8}, {"place": 4}],
    ids=["key", "step", "place"],
)
def test_streams_that_differ_in_one_value_are_independent(other):
    count = 200_000
    one = draw(stream().uniform, (count,))
    two = draw(stream(**other).uniform, (count,))
    correlation = np.corrcoef(one, two)[0, 1]
    assert abs(correlation) < 5.0 / np.sqrt(count), correlation


def test_draws_of_one_call_are_independent():
    one, two = (draw(stream().uniform, (200_000,), draw=index) for index in (0, 1))
    assert abs(np.corrcoef(one, two)[0, 1]) < 5.0 / np.sqrt(200_000)


def test_uniform_is_inside_the_open_interval():
    numbers = draw(stream().uniform, (1_000_000,))
    assert numbers.dtype == np.float32
    assert 0.0 < numbers.min() < 1e-4
    assert 1.0 - 1e-4 < numbers.max() < 1.0
    assert abs(numbers.mean() - 0.5) < 5.0 * np.sqrt(1.0 / 12 / numbers.size)


def test_normal_has_the_moments_of_the_standard_normal():
    numbers = draw(stream().normal, (400_000,)).astype("float64")
    for power, moment, variance in [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)]:
        bound = 5.0 * np.sqrt(variance / numbers.size)
        assert abs(np.mean(numbers**power) - moment) < bound, (power, np.mean(numbers**power))


def test_fractions_are_spread_evenly_over_steps():
    fractions = [float(draw(stream(step=step).fraction)) for step in range(200)]
    assert min(fractions) >= 0.0
    assert max(fractions) < 1.0
    for steps in (10, 50, 200):
        assert abs(np.mean(fractions[:steps]) - 0.5) < 3.0 / steps


def test_new_key_is_that_of_its_seed():
    np.testing.assert_array_equal(new_key(5), new_key(5))
    assert (new_key(5) != new_key(6)).any()
    assert (new_key(None) != new_key(None)).any()
