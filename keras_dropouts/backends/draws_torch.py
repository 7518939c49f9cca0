"""Draws random words and decisions on PyTorch.

Those of training come from PyTorch's own generator, seeded from the key, the step and the tag: they
are reproducible, but other numbers than those of the other backends. Those of Monte-Carlo samples
are the same as there, words of Philox 4x32-10.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from keras_dropouts.types import Tensor

_RUN = 32  # decisions that share the lower 16 of their 24 bits
_HIGHEST = 255 << 16  # from this threshold on a run may drop even the byte 255
_WORD = 0xFFFFFFFF
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)


def words(key: Tensor, step: Tensor, tag: int, shape: tuple[int, ...]) -> Tensor:
    """Return words for one call of a layer: int32, as PyTorch compares no unsigned ones.

    key: int32 of shape (2,) or more; step: int32 scalar; tag: 32 bits that tell this draw from
    others. Under `torch.func.vmap` they are one draw for all examples with `randomness="same"`,
    one for each with "different".
    """
    draw = _words_in_graph if _is_traced(key) else _words
    return draw(key, step, tag, math.prod(shape)).reshape(shape)


def decisions(
    key: Tensor,
    step: Tensor,
    tag: int,
    shape: tuple[int, ...],
    threshold: Tensor,
    reused: bool = False,
) -> Tensor:
    """Return booleans of `shape`: whether a decision of 24 bits is at least `threshold`.

    threshold: int32 scalar from 0 to 2**24 - 1; the others as for `words`, and `reused` changes
    nothing. noise/stream.py says which bits a decision has.
    """
    draw = _decisions_in_graph if _is_traced(key) else _decisions
    return draw(key, step, tag, math.prod(shape), threshold).reshape(shape)


def sample_words(
    seeds: Tensor, first: Tensor, samples: int, key: tuple[int, int], count: int
) -> Tensor:
    """Return words, int32, of shape (rows, samples, count).

    seeds: int32 of shape (rows, 2); first: int32 scalar, the number of the first sample; key: two
    words of 32 bits. noise/sampler.py says which words they are.
    """
    return _of_samples(seeds, first, samples, key, count)[:, :, :count]


def sample_decisions(
    seeds: Tensor,
    first: Tensor,
    samples: int,
    key: tuple[int, int],
    count: int,
    threshold: Tensor,
) -> Tensor:
    """Return booleans of shape (rows, samples, count): which decisions are at least `threshold`.

    threshold: int32 scalar from 0 to 2**24 - 1; the others as for `sample_words`.
    """
    own, shared, _ = _parts(count)
    drawn = _of_samples(seeds, first, samples, key, own + shared)
    return _decided(drawn, count, threshold)


def _is_traced(key: torch.Tensor) -> bool:
    """Return whether a draw has to be one operation, as a generator cannot be traced.

    So it is in a compiled graph, and in a symbolic call of Keras, where only shape and dtype
    matter.
    """
    return torch.compiler.is_compiling() or key.device.type == "meta"


def _parts(count: int) -> tuple[int, int, int]:
    """Return how many words the decisions' own and their shared bits take, and the runs."""
    runs = (count + _RUN - 1) // _RUN
    return (count + 3) // 4, (runs + 1) // 2, runs


def _decided(drawn: torch.Tensor, count: int, threshold: torch.Tensor) -> torch.Tensor:
    """Return which of `count` decisions are at least `threshold`, from words along the last axis.

    A byte that is compared with a threshold of its run is all that an element costs.
    """
    own, shared, runs = _parts(count)
    halves = drawn[..., own : own + shared].contiguous().view(torch.int16)[..., :runs]
    limit = int(threshold)
    more = (halves.to(torch.int32) & 0xFFFF) < (limit & 0xFFFF)
    bytes_ = drawn[..., :own].contiguous().view(torch.uint8)
    if runs * _RUN > 4 * own:
        bytes_ = torch.nn.functional.pad(bytes_, (0, runs * _RUN - 4 * own))
    bytes_ = bytes_.reshape(*drawn.shape[:-1], runs, _RUN)
    below = more.to(torch.uint8) + (limit >> 16)
    if limit >= _HIGHEST:  # where a run drops all, its threshold would be 256: its bytes become 0
        bytes_ = bytes_ * ~more[..., None]
        below = torch.full_like(below, 255)
    # Spread out first: PyTorch takes twice as long where one side is a column.
    keep = bytes_ >= below[..., None].expand(bytes_.shape).contiguous()
    return keep.reshape(*drawn.shape[:-1], runs * _RUN)[..., :count]


