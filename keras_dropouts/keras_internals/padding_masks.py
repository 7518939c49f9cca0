"""Reads and sets the padding mask that Keras attaches to a tensor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from keras_dropouts.keras_internals.versions import first_of
from keras_dropouts.types import Tensor

# In `keras.src.backend` up to 3.15, and there under the first path as well.
_MODULES = ("keras.src.backend.common.masking", "keras.src.backend")


def padding_mask(x: Any) -> Tensor | None:
    """Return the padding mask of a tensor, None where it has none.

    Relies on `get_keras_mask`, since Keras 3.6. It is not enough to read the attribute
    `_keras_mask`: tensors that JAX traces take no attributes, and Keras keeps their masks in a
    table beside them.
    """
    get = first_of("padding_mask", *(f"{module}:get_keras_mask" for module in _MODULES))
    return get(x)


def set_padding_mask(x: Any, mask: Tensor | None) -> None:
    """Give a tensor a padding mask, as Keras's layers do; None takes it away.

    Relies on `set_keras_mask`, since Keras 3.6.
    """
    set_mask = first_of("set_padding_mask", *(f"{module}:set_keras_mask" for module in _MODULES))
    set_mask(x, mask)


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
