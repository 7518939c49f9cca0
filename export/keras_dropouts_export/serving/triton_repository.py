"""Writes a model repository of the Triton Inference Server, with a request that was run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from keras_dropouts.arguments import invalid
from keras_dropouts_export.formats.format import Arrays
from keras_dropouts_export.serving.open_inference import datatype, tensors
from keras_dropouts_export.serving.packaging import Packaging, write_json
from keras_dropouts_export.tracing.inference_function import TensorInfo

_VERSION = "1"  # the folder of the first version of a model
_DELAY = 1000  # microseconds that a request waits for others to share a batch with


def write(packaging: Packaging, folder: Path) -> None:
    """Write `folder/<name>`: config.pbtxt, 1/model.onnx, labels, a request and the answer to it.

    Raises:
        ValueError: if Triton has no such dtype, scalar or label.
    """
    model = folder / packaging.name
    (model / _VERSION).mkdir(parents=True)
    packaging.copy_model(model / _VERSION)
    labels = _write_labels(packaging, model)
    (model / "config.pbtxt").write_text(_config(packaging, labels), encoding="utf-8")
    sample = packaging.sample
    inputs, outputs = (_as_sent(x, packaging) for x in (sample.inputs, sample.outputs))
    asked = [{"name": each.name} for each in packaging.interface.outputs]
    request = {"inputs": tensors(inputs, packaging.path), "outputs": asked}
    write_json(model / "sample_request.json", request)
    answer = {"model_name": packaging.name, "outputs": tensors(outputs, packaging.path)}
    write_json(model / "sample_answer.json", answer)


def _as_sent(arrays: Arrays, packaging: Packaging) -> Arrays:
    """Return arrays in the shapes that the server has: one number for a row is of shape (N, 1)."""
    if packaging.sample.alone is not None:
        return arrays
    return {name: x[:, None] if x.ndim == 1 else x for name, x in arrays.items()}


def _write_labels(packaging: Packaging, model: Path) -> dict[str, str]:
    """Write each list of classes to a file, and return the names of the files by output."""
    files: dict[tuple[str, ...], str] = {}
    for labels in packaging.interface.labels.values():
        if labels not in files:
            files[labels] = f"labels_{len(files)}.txt" if files else "labels.txt"
            if any(len(label.splitlines()) != 1 for label in labels):
                expected = "a file whose labels are one line each, as Triton reads them"
                raise invalid("path", expected, packaging.path, f"It has {list(labels)}.")
            (model / files[labels]).write_text("".join(f"{x}\n" for x in labels), encoding="utf-8")
    return {name: files[labels] for name, labels in packaging.interface.labels.items()}


def _config(packaging: Packaging, labels: dict[str, str]) -> str:
    return "\n".join(_lines(packaging, labels)) + "\n"


def _lines(packaging: Packaging, labels: dict[str, str]) -> Iterator[str]:
    alone = packaging.sample.alone
    yield f"name: {_quoted(packaging.name)}"
    yield 'backend: "onnxruntime"'
    if alone is None:
        yield f"max_batch_size: {packaging.max_batch_size}"
        yield f"dynamic_batching {{ max_queue_delay_microseconds: {_DELAY} }}"
    else:
        yield f"# Requests are not put together, as {alone}."
        yield "max_batch_size: 0"
    for kind in ("input", "output"):
        yield f"{kind} ["
        every = packaging.interface.inputs if kind == "input" else packaging.interface.outputs
        for each in every:
            comma = "," if each is not every[-1] else ""
            yield f"  {{ {_tensor(each, packaging, labels.get(each.name))} }}{comma}"
        yield "]"


def _tensor(each: TensorInfo, packaging: Packaging, label_file: str | None) -> str:
    kind = datatype(each.name, each.dtype, packaging.path)
    parts = [f"name: {_quoted(each.name)}", f"data_type: TYPE_{kind}"]
    if not each.shape:
        expected = "a file without scalars, which Triton does not take"
        raise invalid("path", expected, packaging.path, f"{each.name!r} is one.")
    sizes = each.shape[1:] if packaging.sample.alone is None else each.shape
    if sizes:
        parts.append(
            f"dims: [ {', '.join('-1' if size is None else str(size) for size in sizes)} ]"
        )
    else:  # one number for each row: Triton wants a dimension beside that of the batch
        parts.append("dims: [ 1 ] reshape { shape: [ ] }")
    if label_file is not None:
        parts.append(f"label_filename: {_quoted(label_file)}")
    return " ".join(parts)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
