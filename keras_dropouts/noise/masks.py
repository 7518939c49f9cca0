"""Scales what is kept, grows blocks, and solves for the rates of the seeds they grow from."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from keras import ops

from keras_dropouts import backends
from keras_dropouts.types import Tensor

_NEWTON_STEPS = 6  # of float32's precision for rates up to 0.9999, on every map that was tried


def keep_scale(rate: Tensor) -> Tensor:
    """Return 1 / (1 - rate) in float32, and 0 where `rate` is 1."""
    return ops.divide_no_nan(1.0, 1.0 - rate)


def apply_mask(
    inputs: Tensor,
    keep: Tensor,
    scale: Tensor,
    again: Callable[[Tensor], Tensor] | None,
) -> Tensor:
    """Return `inputs * scale` where `keep` is True and zeros elsewhere.

    The product is taken in float32 at least: bfloat16 would round the scale itself by up to
    0.4 %, the same way for every element. A dropped number that is not finite becomes nan
    where it is multiplied by 0, so it is not hidden from the loss: on TensorFlow, PyTorch, and
    on JAX where a decision is shared by several numbers.

    again: what `Stream.again` returns for the draw of `keep`: a backward pass that a compiler
    makes draws the mask again, and keeps nothing of it. None where no backward pass may follow.
    """
    return backends.masked(inputs, keep, scale, again)


def erode(
    keep: Tensor,
    block_sizes: Sequence[int],
    first_axis: int,
    grow: bool,
    once: Callable[[Callable[[], Tensor], tuple[Any, ...]], Tensor],
) -> Tensor:
    """Return a boolean map that is False where a block covers it.

    A block of `block_sizes` begins at each False of `keep`, along the axes from `first_axis` on.
    `grow`: each axis becomes k - 1 longer and holds every block whole; otherwise it becomes k - 1
    shorter and holds the positions that k of the False could have covered. log2(k) ANDs of a map
    and the same map shifted, for each axis. Growing from the small map, rather than shrinking a
    padded one, has less to do. once: `Stream.once`.
    """
    along = _grown if grow else _shrunk
    for axis, size in enumerate(block_sizes, first_axis):
        shape = list(ops.shape(keep))
        shape[axis] = shape[axis] + (size - 1 if grow else 1 - size)
        compute = functools.partial(along, keep, axis, size)
        keep = once(compute, tuple(shape))
    return keep


def _grown(keep: Tensor, axis: int, size: int) -> Tensor:
    if backends.is_compiled_by_xla():  # which reads parts of a map that is padded once faster
        return _shrunk(_padded(keep, axis, (size - 1, size - 1)), axis, size)
    width = 1
    while width < size:
        shift = min(width, size - width)
        here, there = (_padded(keep, axis, pad) for pad in ((0, shift), (shift, 0)))
        keep = ops.logical_and(here, there)
        width += shift
    return keep


def _shrunk(keep: Tensor, axis: int, size: int) -> Tensor:
    width = 1
    while width < size:
        shift = min(width, size - width)
        length = ops.shape(keep)[axis] - shift
        here, there = (_from(keep, axis, start, length) for start in (0, shift))
        keep = ops.logical_and(here, there)
        width += shift
    return keep


def _padded(keep: Tensor, axis: int, pad: tuple[int, int]) -> Tensor:
    padding = [(0, 0)] * len(keep.shape)
    padding[axis] = pad
    return backends.padded(ops.convert_to_tensor(keep), padding)


def _from(x: Tensor, axis: int, start: int, length: Any) -> Tensor:
    index = [slice(None)] * len(x.shape)
    index[axis] = slice(start, start + length)
    return x[tuple(index)]


def coverage(length: Any, block_size: int) -> tuple[Tensor, Tensor]:
    """Return how many seeds can cover a position, and for which share of the positions.

    For blocks that lie wholly inside an axis of `length` positions: counts 1 .. k, float32 of
    shape (k,), and the share of positions with each count, which sums to 1. A block longer than
    the axis is clamped to it. NumPy arrays where the length is an int: constants of the graph.
    """
    np_or_ops = np if isinstance(length, int) else ops
    length = np.float32(length) if isinstance(length, int) else ops.cast(length, "float32")
    counts = np.arange(1, block_size + 1, dtype="float32")
    clamped = np_or_ops.minimum(np.float32(block_size), length)
    peak = np_or_ops.minimum(clamped, length - clamped + 1.0)
    at_peak = length - 2.0 * peak + 2.0
    number = counts if np_or_ops is np else ops.convert_to_tensor(counts)
    below = np_or_ops.where(number < peak, np.float32(2.0), np.float32(0.0))
    return counts, np_or_ops.where(number == peak, at_peak, below) / length


def seed_rate(rate: Tensor, lengths: Sequence[Any], block_sizes: Sequence[int]) -> Tensor:
    """Return the seed probability gamma at which blocks inside the map drop `rate` of it.

    Solves mean over positions of 1 - (1 - gamma)**n = rate, where n counts the seeds that can
    cover a position, for any number of axes. Newton's method in q = -log(1 - gamma) on
    log(mean(exp(-q n))) = log(1 - rate): convex and falling, so it climbs to the root without
    overshoot from any q below it. It starts at q = -log(1 - rate) / mean(n), which Jensen's
    inequality puts below. float32 scalar in, float32 scalar out; a rate above 1 - 2**-20 counts
    as that, as what is left to solve for is lost in rounding.
    """
    counts = share = np.ones(1, "float32")
    for length, block_size in zip(lengths, block_sizes, strict=True):
        axis_counts, axis_share = coverage(length, block_size)
        counts = (counts[:, None] * axis_counts).reshape(-1)
        if ops.is_tensor(axis_share):
            share = ops.convert_to_tensor(share)
        share = share[:, None] * axis_share
        share = ops.reshape(share, (-1,)) if ops.is_tensor(share) else share.reshape(-1)
    counts, share = ops.convert_to_tensor(counts), ops.convert_to_tensor(share)
    target = ops.log1p(-ops.minimum(rate, 1.0 - 2.0**-20))
    q = -target / ops.sum(share * counts)
    for _ in range(_NEWTON_STEPS):
        kept = share * ops.exp(-q * counts)
        dropped = ops.sum(share * ops.expm1(-q * counts))
        q = q + (ops.log1p(dropped) - target) * ops.sum(kept) / ops.sum(counts * kept)
    return -ops.expm1(-q)


def clipped_seed_rate(rate: Tensor, block_sizes: Sequence[int]) -> Tensor:
    """Return gamma = 1 - (1 - rate)**(1/k**d), for blocks that may reach over the border.

    Every position is then covered by exactly k**d seeds, so each is dropped with probability
    `rate`.
    """
    return -ops.expm1(ops.log1p(-ops.minimum(rate, 1.0 - 2.0**-24)) / float(np.prod(block_sizes)))


def paper_seed_rate(rate: Tensor, lengths: Sequence[Any], block_sizes: Sequence[int]) -> Tensor:
    """Return gamma = rate / k**d * prod(L / (L - k + 1)), the formula of Ghiasi et al. (2018)."""
    gamma = rate
    for length, block_size in zip(lengths, block_sizes, strict=True):
        length = ops.cast(length, "float32")
        clamped = ops.minimum(float(block_size), length)
        gamma = gamma / clamped * length / (length - clamped + 1.0)
    return ops.minimum(gamma, 1.0)


def concrete_keep(uniform: Tensor, logit: Tensor, temperature: float) -> Tensor:
    """Return how much is kept when the decision to drop is relaxed, float32 in [0, 1].

    1 - z, where z = sigmoid((logit(p) + logit(u)) / t). Written so that an element costs one
    logarithm and one exponential; 1 - u is exact for the numbers of `Stream.uniform`.
    """
    odds_of_keeping = (1.0 - uniform) / uniform
    return ops.sigmoid((ops.log(odds_of_keeping) - logit) * (1.0 / temperature))
