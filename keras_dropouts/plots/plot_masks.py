"""Draws what the dropout layers of a model drop at this moment."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np

from keras_dropouts.arguments import check_integer, invalid
from keras_dropouts.canvas import pyplot
from keras_dropouts.layers.gaussian_dropout import GaussianDropout
from keras_dropouts.plots.mask_images import dropped_places, mask_image
from keras_dropouts.plots.noted_masks import Note, layers_shown, noted_masks
from keras_dropouts.surgery.model_checks import check_model

# They scale by noise, and drop nothing.
_NOISE = (keras.layers.GaussianDropout, GaussianDropout)
_IN_A_LINE = 3  # panels, where one row of data is shown


def plot_masks(layer_or_model: Any, x: Any, *, rows: int = 4, seed: int = 0) -> Any:
    """Draw what each dropout layer drops at this moment, and return the matplotlib Figure.

    What a layer was given is grey, and what it drops is orange. A line of the figure is a layer and
    a column is a row of data; with `rows=1` the layers stand side by side. Under each panel stands
    the share that is dropped. Of feature maps each channel is a tile, up to 16 of them.

    The masks are drawn at the present rates as those of a Monte-Carlo sample are: the same `seed`
    gives the same picture. Nothing of the layers changes, neither their steps nor their random
    state, so it can be called while a model is being trained, in a callback for example.

    Shown are layers that multiply their input: those of this package that wrap no layer,
    `ConcreteDropout`, and of Keras `Dropout`, `SpatialDropout1D` to `3D` and `GaussianDropout`.
    Layers that drop weights, states or attention are left out. A layer that is called several times
    is shown at its first call.

    Args:
        layer_or_model: A dropout layer, or a built Keras model.
        x: Its inputs: an array of shape (N, ...), or a structure of such as the model takes.
        rows: How many of the first rows of `x` are shown, an integer above 0.
        seed: Of the masks, an integer from 0.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if an argument is of the wrong type or out of its range, or there is no layer
            that can be shown.

    Example:

    >>> import numpy as np
    >>> import keras_dropouts as kd
    >>> figure = kd.plot_masks(kd.DropBlock2D(0.2, block_size=3), np.ones((2, 14, 14, 1)))
    >>> len(figure.axes)
    2
    """
    plt = pyplot()
    rows = check_integer(rows, "rows", minimum=1)
    seed = check_integer(seed, "seed")
    thing = layer_or_model
    if not isinstance(thing, keras.layers.Layer):
        raise invalid("layer_or_model", "a dropout layer or a keras.Model", thing)
    if isinstance(thing, keras.Model):
        check_model(thing)
    if not layers_shown(thing):
        raise invalid(
            "layer_or_model",
            "a layer that multiplies its input by a mask, or a model that has one",
            thing,
            "`kd.inspect_dropout` lists the dropout of a model.",
        )
    data = keras.tree.map_structure(lambda each: _first_rows(each, rows), x)
    if not thing.built:
        thing(data)
    notes = noted_masks(thing, data, seed)
    if not notes:
        raise invalid("layer_or_model", "a model that calls its dropout layers", thing)
    return _figure(plt, notes)


def _first_rows(x: Any, rows: int) -> np.ndarray:
    array = keras.ops.convert_to_numpy(x)
    if array.ndim == 0 or len(array) == 0:
        raise invalid("x", "arrays of shape (N, ...) with at least one row", x)
    # Python's and NumPy's numbers are float64, in which no layer computes.
    return np.asarray(array[:rows], "float32" if array.dtype == "float64" else array.dtype)


def _figure(plt: Any, notes: list[Note]) -> Any:
    columns = max(len(note.inputs) for note in notes)
    lines, by_layer = len(notes), columns > 1
    if not by_layer:
        lines, columns = math.ceil(len(notes) / _IN_A_LINE), min(len(notes), _IN_A_LINE)
    size = (2.0 * columns, 2.4 * lines)
    figure, grid = plt.subplots(lines, columns, figsize=size, layout="constrained", squeeze=False)
    panels = [(note, row) for note in notes for row in range(columns if by_layer else 1)]
    for axes, panel in zip(grid.flat, panels, strict=False):
        _draw(axes, *panel)
    for axes in list(grid.flat)[len(panels) :]:
        axes.remove()
    return figure


def _draw(axes: Any, note: Note, row: int) -> None:
    axes.set(xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set_visible(False)
    if row >= len(note.inputs):  # a model that makes fewer rows of its data
        axes.remove()
        return
    factor = note.factor[row]
    is_noise = isinstance(note.layer, _NOISE)
    dropped = np.zeros(factor.shape, bool) if is_noise else dropped_places(factor)
    first = getattr(note.layer, "data_format", None) == "channels_first"
    values = note.inputs[row] * factor if is_noise else note.inputs[row]
    axes.imshow(mask_image(values, dropped, first), interpolation="nearest", aspect="auto")
    if row == 0:
        axes.set_title(f"{note.path}\n{type(note.layer).__name__}, {note.layer.rate:.3g}", size=8)
    said = f"times {factor.min():.2f} to {factor.max():.2f}"
    axes.set_xlabel(said if is_noise else f"{dropped.mean():.0%} dropped", size=8)
