"""Names the inputs, outputs and dimensions of an ONNX graph, and writes its metadata."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import onnx
import tensorflow as tf

import keras_dropouts
from keras_dropouts_export.tracing.inference_function import TensorInfo


def subgraphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """Yield a graph and every graph inside its nodes (If, Loop, Scan)."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from subgraphs(attribute.g)
            for inner in attribute.graphs:
                yield from subgraphs(inner)


def rename_tensors(graph: onnx.GraphProto, rename: Callable[[str], str]) -> None:
    """Give every tensor in a graph and in the graphs inside it the name `rename` returns."""
    for each in subgraphs(graph):
        for node in each.node:
            node.input[:] = [rename(name) if name else "" for name in node.input]
            node.output[:] = [rename(name) if name else "" for name in node.output]
        for value in (*each.input, *each.output, *each.value_info, *each.initializer):
            value.name = rename(value.name)


def name_interface(
    model: onnx.ModelProto, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo]
) -> None:
    """Name the inputs, outputs and dynamic dimensions of `model`, in the order given.

    The batch dimension becomes `batch`, any other dynamic one `<tensor>_<axis>`.
    """
    graph = model.graph
    wanted = [each.name for each in (*inputs, *outputs)]
    present = [value.name for value in (*graph.input, *graph.output)]
    new = dict(zip(present, wanted, strict=True))

    def rename(name: str) -> str:
        if name in new:
            return new[name]
        return f"{name}__inner" if name in wanted else name

    rename_tensors(graph, rename)
    del graph.input[:]
    graph.input.extend(_value(each) for each in inputs)
    del graph.output[:]
    graph.output.extend(_value(each) for each in outputs)
    for each in subgraphs(graph):
        del each.value_info[:]  # it speaks of dimensions called unk__12
        if each is graph:
            continue
        for value in (*each.input, *each.output):
            for size in value.type.tensor_type.shape.dim:
                if size.dim_param.startswith("unk__"):
                    size.ClearField("dim_param")


def _value(info: TensorInfo) -> onnx.ValueInfoProto:
    dtype = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(tf.as_dtype(info.dtype).as_numpy_dtype))
    return onnx.helper.make_tensor_value_info(info.name, dtype, info.dimensions)


def keep_zeros(model: onnx.ModelProto) -> None:
    """Let a size of 0 that is computed be 0 in every Reshape, as an empty batch has it.

    Without this it stands for the size that the reshaped tensor has in the same place, and the
    samples of no rows cannot be told apart.
    """
    for graph in subgraphs(model.graph):
        constant = {each.name for each in model.graph.initializer}
        constant |= {each.name for each in graph.initializer}
        constant |= {each.output[0] for each in graph.node if each.op_type == "Constant"}
        for node in graph.node:
            known = {each.name for each in node.attribute}
            if (
                node.op_type == "Reshape"
                and node.input[1] not in constant
                and "allowzero" not in known
            ):
                node.attribute.append(onnx.helper.make_attribute("allowzero", 1))


def set_metadata(model: onnx.ModelProto, name: str, properties: dict[str, str]) -> None:
    """Write who made the file, from what, and `properties`, into `model`."""
    model.producer_name = "keras-dropouts"
    model.producer_version = keras_dropouts.__version__
    model.graph.name = name
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, properties)