def _words(key: torch.Tensor, step: torch.Tensor, tag: int, count: int) -> torch.Tensor:
    entropy = [int(word) & _WORD for word in (*key.tolist(), int(step))]
    tag += _replica() * 16
    seed = np.random.SeedSequence([*entropy, tag]).generate_state(1, np.uint64)[0]
    generator = torch.Generator(device=key.device).manual_seed(int(seed) & (2**63 - 1))
    # Words of 64 bits, which are split: the generator's time goes by the word, not by the bit.
    length = (count + 1) // 2
    try:
        pairs = torch.empty(length, dtype=torch.int64, device=key.device)
        pairs.random_(-(2**63), None, generator=generator)
    except RuntimeError:  # of vmap, which has draws for each example only of functions like this
        pairs = torch.randint(
            *(-(2**63), 2**63 - 1, (length,)),
            generator=generator,
            dtype=torch.int64,
            device=key.device,
        )
    return pairs.view(torch.int32)[:count]


def _decisions(
    key: torch.Tensor, step: torch.Tensor, tag: int, count: int, threshold: torch.Tensor
) -> torch.Tensor:
    own, shared, _ = _parts(count)
    return _decided(_words(key, step, tag, own + shared), count, threshold)


def _replica() -> int:
    """Return the number of this process among those of `torch.distributed`, 0 for one alone.

    The processes of DistributedDataParallel hold the same keys and steps, and each has rows of its
    own.
    """
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        return int(distributed.get_rank())
    return 0


@torch.library.custom_op("keras_dropouts::words", mutates_args=())
def _words_in_graph(key: torch.Tensor, step: torch.Tensor, tag: int, count: int) -> torch.Tensor:
    """Return what `_words` returns, as an operation that PyTorch's compilers take as a whole."""
    # A copy: compilers take the storage of a result for as long as its shape tells.
    return _words(key, step, tag, count).clone()


@_words_in_graph.register_fake
def _(key: torch.Tensor, step: torch.Tensor, tag: int, count: int) -> torch.Tensor:
    return torch.empty(count, dtype=torch.int32, device=key.device)


@torch.library.custom_op("keras_dropouts::decisions", mutates_args=())
def _decisions_in_graph(
    key: torch.Tensor, step: torch.Tensor, tag: int, count: int, threshold: torch.Tensor
) -> torch.Tensor:
    """Return what `_decisions` returns, as an operation that compilers take as a whole."""
    return _decisions(key, step, tag, count, threshold).contiguous()


@_decisions_in_graph.register_fake
def _(
    key: torch.Tensor, step: torch.Tensor, tag: int, count: int, threshold: torch.Tensor
) -> torch.Tensor:
    return torch.empty(count, dtype=torch.bool, device=key.device)


def _of_samples(
    seeds: torch.Tensor, first: torch.Tensor, samples: int, key: tuple[int, int], count: int
) -> torch.Tensor:
    """Return the blocks that hold `count` words, int32, of shape (rows, samples, words)."""
    blocks = (count + 3) // 4
    index = torch.arange(samples * blocks, device=seeds.device) + first.to(torch.int64) * blocks
    low, high = (word[:, None] for word in (seeds.to(torch.int64) & _WORD).unbind(1))
    drawn = torch.stack(_philox(key, [index & _WORD, index >> 32, low, high]), dim=-1)
    return drawn.reshape(seeds.shape[0], samples, 4 * blocks).to(torch.int32)


def _philox(key: tuple[int, int], words: list[torch.Tensor]) -> list[torch.Tensor]:
    """Return the four words of Philox 4x32-10 for a counter of four, int64 of 32 bits each."""
    for i in range(10):
        keys = [(word + i * step) & _WORD for word, step in zip(key, _KEY_STEPS, strict=True)]
        first, second = words[0] * _MULTIPLIERS[0], words[2] * _MULTIPLIERS[1]
        words = [
            (second >> 32 & _WORD) ^ words[1] ^ keys[0],
            second & _WORD,
            (first >> 32 & _WORD) ^ words[3] ^ keys[1],
            first & _WORD,
        ]
    return list(torch.broadcast_tensors(*words))
