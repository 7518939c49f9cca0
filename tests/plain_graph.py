"""Builds a plain ONNX graph node by node, in which a formula is tried and timed."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import helper, numpy_helper


class PlainGraph:
    """Makes nodes of a plain ONNX graph, or of a subgraph whose names begin with `scope`."""

    def __init__(self, scope: str = "", constants: dict[str, Any] | None = None) -> None:
        self.scope = scope
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {} if constants is None else constants

    def node(self, op: str, inputs: list[str], outputs: int = 1, **attributes: Any) -> Any:
        names = [self.name(f"{op}_{len(self.nodes)}_{i}") for i in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, **attributes))
        return names[0] if outputs == 1 else names

    def constant(self, value: np.ndarray) -> str:
        name = f"{value.dtype}_{value.shape}_{value.tolist()}"
        self.constants[name] = numpy_helper.from_array(value, name)
        return name

    def name(self, of: str) -> str:
        return f"{self.scope}{of}"

    def inside(self) -> PlainGraph:
        return PlainGraph(self.name(f"body_{len(self.nodes)}_"), self.constants)
