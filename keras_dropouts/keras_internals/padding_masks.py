"""Reads and sets the padding mask that Keras attaches to a tensor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from keras_dropouts.keras_internals.versions import first_of
from keras_dropouts.types import Tensor

# `keras.src.backend` has the two up to 3.15 only.
_get_keras_mask, _set_keras_mask = (
    first_of(function, f"keras.src.backend.common.masking:{name}", f"keras.src.backend:{name}")
    for function, name in (
        ("padding_mask", "get_keras_mask"),
        ("set_padding_mask", "set_keras_mask"),
    )
)


def padding_mask(x: Any) -> Tensor | None:
    """Return the padding mask of a tensor, None where it has none.

    Relies on `get_keras_mask`, since Keras 3.6. It is not enough to read the attribute
    `_keras_mask`: tensors that JAX traces take no attributes, and Keras keeps their masks in a
    table beside them.
    """
    return _get_keras_mask(x)


def set_padding_mask(x: Any, mask: Tensor | None) -> None:
    """Give a tensor a padding mask, as Keras's layers do; None takes it away.

    Relies on `set_keras_mask`, since Keras 3.6.
    """
    _set_keras_mask(x, mask)


@contextmanager
def without_padding_masks(tensors: Iterable[Any]) -> Iterator[None]:
    """Take the padding masks of tensors away inside this block, and give them back after it.

    A tensor may be there several times. Relies on what `padding_mask` and `set_padding_mask` do.
    """
    held = {id(x): (x, padding_mask(x)) for x in tensors}
    masked = [(x, mask) for x, mask in held.values() if mask is not None]
    for x, _ in masked:
        set_padding_mask(x, None)
    try:
        yield
    finally:
        for x, mask in masked:
            set_padding_mask(x, mask)
