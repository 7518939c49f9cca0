"""Reads out the random numbers that mc_predict, a SavedModel and an ONNX file draw."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import onnx
import onnxruntime
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

import keras_dropouts as kd
from keras_dropouts.noise import sampler as sampling
from keras_dropouts_export.formats.onnx.tf2onnx import draw_nodes

# (tag, number of the sample) -> the numbers of one draw, in their order
Draws = dict[tuple[int, int], np.ndarray]
# Names of tensors of an ONNX file: (the numbers of a draw, its counter).
Marks = list[tuple[str, str]]


def session(path: Path, level: str = "ORT_ENABLE_ALL") -> Any:
    """Return an onnxruntime session for a file, at one optimization level."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])


def serve(path: Path, inputs: Any, seed: int) -> list[np.ndarray]:
    """Return the outputs of an ONNX file; inputs in its order, without the seed."""
    run = session(path)
    return list(run.run(None, _feeds(run, inputs, seed)))


def _feeds(run: Any, inputs: Any, seed: int) -> dict[str, np.ndarray]:
    values = [*(inputs if isinstance(inputs, list) else [inputs]), np.array(seed, np.int64)]
    return {each.name: x for each, x in zip(run.get_inputs(), values, strict=True)}


@contextmanager
def marks() -> Iterator[Marks]:
    """Note, for ONNX files that are made inside this, where the draws are."""
    found: Marks = []
    original = draw_nodes.expand_draws

    def expand(model: onnx.ModelProto) -> None:
        own = [node for node in model.graph.node if node.op_type == "Draw"]
        found[:] = [(node.output[0], node.input[2]) for node in own]
        original(model)

    with mock.patch.object(draw_nodes, "expand_draws", expand):
        yield found


def of_onnx(path: Path, where: Marks, inputs: Any, seed: int) -> Draws:
    """Return what onnxruntime draws for an ONNX file."""
    file = onnx.load(path)
    del file.graph.output[:]
    names = [name for pair in where for name in pair]
    file.graph.output.extend(onnx.ValueInfoProto(name=name) for name in dict.fromkeys(names))
    run = onnxruntime.InferenceSession(file.SerializeToString())
    values = dict(
        zip(
            [each.name for each in run.get_outputs()],
            run.run(None, _feeds(run, inputs, seed)),
            strict=True,
        )
    )
    found: Draws = {}
    for numbers, counter in where:
        batch, tag, first = (int(word) for word in values[counter])
        assert batch == 0
        for i, row in enumerate(values[numbers]):
            _add(found, (tag, first + i), row)
    return found


def of_mc_predict(model: Any, x: Any, samples: int, seed: int) -> tuple[Draws, Any]:
    """Return what mc_predict draws on TensorFlow, and its prediction."""
    found: Draws = {}
    original = sampling.Sampler.draw

    def draw(self: Any, tag: int, count: Any, width: int) -> Any:
        made = original(self, tag, count, width)

        def note(numbers: np.ndarray, which: np.ndarray) -> np.int32:
            for row, sample in zip(numbers, which, strict=True):
                _add(found, (tag, int(sample)), row)
            return np.int32(0)

        tf.numpy_function(note, [made, self.samples], tf.int32)
        return made

    with mock.patch.object(sampling.Sampler, "draw", draw):
        prediction = kd.mc_predict(model, x, samples=samples, seed=seed, verbose=False)
    return found, prediction


def of_saved_model(folder: Path, inputs: Any, seed: int) -> Draws:
    """Return the 32-bit words that a SavedModel draws."""
    loaded = tf.saved_model.load(str(folder))
    concrete = loaded.serve_mc.concrete_functions[0]
    flat = convert_variables_to_constants_v2(concrete, False, aggressive_inlining=True)
    draws = [
        each for each in flat.graph.get_operations() if each.type.startswith("StatelessRandom")
    ]
    run = flat.prune(flat.inputs, [[each.inputs[2], each.outputs[0]] for each in draws])
    values = [*(inputs if isinstance(inputs, list) else [inputs]), np.array(seed, np.int64)]
    found: Draws = {}
    for counter, words in run(*map(tf.constant, values)):
        block, batch, tag, sample = counter.numpy().view(np.uint32).tolist()
        assert (block, batch) == (0, 0)
        _add(found, (tag, sample), words.numpy().view(np.uint32))
    return found


def as_numbers(words: np.ndarray, width: int) -> np.ndarray:
    """Return the integers of `width` bits that 32-bit words hold."""
    return {16: words.view(np.uint16), 23: words >> 9, 32: words}[width].astype("int64")


def _add(found: Draws, key: tuple[int, int], numbers: np.ndarray) -> None:
    assert key not in found, f"{key} is drawn twice"
    found[key] = np.asarray(numbers).astype("int64") if numbers.dtype != np.uint32 else numbers
