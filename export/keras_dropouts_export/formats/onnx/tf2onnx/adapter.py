"""Calls tf2onnx, turns what it logs into errors, and mends the passes of it that break a graph.

tf2onnx logs an error and goes on where it meets an operation that it does not know; here that is
an error. It is thinly maintained, so nothing outside this file touches it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import onnx
import onnx.version_converter
import tf2onnx
from tf2onnx import optimizer
from tf2onnx.optimizer import back_to_back_optimizer

from keras_dropouts_export.errors import ExportError
from keras_dropouts_export.formats.onnx.long_sizes import keep_sizes_long
from keras_dropouts_export.formats.onnx.loop_states import part_loop_states
from keras_dropouts_export.formats.onnx.tf2onnx import draw_nodes
from keras_dropouts_export.formats.onnx.tf2onnx.fusion import fuse
from keras_dropouts_export.formats.onnx.tf2onnx.handlers import HANDLERS
from keras_dropouts_export.formats.onnx.tf2onnx.tf2onnx_patches import patched
from keras_dropouts_export.tracing.freezing import frozen
from keras_dropouts_export.tracing.grappler import without_large_feeds

MINIMUM_OPSET = 13
NATIVE_OPSET = 18  # tf2onnx 1.17 refuses 19 and above
# onnxruntime 1.32 has kernels up to 25. An older onnx, whose converter lifts a model, ends earlier;
# onnxruntime 1.21 runs what onnx 1.17 makes.
MAXIMUM_OPSET = min(25, onnx.defs.onnx_opset_version())

_NOT_SUPPORTED = re.compile(r"op \[(?P<name>.+?): (?P<op>\w+)\] is not supported")
_OURS = "keras_dropouts_export: "


class _Frozen:
    """Hands a frozen function to tf2onnx, which asks a tf.function for a concrete one."""

    def __init__(self, concrete: Any) -> None:
        self.concrete = concrete

    def get_concrete_function(self, *_: Any) -> Any:
        return self.concrete


def convert(concrete: Any, opset: int, name: str = "") -> onnx.ModelProto:
    """Return the ONNX form of a concrete function of TensorFlow.

    Inputs and outputs are in the order of the function's, under names of tf2onnx's own. What
    tf2onnx cannot write is written in its last opset and lifted by ONNX's own converter. `name` is
    the model's, for errors.

    Raises:
        ExportError: naming the operations and layers that tf2onnx does not know.
    """
    model = _converted(concrete, min(opset, NATIVE_OPSET), name)
    draw_nodes.expand_draws(model)
    keep_sizes_long(model)
    part_loop_states(model)
    if opset <= NATIVE_OPSET:
        return model
    try:
        model = onnx.version_converter.convert_version(model, opset)
    except RuntimeError as error:  # onnx's own errors share no public base class
        raise ExportError(
            f"ONNX's converter cannot lift the model from opset {NATIVE_OPSET} to {opset}: {error} "
            f"Export with `opset={NATIVE_OPSET}`, which newer servers load as well."
        ) from error
    model.ir_version = onnx.helper.find_min_ir_version_for(model.opset_import)
    return model


def _converted(concrete: Any, opset: int, name: str) -> onnx.ModelProto:
    # Freezing first turns constants that the function captured into constants of the graph;
    # tf2onnx would make inputs of them.
    constant = frozen(concrete, name, lower_control_flow=False, aggressive_inlining=True)
    with _complaints() as complaints, _optimizers(), patched(), without_large_feeds():
        try:
            model, _ = tf2onnx.convert.from_function(
                _Frozen(constant),
                input_signature=[],
                opset=opset,
                custom_op_handlers=dict(HANDLERS),
                custom_rewriter=[fuse],
            )
        except Exception as error:  # tf2onnx raises whatever its handlers do
            raise ExportError(_explain(complaints, opset) or f"tf2onnx failed: {error}") from error
    problem = _explain(complaints, opset)
    if problem:
        raise ExportError(problem)
    return model


def unknown_operations(concrete: Any, opset: int, name: str) -> list[tuple[str, str]]:
    """Return (operation, its name) for all that tf2onnx by itself does not write.

    That is without our handlers, as Keras's own exporter calls it. `name` is as for `convert`.
    """
    constant = frozen(concrete, name, lower_control_flow=False)
    with _complaints() as complaints, suppress(Exception):  # what stops it was logged before
        tf2onnx.convert.from_function(
            _Frozen(constant), input_signature=[], opset=min(opset, NATIVE_OPSET)
        )
    found = [match for text in complaints for match in _NOT_SUPPORTED.finditer(text)]
    return list(dict.fromkeys((each["op"], each["name"]) for each in found))


@contextmanager
def _optimizers() -> Iterator[None]:
    """Leave out or mend the passes of tf2onnx that take long or break a graph."""
    passes, pairs = optimizer._get_optimizers(), back_to_back_optimizer._func_map
    before, merge = passes.copy(), pairs[("Reshape",)]
    passes.pop("einsum_optimizer", None)  # our handler leaves no Einsum to optimize
    pairs[("Reshape",)] = lambda graph, node, after: (
        [] if _keeps_sizes(after) else merge(graph, node, after)
    )
    try:
        yield
    finally:
        passes.update(before)
        pairs[("Reshape",)] = merge


def _keeps_sizes(after: list[Any]) -> bool:
    """Return whether a Reshape that follows another takes sizes (0) from its own input.

    tf2onnx merges the two all the same, and the sizes are then those of another tensor: the
    attention of keras_hub's MiT comes out with shapes that cannot be multiplied.
    """
    shape = after[0].inputs[1] if after and after[0].type == "Reshape" else None
    return shape is not None and (not shape.is_const() or 0 in shape.get_tensor_value())


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """Collect what tf2onnx logs as errors, and keep the rest of its log off the screen."""
    found: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            error = record.exc_info[1] if record.exc_info else None
            if isinstance(error, ExportError):  # one of our handlers says what is the matter
                found.insert(0, f"{_OURS}{error}")
            elif record.levelno >= logging.ERROR:
                found.append(record.getMessage())

    logger = logging.getLogger("tf2onnx")
    handlers, propagate, level = logger.handlers[:], logger.propagate, logger.level
    logger.handlers, logger.propagate = [Collector()], False
    logger.setLevel(logging.ERROR)
    try:
        yield found
    finally:
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


def _explain(complaints: list[str], opset: int) -> str:
    """Return one sentence for all that tf2onnx complained of, or an empty string."""
    if complaints and complaints[0].startswith(_OURS):
        return complaints[0].removeprefix(_OURS)
    unknown = [match.groupdict() for text in complaints for match in _NOT_SUPPORTED.finditer(text)]
    if unknown:
        listed = ", ".join(f"{each['op']} in {each['name']!r}" for each in unknown[:8])
        return (
            f"The model uses operations that ONNX opset {opset} has no counterpart for: {listed}. "
            f"Export it with `export_saved_model`, or replace the layer."
        )
    return f"tf2onnx failed: {' '.join(complaints)}" if complaints else ""
