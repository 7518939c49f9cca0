"""Time ONNX's own Attention (opset 23) against the nodes that an export writes for it.

Run: python benchmarks/attention_nodes.py

BERT, GPT2 and ViT of keras_hub, four layers of 768 units and 12 heads, weights drawn: our file of
opset 18, the same file with an Attention node in place of the nodes of each attention, the file
after onnxruntime's optimizer of transformers, and Keras's own export. Medians of interleaved runs,
over ours. The file with Attention nodes is for timing alone: where a query sees no key it is not
what Keras computes.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import keras_hub
import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from onnxruntime.transformers import optimizer
from onnxruntime.transformers.fusion_options import FusionOptions

import keras_dropouts_export as kde

HEADS, RUNS = 12, 9
SIZES = {"num_layers": 4, "num_heads": HEADS, "hidden_dim": 768}
TEXT = {"vocabulary_size": 2000, "intermediate_dim": 3072, "max_sequence_length": 512, **SIZES}
IMAGE = {"image_shape": (224, 224, 3), "patch_size": 16, "mlp_dim": 3072, **SIZES}
MODELS = {
    "bert": lambda: keras_hub.models.BertBackbone(**TEXT),
    "gpt2": lambda: keras_hub.models.GPT2Backbone(**TEXT),
    "vit": lambda: keras_hub.models.ViTBackbone(**IMAGE),
}
SHAPES = {"bert": ((1, 128), (4, 128), (1, 384)), "vit": ((1, 197), (4, 197))}


class Attentions:
    """Puts an Attention node in place of the nodes of each attention of a file."""

    def __init__(self, file: onnx.ModelProto, keys_first: bool) -> None:
        self.file, self.keys_first = file, keys_first
        self.maker = {name: node for node in file.graph.node for name in node.output}
        self.users: dict[str, list[onnx.NodeProto]] = {}
        for node in file.graph.node:
            for name in node.input:
                self.users.setdefault(name, []).append(node)

    def put_in(self) -> onnx.ModelProto:
        """Return the file with Attention nodes, at opset 23."""
        made = {}
        for node in self.file.graph.node:
            if node.op_type == "Softmax":
                last, nodes = self._attention(node)
                made[last.name] = nodes
        nodes = [each for node in self.file.graph.node for each in made.get(node.name, [node])]
        needed, kept = {each.name for each in self.file.graph.output}, []
        for node in reversed(nodes):
            if needed.intersection(node.output):
                kept.append(node)
                needed.update(node.input)
        del self.file.graph.node[:]
        self.file.graph.node.extend(reversed(kept))
        self.file.opset_import[0].version, self.file.ir_version = 23, 10
        return self.file

    def _attention(self, softmax: onnx.NodeProto) -> tuple[onnx.NodeProto, list[onnx.NodeProto]]:
        """Return the last node of an attention, and what takes its place."""
        scores, mask = self.maker[softmax.input[0]], ""
        if scores.op_type == "Add":
            mask = scores.input[1]
        product = next(each for each in self._back(scores) if each.op_type == "MatMul")
        left, right = (self._flat(name) for name in product.input)
        queries, keys = (right, left) if self.keys_first else (left, right)
        weighted = self._product_of(softmax)
        values = self._flat(next(x for x in weighted.input if self._is_turned(x)))
        last = self.users[self.users[weighted.output[0]][0].output[0]][0]
        inputs, before = [queries, keys, values], []
        if mask:
            before, mask = self._over_queries(mask, queries, softmax.name)
            inputs.append(mask)
        heads = {"q_num_heads": HEADS, "kv_num_heads": HEADS}
        attention = helper.make_node("Attention", inputs, [last.output[0]], **heads)
        return last, [*before, attention]

    def _back(self, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
        """Yield nodes from one on along the first input that a node makes."""
        while node is not None:
            yield node
            makers = (self.maker.get(name) for name in node.input)
            moved = [x for x in makers if x is not None and x.op_type != "Cast"]
            node = moved[0] if moved else None

    def _is_turned(self, name: str) -> bool:
        return name in self.maker and self.maker[name].op_type == "Transpose"

    def _flat(self, name: str) -> str:
        """Return what was reshaped into heads."""
        return next(x.input[0] for x in self._back(self.maker[name]) if x.op_type == "Reshape")

    def _product_of(self, node: onnx.NodeProto) -> onnx.NodeProto:
        while node.op_type != "MatMul":
            users = self.users[node.output[0]]
            node = next(x for x in users if x.op_type in ("MatMul", "Mul", "Add"))
        return node

    def _over_queries(self, mask: str, queries: str, name: str) -> tuple[list[onnx.NodeProto], str]:
        """Give a mask a row for each query, which onnxruntime asks for."""
        constants = {"ones": [1, 1], "one": [1], "two": [2]}
        for key, value in constants.items():
            array = np.array(value, "int64")
            self.file.graph.initializer.append(numpy_helper.from_array(array, f"{name}/{key}"))
        steps = [
            ("Shape", [queries], "all", {}),
            ("Slice", [f"{name}/all", f"{name}/one", f"{name}/two"], "length", {}),
            ("Concat", [f"{name}/ones", f"{name}/length", f"{name}/one"], "shape", {"axis": 0}),
            ("Expand", [mask, f"{name}/shape"], "mask", {}),
        ]
        nodes = [helper.make_node(op, x, [f"{name}/{y}"], **more) for op, x, y, more in steps]
        return nodes, f"{name}/mask"


def files(name: str, folder: Path) -> dict[str, Path]:
    """Write the files of one model."""
    keras.utils.set_random_seed(0)
    model = MODELS[name]()
    found = {
        key: folder / f"{name}_{key}.onnx" for key in ("ours", "Attention", "optimizer", "keras")
    }
    kde.export_onnx(model, found["ours"])
    changed = Attentions(onnx.load(found["ours"]), keys_first=name != "vit").put_in()
    onnx.save(changed, found["Attention"])
    options = FusionOptions(name)
    if name != "bert":  # it fails on what these files hold
        options.enable_skip_layer_norm = options.enable_bias_skip_layer_norm = False
    known = {"num_heads": HEADS, "hidden_size": 768, "opt_level": 1}
    given = {"model_type": name, "optimization_options": options, **known}
    optimizer.optimize_model(str(found["ours"]), **given).save_model_to_file(
        str(found["optimizer"])
    )
    model({key: np.ones((1, 16), "int32") for key in model.input} if name != "vit" else image(1))
    model.export(found["keras"], format="onnx", verbose=False)
    return found


def image(batch: int) -> np.ndarray:
    """Return images."""
    return np.random.default_rng(0).normal(size=(batch, 224, 224, 3)).astype("float32")


def feeds(session: Any, name: str, batch: int, length: int) -> dict[str, np.ndarray]:
    """Return inputs for a session, by name."""
    if name == "vit":
        return {session.get_inputs()[0].name: image(batch)}
    found = {}
    for each in session.get_inputs():
        dtype = "bool" if each.type == "tensor(bool)" else "int32"
        if "padding" in each.name:
            found[each.name] = np.ones((batch, length), dtype)
        elif "segment" in each.name:
            found[each.name] = np.zeros((batch, length), dtype)
        else:
            ids = np.random.default_rng(0).integers(0, 2000, (batch, length))
            found[each.name] = ids.astype(dtype)
    return found


def ratios(name: str, paths: dict[str, Path], threads: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the shape of a batch, and the times over ours, or why there is none."""
    sessions: dict[str, Any] = {}
    for key, path in paths.items():
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = threads, 4
        try:
            sessions[key] = onnxruntime.InferenceSession(path, options)
        except Exception as error:  # noqa: BLE001  (onnxruntime's errors share no base class)
            print(f"{name}: the file of {key} does not load: {str(error)[:120]}")
    for batch, length in SHAPES.get(name, SHAPES["bert"]):
        given = {key: feeds(each, name, batch, length) for key, each in sessions.items()}
        wanted = sessions["ours"].run(None, given["ours"])[0]
        for key, each in sessions.items():
            closest = min(
                np.abs(x - wanted).max()
                for x in each.run(None, given[key])
                if x.shape == wanted.shape
            )
            assert closest < 1e-2, (name, key, closest)
        times: dict[str, list[float]] = {key: [] for key in sessions}
        for _ in range(RUNS):
            for key, each in sessions.items():
                begin = time.perf_counter()
                each.run(None, given[key])
                times[key].append(time.perf_counter() - begin)
        medians = {key: statistics.median(each) for key, each in times.items()}
        yield f"{batch} x {length}", {k: v / medians["ours"] for k, v in medians.items()}


def main() -> None:
    """Print a table."""
    print("| model | batch x length | threads | Attention, opset 23 | optimizer | Keras's export |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name in MODELS:
            paths = files(name, Path(folder))
            for threads in (1, 2):
                for shape, found in ratios(name, paths, threads):
                    cells = (found.get(key) for key in ("Attention", "optimizer", "keras"))
                    shown = " | ".join("does not load" if x is None else f"{x:.2f}" for x in cells)
                    print(f"| {name} | {shape} | {threads} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
