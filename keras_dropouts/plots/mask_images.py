"""Makes an image of what a dropout layer was given, with what it dropped painted over."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

# Vermilion and a cool white of Okabe and Ito's palette, which colour-blind people tell apart from
# each other and from greys.
DROPPED = (0.835, 0.369, 0.0)
GAP = (1.0, 1.0, 1.0)
_CHANNELS = 16  # shown at most, in a square


def dropped_places(factor: np.ndarray) -> np.ndarray:
    """Return where a factor drops: below one half, since what is kept is never scaled down.

    The relaxed decisions of `ConcreteDropout` are rounded by this.
    """
    dropped: np.ndarray = factor < 0.5
    return dropped


def mask_image(inputs: np.ndarray, dropped: np.ndarray, channels_first: bool = False) -> np.ndarray:
    """Return an RGB image, float64 of shape (height, width, 3) with values in [0, 1].

    The input of one row is grey, from its lowest number (dark) to its highest (white), and what is
    dropped is vermilion. A vector is laid out in lines; a sequence has its steps from left to right
    and its channels from top to bottom; of an image each channel is a tile, up to 16 of them; of a
    volume the middle layer is shown.

    inputs: array of shape (...), one row; dropped: booleans of the same shape.
    """
    lowest, highest = float(inputs.min()), float(inputs.max())
    span = highest - lowest
    grey = (inputs - lowest) / span if span > 0 else np.full(inputs.shape, 0.7)
    grey = 0.2 + 0.75 * np.nan_to_num(grey)
    colours = np.where(dropped[..., None], DROPPED, np.repeat(grey[..., None], 3, axis=-1))
    if channels_first and inputs.ndim > 1:
        colours = np.moveaxis(colours, 0, -2)
    if colours.ndim <= 2:
        return _in_lines(colours.reshape(-1, 3))
    if colours.ndim == 3:
        return colours.swapaxes(0, 1)
    while colours.ndim > 4:
        colours = colours[len(colours) // 2]
    return _tiles(colours)


def _in_lines(colours: np.ndarray) -> np.ndarray:
    width = math.ceil(math.sqrt(len(colours)))
    height = math.ceil(len(colours) / width)
    image = np.tile(np.array(GAP), (height * width, 1))
    image[: len(colours)] = colours
    return image.reshape(height, width, 3)


def _tiles(colours: np.ndarray) -> np.ndarray:
    """Put the channels of (height, width, channels, 3) side by side, with a gap of one pixel."""
    height, width, channels = colours.shape[:3]
    channels = min(channels, _CHANNELS)
    columns = math.ceil(math.sqrt(channels))
    lines = math.ceil(channels / columns)
    shape = (lines * (height + 1) - 1, columns * (width + 1) - 1)
    image: Any = np.tile(np.array(GAP), (*shape, 1))
    for channel in range(channels):
        top, left = channel // columns * (height + 1), channel % columns * (width + 1)
        image[top : top + height, left : left + width] = colours[:, :, channel]
    return np.asarray(image)
