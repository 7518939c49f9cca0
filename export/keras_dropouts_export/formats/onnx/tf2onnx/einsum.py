"""Writes an Einsum of two operands as transposes, reshapes and the one MatMul that runs fastest.

tf2onnx tries all orders of the letters and measures each on the machine that exports, which takes
most of the time of an export; the order follows from the equation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from tf2onnx import utils

from keras_dropouts_export.formats.onnx.tf2onnx.nodes import replace_node

Sizes = dict[str, int]


@dataclass(frozen=True)
class Plan:
    """Where the letters of an equation go: MatMul of (batch, left, sum) and (batch, sum, right)."""

    first: str
    second: str
    result: str
    swapped: bool
    batch: str
    left: str
    summed: str
    right: str

    @property
    def product(self) -> str:
        """The letters of the product, in order."""
        return self.batch + self.left + self.right


def plan(equation: str) -> Plan | None:
    """Return how to compute an equation by one MatMul, or None where it takes more."""
    if "->" not in equation or "." in equation:
        return None
    operands, result = equation.replace(" ", "").split("->")
    terms = operands.split(",")
    if len(terms) != 2 or any(len(set(term)) < len(term) for term in (*terms, result)):
        return None
    if (set(terms[0]) ^ set(terms[1])) - set(result):
        return None  # a letter of one operand alone is summed
    plans = [
        _ordered(terms[0], terms[1], result, False),
        _ordered(terms[1], terms[0], result, True),
    ]
    return next((each for each in plans if each.product == result), plans[0])


def _ordered(first: str, second: str, result: str, swapped: bool) -> Plan:
    return Plan(
        first=first,
        second=second,
        result=result,
        swapped=swapped,
        batch="".join(x for x in result if x in first and x in second),
        left="".join(x for x in result if x in first and x not in second),
        summed="".join(x for x in first if x in second and x not in result),
        right="".join(x for x in result if x in second and x not in first),
    )


def sizes_of(terms: list[str], shapes: list[Any]) -> Sizes:
    """Return the static sizes of letters."""
    found: Sizes = {}
    for term, shape in zip(terms, shapes, strict=True):
        for letter, size in zip(term, shape or [-1] * len(term), strict=True):
            if size is not None and size >= 0:
                found[letter] = size
    return found


def targets(plan: Plan, sizes: Sizes) -> tuple[Any, Any, Any] | None:
    """Return the shapes for the two operands and the product, None for one that stays as it is.

    0 stands for a size that is kept and -1 for one that onnxruntime works out. The answer is None
    where two sizes of one group are not known.
    """
    batch, left, summed, right = plan.batch, plan.left, plan.summed, plan.right
    if any(letter not in sizes for letter in summed) and len(summed) != 1:
        return None
    total = int(np.prod([sizes[letter] for letter in summed])) if len(summed) != 1 else 0
    keep = [0] * len(batch)
    free_left = not batch and left  # MatMul takes any number of leading dimensions
    if len(left) == 1 or free_left:
        first = [*([0] * len(batch + left)), total] if len(summed) != 1 else None
    else:
        first = [*keep, _flat(left, sizes), total or sizes.get(summed, 0)]
    second = None
    if len(summed) != 1 or len(right) != 1:
        second = [*keep, total or sizes.get(summed, 0), _flat(right, sizes)]
    if any(shape is not None and shape.count(-1) > 1 for shape in (first, second)):
        return None
    if (first and first[-1] == 0) or (second and second[len(batch)] == 0):
        return None
    if second is None and (len(left) == 1 or free_left):
        return first, second, None
    return _with_product(plan, sizes, first, second, bool(free_left))


def _with_product(plan: Plan, sizes: Sizes, first: Any, second: Any, free_left: bool) -> Any:
    left = [0] * len(plan.left) if free_left or len(plan.left) == 1 else _sizes(plan.left, sizes)
    right = _sizes(plan.right, sizes)
    product = [*([0] * len(plan.batch)), *left, *right]
    if len(plan.right) == 1 and not (free_left or len(plan.left) == 1):
        product[-1] = sizes.get(plan.right, -1)
    return (first, second, product) if product.count(-1) <= 1 else None


def _sizes(letters: str, sizes: Sizes) -> list[int]:
    return [sizes.get(letter, -1) for letter in letters]


def _flat(letters: str, sizes: Sizes) -> int:
    found = _sizes(letters, sizes)
    return -1 if -1 in found else int(np.prod(found))


def einsum(graph: Any, node: Any, name: str, _: Any) -> None:
    """Write a node of TensorFlow's Einsum in ONNX."""
    equation = node.get_attr_value("equation").decode().lower().replace(" ", "")
    chosen = plan(equation)
    shapes = [graph.get_shape(each) for each in node.input]
    terms = equation.split("->")[0].split(",")
    known = chosen and all(shape is not None for shape in shapes)
    found = targets(chosen, sizes_of(terms, shapes)) if chosen and known else None
    inputs = list(node.input)
    if chosen is None or found is None:
        replace_node(graph, node, "Einsum", inputs, equation=equation)
        return
    if chosen.swapped:
        inputs.reverse()
    x = _arranged(graph, inputs[0], chosen.first, chosen.batch + chosen.left + chosen.summed)
    y = _arranged(graph, inputs[1], chosen.second, chosen.batch + chosen.summed + chosen.right)
    x, y = _reshaped(graph, x, found[0]), _reshaped(graph, y, found[1])
    product = graph.make_node("MatMul", [x, y], op_name_scope=name, skip_conversion=True).output[0]
    product = _reshaped(graph, product, found[2])
    product = _arranged(graph, product, chosen.product, chosen.result)
    replace_node(graph, node, "Identity", [product])


def _arranged(graph: Any, tensor: str, letters: str, wanted: str) -> str:
    if letters == wanted:
        return tensor
    order = [letters.index(letter) for letter in wanted]
    made = graph.make_node("Transpose", [tensor], attr={"perm": order}, skip_conversion=True)
    return str(made.output[0])


def _reshaped(graph: Any, tensor: str, shape: list[int] | None) -> str:
    if shape is None:
        return tensor
    constant = graph.make_const(utils.make_name("shape"), np.array(shape, np.int64)).output[0]
    return str(graph.make_node("Reshape", [tensor, constant], skip_conversion=True).output[0])
