"""Loads an artifact in a runtime that Python reaches; it imports nothing of this project.

Each function takes the path of an artifact, the names of its outputs in the file's order and the
first case's inputs, and returns (a function from inputs to outputs by name, the version).
"""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]
Run = Callable[[Arrays], Arrays]
Loaded = tuple[Run, str]

_RUST = {"float32": "f32", "float16": "f16", "int32": "i32", "int64": "i64"}


def onnxruntime(path: Path, names: list[str], first: Arrays, optimized: bool = True) -> Loaded:
    """Load a file in onnxruntime on the CPU."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    if not optimized:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda x: dict(zip(names, session.run(names, x), strict=True)), ort.__version__


def onnxruntime_plain(path: Path, names: list[str], first: Arrays) -> Loaded:
    """Load a file in onnxruntime, without its optimizations."""
    return onnxruntime(path, names, first, optimized=False)


def openvino(path: Path, names: list[str], first: Arrays) -> Loaded:
    """Load a file in OpenVINO on the CPU, in float32: on some processors it takes bfloat16 else."""
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # it sends nothing then
    import openvino as ov

    hints = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = ov.Core().compile_model(str(path), "CPU", hints)

    def run(x: Arrays) -> Arrays:
        results = compiled(x)
        return {name: np.array(results[name]) for name in names}

    return run, importlib.metadata.version("openvino")


def reference(path: Path, names: list[str], first: Arrays) -> Loaded:
    """Load a file in the evaluator that onnx has as a reference."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(onnx.load(path))
    return lambda x: dict(zip(names, evaluator.run(names, x), strict=True)), onnx.__version__


def opencv(path: Path, names: list[str], first: Arrays) -> Loaded:
    """Load a file in the dnn module of OpenCV."""
    import cv2

    net = cv2.dnn.readNetFromONNX(str(path))

    def run(x: Arrays) -> Arrays:
        for name, value in x.items():
            net.setInput(value, name)
        return dict(zip(names, net.forward(names), strict=True))

    return run, cv2.__version__


def _tract(path: Path, x: Arrays | None) -> Any:
    """Return a runnable and the names of its inputs, with the shapes of `x` where it is given."""
    import tract

    model = tract.onnx().load(str(path))
    inputs = [model.input_name(i) for i in range(model.input_count())]
    for i, name in enumerate(inputs if x is not None else []):
        shape = ",".join(str(size) for size in x[name].shape)  # type: ignore[index]
        model.set_input_fact(i, f"{shape},{_RUST[x[name].dtype.name]}")  # type: ignore[index]
    return model.into_model().into_runnable(), inputs


def tract(path: Path, names: list[str], first: Arrays) -> Loaded:
    """Load a file in tract as it is, with dynamic dimensions."""
    import tract as package

    runnable, inputs = _tract(path, None)

    def run(x: Arrays) -> Arrays:
        found = runnable.run([x[name] for name in inputs])
        return {name: y.to_numpy() for name, y in zip(names, found, strict=True)}

    return run, package.version()


def tract_fixed(path: Path, names: list[str], first: Arrays) -> Loaded:
    """Load a file in tract once for each shape of inputs, all dimensions fixed."""
    import tract as package

    _tract(path, first)

    def run(x: Arrays) -> Arrays:
        runnable, inputs = _tract(path, x)
        found = runnable.run([x[name] for name in inputs])
        return {name: y.to_numpy() for name, y in zip(names, found, strict=True)}

    return run, package.version()


def litert(path: Path, names: list[str], first: Arrays) -> Loaded:
    """Load a file in LiteRT's interpreter."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(str(path)).get_signature_runner()
    dtypes = {name: each["dtype"] for name, each in runner.get_input_details().items()}

    def run(x: Arrays) -> Arrays:
        found = runner(**{name: value.astype(dtypes[name]) for name, value in x.items()})
        return {name: np.array(found[name]) for name in names}

    return run, importlib.metadata.version("ai-edge-litert")


def tfsm_layer(path: Path, names: list[str], first: Arrays) -> Loaded:
    """Load a SavedModel as a layer of Keras."""
    import keras

    endpoint = "serve_mc" if "seed" in first else "serve"
    # The layer casts floats to its own dtype before the SavedModel sees them.
    halves = any(x.dtype == np.float16 for x in first.values())
    dtype = "float16" if halves else "float32"
    layer = keras.layers.TFSMLayer(str(path), call_endpoint=endpoint, dtype=dtype)

    def run(x: Arrays) -> Arrays:
        given = {name: value for name, value in x.items() if name != "seed"}
        seeds = {"seed": x["seed"]} if "seed" in x else {}
        found = layer(given if len(given) > 1 else next(iter(given.values())), **seeds)
        return {name: keras.ops.convert_to_numpy(found[name]) for name in names}

    return run, f"Keras {keras.__version__}"


def saved_model_cli(path: Path, names: list[str], first: Arrays) -> Loaded:
    """Run the command `saved_model_cli run`, a process for each case."""
    signature = "serving_mc" if "seed" in first else "serving_default"

    def run(x: Arrays) -> Arrays:
        with tempfile.TemporaryDirectory() as folder:
            for name, value in x.items():
                np.save(Path(folder) / f"{name}.npy", value)
            given = ";".join(f"{name}={folder}/{name}.npy" for name in x)
            command = [Path(sys.executable).parent / "saved_model_cli", "run", "--dir", path]
            command += ["--tag_set", "serve", "--signature_def", signature, "--inputs", given]
            quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
            done = subprocess.run(
                [*command, "--outdir", folder], capture_output=True, text=True, env=quiet
            )
            if done.returncode:
                raise RuntimeError(done.stderr.strip().splitlines()[-1])
            return {name: np.load(Path(folder) / f"{name}.npy") for name in names}

    return run, importlib.metadata.version("tensorflow")
