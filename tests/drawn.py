"""Reads out the random numbers that mc_predict and an ONNX file draw."""

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

import keras_dropouts as kd
from keras_dropouts.noise import sampler as sampling
from keras_dropouts_export.formats.onnx.tf2onnx import draw_nodes

# (draw | place << 32, seed of the row, number of the sample) -> the numbers, in their order; of
# decisions 1 where something is kept
Draws = dict[tuple[int, int, int], np.ndarray]
# Of an ONNX file: (name of the numbers of a draw, name of the first sample and the seeds, key).
Marks = list[tuple[str, str, int]]


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
    values = inputs if isinstance(inputs, list) else [inputs]
    values = [*values, kd.row_seeds(seed, len(values[0]))]
    return {each.name: x for each, x in zip(run.get_inputs(), values, strict=True)}


@contextmanager
def marks() -> Iterator[Marks]:
    """Note, for ONNX files that are made inside this, where the draws are."""
    found: Marks = []
    original = draw_nodes.expand_draws

    def expand(model: onnx.ModelProto) -> None:
        own = [node for node in model.graph.node if node.op_type == "Draw"]
        keys = [{each.name: each.i for each in node.attribute}["key"] for node in own]
        names = [(node.output[0], node.input[1]) for node in own]
        original(model)
        # Under the names that they have afterwards.
        mark, name = draw_nodes._MARK, draw_nodes._DRAW
        found[:] = [
            (numbers.replace(mark, name), words.replace(mark, name), key)
            for (numbers, words), key in zip(names, keys, strict=True)
        ]

    with mock.patch.object(draw_nodes, "expand_draws", expand):
        yield found


def of_onnx(path: Path, where: Marks, inputs: Any, seed: int) -> Draws:
    """Return what onnxruntime draws for an ONNX file."""
    file = onnx.load(path)
    del file.graph.output[:]
    names = [name for *names, _ in where for name in names]
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
    for numbers, words, key in where:
        first, _, *seeds = (int(np.uint64(word).astype(np.int64)) for word in values[words])
        _add(found, key, seeds, first, values[numbers])
    return found


def of_mc_predict(model: Any, x: Any, samples: int, seed: int, **options: Any) -> Any:
    """Return what mc_predict draws on TensorFlow, and its prediction."""
    found: Draws = {}
    numbers, decisions = sampling.Sampler.numbers, sampling.Sampler.decisions

    def noting(original: Any) -> Any:
        def drawing(self: Any, seeds: Any, place: int, draw: int, *options: Any) -> Any:
            made = original(self, seeds, place, draw, *options)

            def note(numbers: np.ndarray, words: np.ndarray, first: np.ndarray) -> np.int32:
                rows = words.astype("<i4").view("<i8").reshape(-1).tolist()
                _add(found, draw | place << 32, rows, int(first), numbers)
                return np.int32(0)

            tf.numpy_function(note, [made, seeds, self.first], tf.int32)
            return made

        return drawing

    replaced = {"numbers": noting(numbers), "decisions": noting(decisions)}
    with mock.patch.multiple(sampling.Sampler, **replaced):
        prediction = kd.mc_predict(model, x, samples, seed, verbose=False, **options)
    return found, prediction


def _add(found: Draws, key: int, seeds: list[int], first: int, numbers: np.ndarray) -> None:
    for row, of_row in zip(seeds, numbers, strict=True):
        for i, of_sample in enumerate(of_row):
            assert (key, row, first + i) not in found, f"{key} is drawn twice"
            found[key, row, first + i] = of_sample.astype("int64")
