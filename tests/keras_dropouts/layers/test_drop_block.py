"""Tests of DropBlock in 1D, 2D and 3D: whole blocks are dropped, at the rate that was asked for."""

import re

import keras
import numpy as np
import pytest

import keras_dropouts as kd
from keras_dropouts.noise import masks

LAYERS = {1: kd.DropBlock1D, 2: kd.DropBlock2D, 3: kd.DropBlock3D}


def dropped(layer, shape):
    """Return where ones of a channels-last shape are dropped, as a boolean array."""
    return keras.ops.convert_to_numpy(layer(np.ones(shape, "float32"), training=True)) == 0.0


def covered_share(gamma, lengths, block_sizes):
    """Return the share dropped at a seed rate, position by position, in float64."""
    counts = np.ones(())
    for length, block_size in zip(lengths, block_sizes, strict=True):
        size = min(block_size, length)
        positions = np.arange(length)
        first, last = np.maximum(positions - size + 1, 0), np.minimum(positions, length - size)
        counts = np.multiply.outer(counts, last - first + 1)
    return np.mean(1.0 - (1.0 - np.float64(gamma)) ** counts)


def computed(compute, shape):
    """Stand in for `Stream.once`, and check the shape that it is told."""
    result = compute()
    assert tuple(result.shape) == shape
    return result


def brute_force_blocks(seeds, block_size):
    """Return the map that seeds (height, width) cover, each its block from there on."""
    height, width = seeds.shape[0] + block_size - 1, seeds.shape[1] + block_size - 1
    covered = np.zeros((height, width), bool)
    for i, j in np.argwhere(seeds):
        covered[i : i + block_size, j : j + block_size] = True
    return covered


@pytest.mark.parametrize("block_size", [1, 2, 3, 4, 5, 7, 8])
def test_what_is_kept_is_outside_the_union_of_blocks(block_size):
    seeds = np.random.default_rng(block_size).random((9, 12)) < 0.08
    expected = ~brute_force_blocks(seeds, block_size)
    keep, sizes = ~seeds[None, ..., None], (block_size,) * 2
    grown = keras.ops.convert_to_numpy(masks.erode(keep, sizes, 1, True, computed))
    np.testing.assert_array_equal(grown[0, ..., 0], expected)
    shrunk = keras.ops.convert_to_numpy(masks.erode(keep, sizes, 1, False, computed))
    inner = slice(block_size - 1, 1 - block_size or None)  # where all k seeds are on the map
    np.testing.assert_array_equal(shrunk[0, ..., 0], expected[inner, inner])


@pytest.mark.parametrize("rate", [1e-4, 0.02, 0.1, 0.25, 0.5, 0.9, 0.999])
@pytest.mark.parametrize(
    ("lengths", "block_sizes"),
    [
        *[((side, side), (k, k)) for side in (7, 14, 28, 56) for k in range(2, 8)],
        ((7, 56), (7, 2)),
        ((28, 14), (4, 5)),
        ((9,), (4,)),
        ((3, 2), (5, 5)),  # larger than the map
        ((8, 6, 7), (3, 2, 7)),
    ],
)
def test_exact_gamma_drops_the_asked_share(rate, lengths, block_sizes):
    gamma = keras.ops.convert_to_numpy(masks.seed_rate(np.float32(rate), lengths, block_sizes))
    share = covered_share(gamma, lengths, block_sizes)
    # float32 gamma: relative error far below the promised 1 %.
    np.testing.assert_allclose(share, rate, rtol=2e-6, atol=0.0)


@pytest.mark.parametrize("border", ["valid", "clip"])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(
    ("lengths", "block_size"),
    [((14, 14), 7), ((7, 10), 4), ((9, 21), (2, 5)), ((3, 2), 5), ((30,), 6), ((6, 5, 7), 3)],
)
@pytest.mark.parametrize("rate", [0.1, 0.4])
def test_realised_rate(border, shared, lengths, block_size, rate):
    layer = LAYERS[len(lengths)](rate, block_size, shared=shared, border=border, seed=11)
    samples = dropped(layer, (2000, *lengths, 1)).reshape(2000, -1).mean(axis=1)
    # The samples are independent: five standard errors of their mean.
    bound = 5.0 * samples.std() / np.sqrt(len(samples))
    assert abs(samples.mean() - rate) < bound, (samples.mean(), rate, bound)


