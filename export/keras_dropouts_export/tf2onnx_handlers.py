"""Operations of TensorFlow that tf2onnx does not know, or gets wrong, written in ONNX by us."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from tf2onnx import utils

Handler = Callable[[Any, Any, str, Any], None]


def _erfc(graph: Any, node: Any, name: str, _: Any) -> None:
    """Erfc(x) = 1 - Erf(x): every `gelu` of Keras. tf2onnx has no handler for it."""
    dtype = utils.map_onnx_to_numpy_type(graph.get_dtype(node.input[0]))
    shape = graph.get_shape(node.output[0])
    one = graph.make_const(utils.make_name(f"{name}_one"), np.array(1.0, dtype)).output[0]
    inputs, outputs = list(node.input), list(node.output)
    graph.remove_node(node.name)
    erf = graph.make_node("Erf", inputs, skip_conversion=True, op_name_scope=name)
    graph.make_node(
        "Sub",
        [one, erf.output[0]],
        outputs=outputs,
        name=name,
        dtypes=[utils.map_numpy_to_onnx_dtype(np.dtype(dtype))],
        shapes=[shape],
        skip_conversion=True,
    )


# In the form that tf2onnx takes: operation -> (function, arguments).
HANDLERS: dict[str, tuple[Handler, list[Any]]] = {"Erfc": (_erfc, [])}
