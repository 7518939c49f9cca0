"""Tests of scales, seed rates and the relaxed decision: exact properties."""

import numpy as np
import pytest
from keras import ops

from keras_dropouts.noise import masks


def test_scales():
    rates = ops.convert_to_tensor(np.array([0.0, 0.25, 0.5, 1.0], "float32"))
    scales = ops.convert_to_numpy(masks.keep_scale(rates))
    np.testing.assert_allclose(scales, [1.0, 4.0 / 3.0, 2.0, 0.0], rtol=1e-7, atol=0.0)


@pytest.mark.parametrize("block_size", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("length", [1, 2, 4, 7, 14])
def test_coverage_counts_the_seeds_of_each_position(length, block_size):
    size = min(block_size, length)
    positions = np.arange(length)
    first, last = np.maximum(positions - size + 1, 0), np.minimum(positions, length - size)
    expected = np.bincount(last - first + 1, minlength=block_size + 1)[1:] / length
    for given in (length, ops.convert_to_tensor(length, "int32")):
        counts, share = masks.coverage(given, block_size)
        np.testing.assert_array_equal(ops.convert_to_numpy(counts), np.arange(1, block_size + 1))
        np.testing.assert_allclose(ops.convert_to_numpy(share), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("rate", [0.0, 0.02, 0.3, 1.0])
def test_seed_rate_is_the_same_for_known_and_for_dynamic_sizes(rate):
    rate = ops.convert_to_tensor(rate, "float32")
    lengths = [ops.convert_to_tensor(size, "int32") for size in (14, 9)]
    known, dynamic = masks.seed_rate(rate, (14, 9), (7, 4)), masks.seed_rate(rate, lengths, (7, 4))
    np.testing.assert_allclose(
        ops.convert_to_numpy(known), ops.convert_to_numpy(dynamic), rtol=1e-6, atol=0.0
    )
    assert 0.0 <= float(ops.convert_to_numpy(known)) <= 1.0


@pytest.mark.parametrize("rate", [1e-4, 0.02, 0.1, 0.5, 0.9, 0.9999])
def test_seed_rate_has_converged(rate, monkeypatch):
    lengths, sizes = [(7, 7), (14, 14), (56, 56), (9, 9, 9)], [(7, 7), (7, 7), (2, 7), (5, 5, 5)]

    def solve():
        rates = [masks.seed_rate(ops.convert_to_tensor(rate, "float32"), *each) for each in cases]
        return [float(ops.convert_to_numpy(each)) for each in rates]

    cases = list(zip(lengths, sizes, strict=True))
    few = solve()
    monkeypatch.setattr(masks, "_NEWTON_STEPS", 30)
    np.testing.assert_allclose(few, solve(), rtol=5e-6, atol=0.0)


def test_clipped_seed_rate_is_the_closed_form():
    for rate in (0.0, 0.02, 0.5):
        gamma = masks.clipped_seed_rate(ops.convert_to_tensor(rate, "float32"), (7, 2))
        expected = -np.expm1(np.log1p(-np.float64(np.float32(rate))) / 14)
        assert float(ops.convert_to_numpy(gamma)) == pytest.approx(expected, rel=1e-6, abs=0.0)


@pytest.mark.parametrize("temperature", [0.1, 2.0 / 3.0])
def test_concrete_keep_is_the_paper_s_relaxation(temperature):
    uniform = (np.array([0, 1, 1000, 2**22, 2**23 - 1], "float32") + 0.5) * np.float32(2.0**-23)
    logit = -1.5
    kept = masks.concrete_keep(
        ops.convert_to_tensor(uniform), ops.convert_to_tensor(logit, "float32"), temperature
    )
    u = uniform.astype("float64")
    z = 1.0 / (1.0 + np.exp(-(logit + np.log(u) - np.log1p(-u)) / temperature))
    np.testing.assert_allclose(ops.convert_to_numpy(kept), 1.0 - z, rtol=2e-5, atol=1e-7)