def test_clip_drops_every_position_alike():
    layer = kd.DropBlock2D(0.2, 3, border="clip", seed=3)
    share = dropped(layer, (4000, 7, 9, 4)).mean(axis=(0, 3))
    bound = 5.0 * np.sqrt(0.2 * 0.8 / 16_000)
    assert np.abs(share - 0.2).max() < bound, (share, bound)


def test_valid_drops_the_centre_more_often():
    share = dropped(kd.DropBlock2D(0.1, 7, seed=3), (2000, 14, 14, 4)).mean(axis=(0, 3))
    gamma = float(keras.ops.convert_to_numpy(masks.seed_rate(np.float32(0.1), (14, 14), (7, 7))))
    for position, count in [((0, 0), 1), ((7, 7), 49), ((0, 7), 7), ((13, 13), 1)]:
        expected = 1.0 - (1.0 - gamma) ** count
        bound = 5.0 * np.sqrt(expected * (1.0 - expected) / 8000)
        assert abs(share[position] - expected) < bound, (position, share[position], expected)


@pytest.mark.parametrize("border", ["valid", "clip"])
def test_what_is_dropped_is_a_union_of_blocks(border):
    size, length = 3, 12
    drop = dropped(kd.DropBlock2D(0.15, size, border=border, seed=5), (64, length, length, 2))
    reach = size - 1 if border == "clip" else 0
    padded = np.pad(drop, [(0, 0), (reach, reach), (reach, reach), (0, 0)], constant_values=True)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))
    whole = windows.all(axis=(-1, -2))  # every block that is dropped as a whole
    union = np.zeros_like(padded)
    for i in range(size):
        for j in range(size):
            view = union[:, i : i + whole.shape[1], j : j + whole.shape[2]]
            np.logical_or(view, whole, out=view)
    inner = slice(reach, reach + length)
    np.testing.assert_array_equal(union[:, inner, inner], drop)
    assert drop.any()


def test_kept_values_are_scaled_exactly():
    x = np.random.default_rng(0).normal(size=(8, 10, 12, 3)).astype("float32")
    y = keras.ops.convert_to_numpy(kd.DropBlock2D(0.3, 4, seed=1)(x, training=True))
    expected = np.where(y == 0.0, 0.0, x * (np.float32(1.0) / (np.float32(1.0) - np.float32(0.3))))
    np.testing.assert_allclose(y, expected, rtol=2e-7, atol=0.0)


def test_paper_gamma_and_scale():
    layer = kd.DropBlock2D(0.25, 7, gamma="paper", seed=1)
    gamma = float(keras.ops.convert_to_numpy(layer._seed_rate(np.float32(0.25), [14, 10])))
    assert gamma == pytest.approx(0.25 / 49 * (14 * 10) / (8 * 4), rel=1e-6, abs=0.0)
    y = keras.ops.convert_to_numpy(layer(np.ones((50, 14, 10, 4), "float32"), training=True))
    scale = y.size / np.count_nonzero(y)
    np.testing.assert_allclose(y[y != 0.0], scale, rtol=1e-6, atol=0.0)


def test_paper_gamma_drops_too_little():
    # The share that FACTS of the field quote: 0.25 asked on 14 x 14 with blocks of 7 gives 0.210.
    layer = kd.DropBlock2D(0.25, 7, gamma="paper", seed=1)
    assert dropped(layer, (4000, 14, 14, 1)).mean() == pytest.approx(0.210, rel=0.0, abs=0.01)


def test_paper_scale_survives_a_batch_that_is_dropped_whole():
    layer = kd.DropBlock2D(0.97, 3, gamma="paper", seed=2)
    for _ in range(20):
        y = keras.ops.convert_to_numpy(layer(np.ones((1, 3, 3, 1), "float32"), training=True))
        assert np.isfinite(y).all()


def test_shared_mask_is_the_same_in_every_channel():
    drop = dropped(kd.DropBlock2D(0.3, 3, shared=True, seed=1), (16, 9, 9, 5))
    assert (drop == drop[..., :1]).all()
    own = dropped(kd.DropBlock2D(0.3, 3, seed=1), (16, 9, 9, 5))
    assert not (own == own[..., :1]).all()


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("shared", [False, True])
def test_channels_first_drops_along_the_last_axes(rank, shared):
    sizes = (5, 6, 7)[:rank]
    layer = LAYERS[rank](0.3, 2, shared=shared, data_format="channels_first", seed=1)
    drop = dropped(layer, (300, 4, *sizes))
    assert abs(drop.mean() - 0.3) < 0.05
    if shared:
        assert (drop == drop[:, :1]).all()


