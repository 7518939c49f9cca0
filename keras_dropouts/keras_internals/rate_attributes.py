"""Names of attributes of Keras's layers that hold a dropout rate and have no public name."""

from __future__ import annotations

from typing import Any

# A dot leads into a part of the layer. Attention layers hand their rate to a dropout layer of
# their own when they are built. Since Keras 3.3.
MULTI_HEAD_ATTENTION = ("_dropout", "_dropout_layer.rate")
GROUP_QUERY_ATTENTION = ("dropout", "_dropout_layer.rate")


# Where such a cell keeps its dropout masks between the time steps of one call, since Keras 3.7.
CELL_MASKS = ("_dropout_mask", "_recurrent_dropout_mask")


def is_dropout_cell(layer: Any) -> bool:
    """Return whether a layer is a recurrent cell that drops by Keras's own helper class.

    ConvLSTM's cells are not public, and cells of users mix the same helper in. Relies on
    `DropoutRNNCell.get_dropout_mask`, since Keras 3.0.
    """
    return hasattr(layer, "get_dropout_mask")
