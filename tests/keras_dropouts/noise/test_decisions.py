"""Tests of decisions: their bits on every backend, compiled or not, and the rates they realise."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropouts as kd
from keras_dropouts import backends
from keras_dropouts.noise.stream import TrainingStream, threshold
from philox_reference import decisions, words, words_of_decisions

BACKEND = keras.backend.backend()
KEY, STEP, TAG = (0xFFFFFFD3, 123), 7, 3 << 16 | 5
LIMITS = [0, 1, 100, (25 << 16) + 1000, 2**23, 255 << 16, (255 << 16) + 40_000, 2**24 - 1]
COUNTS = [1, 10, 31, 32, 33, 64, 100, 1000, 4096]
LARGE = 2**17 + 40  # what XLA computes in another way


def tensors():
    key = ops.convert_to_tensor(np.array(KEY, "uint32").view("int32"))
    return key, ops.convert_to_tensor(STEP, "int32")


def decided(count, limit, reused=False):
    limit = ops.convert_to_tensor(limit, "int32")
    return backends.decisions(*tensors(), TAG, (count,), limit, reused)


def compiled(function):
    if BACKEND == "jax":
        import jax

        return jax.jit(function)
    import tensorflow as tf

    return tf.function(function, jit_compile=True, autograph=False)


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("count", COUNTS)
def test_decisions_are_those_of_the_documented_bits(count, limit):
    keep = ops.convert_to_numpy(decided(count, limit))
    assert keep.dtype == bool
    assert keep.shape == (count,)
    if BACKEND != "torch":
        drawn = words(KEY, (TAG, STEP), sum(words_of_decisions(count)))
        np.testing.assert_array_equal(keep, decisions(drawn, count) >= limit)


if BACKEND != "torch":

    @pytest.mark.parametrize("reused", [False, True])
    @pytest.mark.parametrize("limit", LIMITS)
    @pytest.mark.parametrize("count", [33, LARGE])
    def test_xla_decides_the_same(count, limit, reused):
        def draw(key, step, limit):
            return backends.decisions(key, step, TAG, (count,), limit, reused)

        keep = compiled(draw)(*tensors(), ops.convert_to_tensor(limit, "int32"))
        expected = ops.convert_to_numpy(decided(count, limit))
        np.testing.assert_array_equal(ops.convert_to_numpy(keep), expected)


@pytest.mark.parametrize("count", COUNTS)
def test_decisions_of_samples_are_those_of_the_documented_bits(count):
    seeds, first, samples, place = np.array([[5, 0], [123, -7], [-1, -1]], "int32"), 3, 4, (2, 9)
    limit = (25 << 16) + 1000
    keep = backends.sample_decisions(
        *(ops.convert_to_tensor(seeds), ops.convert_to_tensor(first, "int32"), samples, place),
        *(count, ops.convert_to_tensor(limit, "int32")),
    )
    keep = ops.convert_to_numpy(keep)
    assert keep.shape == (3, samples, count)
    blocks = -(-sum(words_of_decisions(count)) // 4)
    for row, seed in enumerate(seeds.view("uint32").tolist()):
        for sample in range(samples):
            drawn = words(place, seed, 4 * blocks, (first + sample) * blocks)
            expected = decisions(drawn, count) >= limit
            np.testing.assert_array_equal(keep[row, sample], expected)


@pytest.mark.parametrize("fraction", [0.0, 0.25, 0.999])
@pytest.mark.parametrize("rate", [0.0, 1e-6, 1e-5, 0.02, 0.1, 0.3, 0.5, 0.9, 0.999, 1.0])
def test_the_threshold_is_the_rate_in_24_bits(rate, fraction):
    limit = ops.convert_to_numpy(threshold(ops.convert_to_tensor(rate, "float32"), fraction))
    exact = np.float64(np.float32(rate)) * 2.0**24
    assert limit.dtype == np.int32
    assert abs(limit - min(exact, 2**24 - 1)) <= 1.0
    assert (limit == 0) == (exact + fraction < 1.0)


def test_thresholds_of_all_fractions_give_the_rate_itself():
    rate, fractions = 1e-6, (np.arange(1000) + 0.5) / 1000
    tensor = ops.convert_to_tensor(rate, "float32")
    limits = [int(ops.convert_to_numpy(threshold(tensor, float(each)))) for each in fractions]
    assert np.mean(limits) / 2**24 == pytest.approx(rate, rel=1e-4, abs=0.0)


def dropped(rate, shape, steps, first=0):
    """Return which elements are dropped in each of so many steps, (steps, elements)."""
    rate = ops.convert_to_tensor(rate, "float32")
    key = ops.convert_to_tensor(np.array(KEY, "uint32").view("int32"))
    found = []
    for step in range(first, first + steps):
        stream = TrainingStream(key, ops.convert_to_tensor(step, "int32"), 3)
        found.append(~ops.convert_to_numpy(stream.keep(shape, rate)).reshape(-1))
    return np.stack(found)


@pytest.mark.parametrize("rate", [1e-6, 1e-5, 1e-4, 1e-3, 0.1, 0.5, 0.9, 0.99, 0.999])
def test_every_rate_is_realised(rate):
    drops = dropped(rate, (2**20,), 20)
    # Decisions of a run share 16 bits, which makes the count vary by up to 1 + 31 / 256 more.
    bound = 5.0 * np.sqrt(rate * (1.0 - rate) * drops.size * (1.0 + 31 / 256))
    assert abs(drops.sum() - rate * drops.size) < bound


@pytest.mark.parametrize("rate", [1e-6, 1e-5, 1e-4])
def test_drops_hardly_come_in_clumps(rate):
    """The variance over the mean of the drops in runs of 32 is 1 + 31 / 256 where none is 1."""
    drops = dropped(rate, (2**20,), 64).reshape(-1, 32).sum(axis=1)
    total, pairs = drops.sum(), (drops * (drops - 1)).sum() / 2
    # Given one drop, another of its run drops with probability 1 / 256: 31 / 512 pairs a drop.
    expected = total * 31 / 512
    assert abs(pairs - expected) < 5.0 * np.sqrt(expected * 1.5) + 2.0, (total, pairs, expected)


def test_the_number_of_drops_of_a_step_varies_by_at_most_115_hundredths():
    rate, steps, size = 1e-6, 6000, 2**17
    counts = np.concatenate([dropped(rate, (size,), 500, i).sum(1) for i in range(0, steps, 500)])
    ratio = counts.var() / counts.mean()
    # The variance of a ratio of a Poisson count with mean m, over n steps: (2 + 1 / m) / n.
    assert ratio < 1.15 + 5.0 * np.sqrt((2.0 + 1.0 / (rate * size)) / steps), ratio


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5])
def test_decisions_of_a_run_and_of_neighbouring_runs_are_as_good_as_independent(rate):
    noise = dropped(rate, (2**20,), 16).astype("float32").reshape(16, -1) - np.float32(rate)
    for distance in (1, 2, 7, 31, 32, 64):
        products = noise[:, :-distance] * noise[:, distance:]
        correlation = products.mean(dtype="float64") / (rate * (1.0 - rate))
        bound = 5.0 / np.sqrt(products.size) + (1 / 512) ** 2 / (rate * (1.0 - rate))
        assert abs(correlation) < bound, (distance, correlation)


def test_rows_and_steps_are_independent():
    noise = dropped(0.3, (64, 4096), 32).reshape(32, 64, 4096) - np.float32(0.3)
    rows = (noise[:, :-1] * noise[:, 1:]).mean() / 0.21
    steps = (noise[:-1] * noise[1:]).mean() / 0.21
    assert abs(rows) < 5.0 / np.sqrt(noise.size)
    assert abs(steps) < 5.0 / np.sqrt(noise.size)


def test_a_seed_probability_far_below_a_byte_s_step_is_the_asked_one():
    rate = 2.5 * 2.0**-16  # 0.01 of 1/256
    layer, ones = kd.DropBlock2D(rate, 1, seed=5), np.ones((64, 32, 32, 100), "float32")
    total = 10 * ones.size
    drops = sum(
        np.count_nonzero(ops.convert_to_numpy(layer(ones, training=True)) == 0.0) for _ in range(10)
    )
    bound = 5.0 * np.sqrt(rate * total * 1.125)
    assert bound < 0.12 * rate * total
    assert abs(drops - rate * total) < bound, (drops, rate * total, bound)


def test_rows_of_a_drop_block_are_independent():
    """Runs share the rounding of a threshold; it must not show."""
    layer = kd.DropBlock2D(0.3, 1, seed=2)
    y = ops.convert_to_numpy(layer(np.ones((64, 16, 16, 32), "float32"), training=True)) == 0.0
    row = y.reshape(64 * 16, -1).mean(axis=1)
    expected = 0.3 * 0.7 / (16 * 32)
    spread = 5.0 * expected * np.sqrt(2.0 / len(row))
    assert abs(row.var() - expected) < spread, (row.var(), expected, spread)