def test_a_block_larger_than_the_map_drops_it_whole():
    drop = dropped(kd.DropBlock2D(0.3, 9, seed=1), (500, 4, 3, 1)).reshape(500, -1)
    assert (drop.all(axis=1) | ~drop.any(axis=1)).all()
    assert abs(drop[:, 0].mean() - 0.3) < 5.0 * np.sqrt(0.3 * 0.7 / 500)


def test_unknown_height_and_width():
    layer = kd.DropBlock2D(0.3, 4, seed=1)
    model = keras.Sequential([keras.Input((None, None, 2)), layer])
    for shape in [(5, 9), (3, 3), (20, 4)]:
        drop = keras.ops.convert_to_numpy(
            model(np.ones((400, *shape, 2), "float32"), training=True)
        )
        assert abs(np.mean(drop == 0.0) - 0.3) < 0.04


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"block_size": 0}, "`block_size`. Expected a positive integer or a tuple of 2. Received"),
        ({"block_size": -3}, "Received: block_size=-3"),
        ({"block_size": 2.0}, "Received: block_size=2.0"),
        ({"block_size": True}, "Received: block_size=True"),
        ({"block_size": (3, 3, 3)}, "Received: block_size=(3, 3, 3)"),
        ({"block_size": (3, 0)}, "Received: block_size=(3, 0)"),
        ({"block_size": "3"}, "Received: block_size='3'"),
        ({"block_size": None}, "Received: block_size=None"),
        ({"shared": 1}, "`shared`. Expected True or False. Received: shared=1"),
        ({"border": "same"}, "`border`. Expected one of 'valid', 'clip'. Received: border='same'"),
        ({"gamma": 0.1}, "`gamma`. Expected one of 'exact', 'paper'. Received: gamma=0.1"),
        ({"gamma": []}, "`gamma`. Expected one of 'exact', 'paper'. Received: gamma=[]"),
        (
            {"data_format": "NHWC"},
            "`data_format`. Expected one of 'channels_last', 'channels_first'",
        ),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        kd.DropBlock2D(**{"rate": 0.1, "block_size": 3, **arguments})


def test_bad_rank():
    with pytest.raises(ValueError, match=r"argument `inputs`. Expected rank 4. Received: inputs="):
        kd.DropBlock2D(0.1, 3)(np.ones((2, 5, 5), "float32"))


@pytest.mark.parametrize(
    ("shape", "kind"),
    [((9, 4), kd.DropBlock1D), ((6, 7, 3), kd.DropBlock2D), ((4, 5, 3, 2), kd.DropBlock3D)],
)
@pytest.mark.parametrize("border", ["valid", "clip"])
def test_drop_block_of_any_rank_is_the_one_of_its_first_input(shape, kind, border):
    x = np.ones((4, *shape), "float32")
    one, other = (each(0.3, block_size=2, border=border, seed=3) for each in (kd.DropBlock, kind))
    np.testing.assert_array_equal(*(each(x, training=True) for each in (one, other)))
    assert one.block_size == other.block_size
    assert one.get_config()["block_size"] == 2
    again = kd.DropBlock.from_config(one.get_config())
    assert again(x[..., :1]).shape == (4, *shape[:-1], 1)


@pytest.mark.parametrize(
    ("block_size", "shape", "text"),
    [
        ((2, 3), (4, 9, 3), "Expected rank 4. Received"),
        (2, (4, 9), "Expected rank 3 or rank 4 or rank 5. Received"),
    ],
)
def test_drop_block_of_any_rank_refuses_other_inputs(block_size, shape, text):
    with pytest.raises(ValueError, match=text):
        kd.DropBlock(0.1, block_size=block_size)(np.ones(shape, "float32"))


@pytest.mark.parametrize("block_size", [0, (), (1, 1, 1, 1), 2.5, (1, 0)])
def test_drop_block_of_any_rank_refuses_other_sizes(block_size):
    with pytest.raises(ValueError, match=r"Expected a positive integer or a tuple of 1 to 3\."):
        kd.DropBlock(0.1, block_size=block_size)
