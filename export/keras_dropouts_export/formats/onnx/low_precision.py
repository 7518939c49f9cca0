"""Makes an ONNX file smaller with onnxruntime's own tools: numbers of float16, or weights of int8.

Draws of random numbers are integers and stay the same bits. What is computed of them alone, such as
the logarithm of a uniform number, stays in float32: in float16 a small number would be rounded to
zero, and the noise would be another.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
from onnxruntime import quantization
from onnxruntime.transformers import float16

from keras_dropouts_export.errors import ExportError
from keras_dropouts_export.formats.format import Arrays
from keras_dropouts_export.formats.onnx.graph_edits import subgraphs
from keras_dropouts_export.formats.onnx.large_weights import data_file
from keras_dropouts_export.formats.onnx.tf2onnx.draw_nodes import is_draw

# Of these, int8 has operations that are ONNX's; of others onnxruntime alone has them.
_QUANTIZED = ("MatMul", "Gemm", "Conv")
PRECISION = "keras_dropouts.precision"  # the key in a file's metadata
# Without this key onnxruntime logs a warning that a file was not prepared.
_PREPARED = "onnx.quant.pre_process"


def to_float16(path: Path, reduced: str) -> None:
    """Write the file at `path` anew with float16 inside; inputs and outputs stay what they are.

    reduced: how the names of the nodes begin that take the moments of samples, which stay in
    float32, too.

    Raises:
        ExportError: if onnxruntime's tool cannot do it.
    """
    file = _read(path, "dtype")
    kept = of_draws_alone(file.graph)
    here = {node.name for node in file.graph.node}
    if not kept <= here:
        raise ExportError(
            "Random numbers are drawn inside a Loop, in which onnxruntime's tool for float16 can "
            "keep nothing in float32: a layer draws what rows share, so each row runs alone, or "
            "samples are cut into chunks. Export without `dtype`, or with `fixed_masks=True` or "
            "without `chunk_size`."
        )
    kept |= {name for name in here if name.startswith(reduced)}
    _part_constants(file.graph, kept)
    try:
        made = float16.convert_float_to_float16(
            file, keep_io_types=True, node_block_list=sorted(kept)
        )
    except Exception as error:  # whatever the tool may raise
        raise _failed("float16", error) from error
    _join_kept(made.graph)
    _save(made, path, {each.key: each.value for each in made.metadata_props}, "float16")


def to_int8(path: Path, batches: Iterator[Arrays] | None) -> None:
    """Write the file at `path` anew with weights of int8.

    batches: inputs by name; the numbers that come of them tell the ranges of int8 inside (static).
    None: each call finds its own ranges (dynamic).

    Raises:
        ExportError: if onnxruntime's tool cannot do it.
    """
    file = _read(path, "quantize")
    head = {
        name: getattr(file, name) for name in ("producer_name", "producer_version", "doc_string")
    }
    metadata = {each.key: each.value for each in file.metadata_props}
    onnx.helper.set_model_props(file, {**metadata, _PREPARED: "keras_dropouts"})
    options: dict[str, Any] = {
        "op_types_to_quantize": list(_QUANTIZED),
        "weight_type": quantization.QuantType.QInt8,
        "extra_options": {"MatMulConstBOnly": True},
    }
    try:
        if batches is None:
            quantization.quantize_dynamic(file, path, **options)
        else:
            reader = _Calibration(batches)
            quantization.quantize_static(file, path, reader, per_channel=True, **options)
        made = onnx.load(str(path))
    except Exception as error:  # whatever the tool may raise
        raise _failed("int8", error) from error
    for name, value in head.items():
        setattr(made, name, value)
    _save(made, path, metadata, "int8")


def _save(made: onnx.ModelProto, path: Path, metadata: dict[str, str], precision: str) -> None:
    """Write the file, with its metadata and with no domain that it has no operation of."""
    del made.metadata_props[:]
    onnx.helper.set_model_props(made, {**metadata, PRECISION: precision})
    used = {node.domain for graph in subgraphs(made.graph) for node in graph.node} | {""}
    domains = [each for each in made.opset_import if each.domain in used]
    del made.opset_import[:]
    made.opset_import.extend(domains)
    onnx.save(made, str(path))


def precision_in(file: onnx.ModelProto) -> str | None:
    """Return "float16" or "int8" of a file that was made less precise, None of others."""
    return {each.key: each.value for each in file.metadata_props}.get(PRECISION)


class _Calibration(quantization.CalibrationDataReader):
    def __init__(self, batches: Iterator[Arrays]) -> None:
        self.batches = batches

    def get_next(self) -> Arrays | None:
        return next(self.batches, None)


def _read(path: Path, argument: str) -> onnx.ModelProto:
    if data_file(path).exists():
        raise ExportError(
            f"`{argument}` is for files up to 2 GB, which is what onnxruntime's tools take. Export "
            f"without it."
        )
    return onnx.load(str(path))


def _failed(what: str, error: Exception) -> ExportError:
    return ExportError(f"onnxruntime's tool for {what} does not take the model: {error}")


def _part_constants(graph: onnx.GraphProto, kept: set[str]) -> None:
    """Give the nodes that stay in float32 constants of their own.

    The tool makes float16 of a constant that both kinds of nodes take.
    """
    others = {name for node in graph.node if node.name not in kept for name in node.input}
    shared = {each.name: each for each in graph.initializer if each.name in others}
    own: set[str] = set()
    for node in graph.node:
        if node.name not in kept:
            continue
        for i, name in enumerate(node.input):
            if name in shared and shared[name].data_type == onnx.TensorProto.FLOAT:
                node.input[i] = f"{name}__float32"
                own.add(name)
    for name in sorted(own):
        copy = graph.initializer.add()
        copy.CopyFrom(shared[name])
        copy.name = f"{name}__float32"


def _join_kept(graph: onnx.GraphProto) -> None:
    """Take out the way through float16 that the tool leaves between nodes that stay in float32."""
    makers = {name: node for node in graph.node for name in node.output}
    exact = {}
    for node in graph.node:
        before = makers.get(node.input[0]) if _tools_cast(node, "fp32") else None
        if before is not None and _tools_cast(before, "fp16"):
            exact[node.output[0]] = before.input[0]
    for node in graph.node:
        node.input[:] = [exact.get(name, name) for name in node.input]
    for to in ("fp32", "fp16"):  # the casts to float16 have no takers once those behind are gone
        used = {name for node in graph.node for name in node.input}
        used |= {each.name for each in graph.output}
        left = [
            node
            for node in graph.node
            if used.intersection(node.output) or not _tools_cast(node, to)
        ]
        del graph.node[:]
        graph.node.extend(left)


def _tools_cast(node: onnx.NodeProto, to: str) -> bool:
    return node.op_type == "Cast" and node.name.endswith(f"_cast_to_{to}_node")


def of_draws_alone(graph: onnx.GraphProto) -> set[str]:
    """Return the names of the nodes that compute with draws and constants, and with no data.

    Among them are those that make such constants: the rates that draws are compared with. Graphs
    inside are looked through, too. The size of a tensor is no data.
    """
    drawn: list[onnx.NodeProto] = []
    constant: dict[str, onnx.NodeProto] = {}
    _classify(graph, set(), set(), drawn, constant)
    found: dict[str, onnx.NodeProto] = {}
    waiting = drawn
    while waiting:
        node = waiting.pop()
        found[node.name] = node
        makers = (constant[name] for name in node.input if name in constant)
        waiting += [maker for maker in makers if maker.name not in found]
    return set(found)


def _classify(
    graph: onnx.GraphProto,
    constants: set[str],
    draws: set[str],
    drawn: list[onnx.NodeProto],
    constant: dict[str, onnx.NodeProto],
) -> None:
    """Add the nodes of a graph that compute with draws to `drawn`, those without to `constant`.

    constants, draws: the names of what is one or the other around the graph.
    """
    constants = constants | {each.name for each in graph.initializer} | {""}
    draws = set(draws)
    for node in graph.node:  # in the order in which they run
        inputs = set(node.input)
        if is_draw(node):
            draws.update(node.output)
        elif node.op_type == "Shape" or inputs <= constants:
            constants.update(node.output)
            constant.update(dict.fromkeys(node.output, node))
        elif inputs <= constants | draws:
            draws.update(node.output)
            drawn.append(node)
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                _classify(attribute.g, constants, draws, drawn, constant)
