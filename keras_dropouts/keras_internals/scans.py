"""Mends `keras.ops.associative_scan` where a graph of TensorFlow is traced."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import keras
from keras import ops

from keras_dropouts.keras_internals.patching import replaced_in_thread
from keras_dropouts.keras_internals.versions import first_of
from keras_dropouts.types import Tensor

Flat = list[Tensor]
Combine = Callable[[Flat, Flat], Flat]


def traceable_scans() -> AbstractContextManager[None]:
    """Trace models inside this, and `keras.ops.associative_scan` leaves operations of known shapes.

    Keras decides by `tf.cond` whether a length is even, in a graph even where it is known: the
    rank of the result is lost, which most of its functions ask for, ONNX has no such branches, and
    in Keras 3.10 the recursion does not end. Relies on `associative_scan` of Keras's backends,
    since Keras 3.6; other backends than TensorFlow keep their own.
    """

    def traceable(original: Any) -> Any:
        def scan(f: Any, elems: Any, reverse: bool = False, axis: int = 0) -> Any:
            if keras.backend.backend() != "tensorflow":
                return original(f, elems, reverse=reverse, axis=axis)

            def combine(left: Flat, right: Flat) -> Flat:
                pair = (keras.tree.pack_sequence_as(elems, each) for each in (left, right))
                return list(keras.tree.flatten(f(*pair)))

            flat = [ops.convert_to_tensor(x) for x in keras.tree.flatten(elems)]
            along = axis % len(flat[0].shape)
            known = flat[0].shape[along] is not None
            found = (_by_halves if known else _by_doubling)(
                combine, [ops.flip(x, along) if reverse else x for x in flat], along
            )
            made = [ops.flip(x, along) if reverse else x for x in found]
            return keras.tree.pack_sequence_as(elems, made)

        return scan

    core = first_of("traceable_scans", "keras.src.backend:core")
    return replaced_in_thread(core, "associative_scan", traceable)


def _by_halves(combine: Combine, flat: Flat, axis: int) -> Flat:
    """Return the scan of a known length, in the order of operations in which Keras computes it."""
    length = flat[0].shape[axis]
    if length < 2:
        return flat
    pairs = combine(_cut(flat, axis, 0, -1, 2), _cut(flat, axis, 1, None, 2))
    odd = _by_halves(combine, pairs, axis)
    first = _cut(flat, axis, 0, 1)
    if length == 2:
        return _joined(first, odd, axis)
    before = _cut(odd, axis, 0, (length - 1) // 2)
    even = _joined(first, combine(before, _cut(flat, axis, 2, None, 2)), axis)
    return [_interleaved(x, y, axis) for x, y in zip(even, odd, strict=True)]


def _interleaved(even: Tensor, odd: Tensor, axis: int) -> Tensor:
    count = odd.shape[axis]
    (pairs,) = _cut([even], axis, 0, count)
    shape = ops.shape(pairs)
    mixed = ops.reshape(
        ops.stack([pairs, odd], axis + 1), (*shape[:axis], 2 * count, *shape[axis + 1 :])
    )
    rest = _cut([even], axis, count, None)
    return mixed if even.shape[axis] == count else ops.concatenate([mixed, *rest], axis)


def _by_doubling(combine: Combine, flat: Flat, axis: int) -> Flat:
    """Return the scan of a length that is not known, in as many rounds as doubling reaches it."""
    length = ops.shape(flat[0])[axis]
    places = ops.arange(length)

    def reaches_on(distance: Tensor, *_: Tensor) -> Tensor:
        return distance < length

    def further(distance: Tensor, *held: Tensor) -> tuple[Tensor, ...]:
        before = [ops.take(x, ops.maximum(places - distance, 0), axis) for x in held]
        made = combine(before, list(held))
        return (distance * 2, *(_from(distance, x, y) for x, y in zip(held, made, strict=True)))

    def _from(distance: Tensor, x: Tensor, y: Tensor) -> Tensor:
        beside = [1] * len(x.shape)
        beside[axis] = -1
        return ops.where(ops.reshape(places >= distance, beside), y, x)

    return list(ops.while_loop(reaches_on, further, (ops.ones((), "int32"), *flat))[1:])


def _cut(flat: Flat, axis: int, start: int, stop: int | None, step: int = 1) -> Flat:
    index = (*(slice(None) for _ in range(axis)), slice(start, stop, step))
    return [x[index] for x in flat]


def _joined(first: Flat, second: Flat, axis: int) -> Flat:
    return [ops.concatenate(pair, axis) for pair in zip(first, second, strict=True)]
