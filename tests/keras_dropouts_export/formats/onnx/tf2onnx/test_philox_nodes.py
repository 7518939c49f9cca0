"""Tests Philox in ONNX operations against TensorFlow's kernel, word for word."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
from onnx import TensorProto, helper

from keras_dropouts.noise import sampler as sampling
from keras_dropouts_export.formats.onnx.tf2onnx.philox_nodes import WIDTHS, Counter, philox
from plain_graph import PlainGraph

INPUTS = ("seed", "batch", "tag", "first", "samples", "count")


def philox_file(width: int) -> onnx.ModelProto:
    """Return a file whose inputs are all that a draw depends on."""
    builder = PlainGraph()
    counter = Counter("batch", "tag", "first")
    result = philox(builder, "seed", counter, "samples", "count", width)
    dtype = TensorProto.INT64 if width == 32 else TensorProto.INT32
    graph = helper.make_graph(
        builder.nodes,
        "philox",
        [helper.make_tensor_value_info(name, TensorProto.INT64, []) for name in INPUTS],
        [helper.make_tensor_value_info(result, dtype, ["samples", "count"])],
        list(builder.constants.values()),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def session(width: int, level: Any = None) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if level is not None:
        options.graph_optimization_level = level
    model = philox_file(width).SerializeToString()
    return onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])


def drawn(run: onnxruntime.InferenceSession, *values: int) -> np.ndarray:
    feeds = {name: np.array(value, np.int64) for name, value in zip(INPUTS, values, strict=True)}
    return run.run(None, feeds)[0]


def kernel(seed: int, batch: int, tag: int, sample: int, words: int) -> np.ndarray:
    """Return the words of TensorFlow's own generator."""
    counter = np.array([0, batch, tag, sample], np.uint32).view(np.uint64)
    made = tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=[words],
        key=np.array([seed], np.int64).view(np.uint64),
        counter=counter,
        alg=1,
        dtype=tf.uint32,
    )
    return made.numpy()


@pytest.mark.parametrize("seed", [0, 7, 2**31, 2**32 + 5, 2**63 - 1, -3])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_numbers_are_those_of_tensorflow(width: int, seed: int) -> None:
    batch, tag, first = 3, (65535 << 16) | 9, 4
    got = drawn(session(width), seed, batch, tag, first, 3, 101)
    assert got.shape == (3, 101)
    for i in range(3):
        words = kernel(seed, batch, tag, first + i, 101)
        expected = {16: words.view(np.uint16)[:101], 23: words >> 9, 32: words}[width]
        np.testing.assert_array_equal(got[i], expected)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_numbers_are_those_of_a_sampler(width: int) -> None:
    samples = tf.range(12)
    sampler = sampling.Sampler(tf.constant(sampling.key_of(7)), samples, 5, tf.constant(2))
    tag = 6 << 16 | 1
    words = sampler.draw(tag, 77, width)
    np.testing.assert_array_equal(drawn(session(width), 7, 2, tag, 0, 12, 77), words.numpy())


@pytest.mark.parametrize("level", ["ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_ALL"])
def test_every_optimization_level_gives_the_same(level: str) -> None:
    levels = onnxruntime.GraphOptimizationLevel
    got = drawn(session(16, getattr(levels, level)), 11, 0, 1 << 16, 0, 2, 64)
    expected = np.stack([kernel(11, 0, 1 << 16, i, 32).view(np.uint16) for i in range(2)])
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("count", [0, 1, 3, 4, 8, 9])
def test_any_count_from_none_on(count: int) -> None:
    got = drawn(session(16), 1, 0, 0, 0, 2, count)
    assert got.shape == (2, count)
    np.testing.assert_array_equal(got, drawn(session(16), 1, 0, 0, 0, 2, 64)[:, :count])


def test_the_first_words_of_the_paper_s_test_vector() -> None:
    # Random123's known answers for philox4x32-10 with a counter and a key of zeros.
    expected = [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    np.testing.assert_array_equal(drawn(session(32), 0, 0, 0, 0, 1, 4)[0], expected)


def test_seeds_samples_tags_and_batches_do_not_share_numbers() -> None:
    run = session(32)
    base = (7, 0, 1 << 16, 0, 1, 1000)
    changed = [
        (8, *base[1:]),
        (7, 1, *base[2:]),
        (7, 0, 2 << 16, *base[3:]),
        (*base[:3], 1, 1, 1000),
    ]
    whole = [drawn(run, *values)[0] for values in (base, *changed)]
    for i, left in enumerate(whole):
        for right in whole[i + 1 :]:
            assert not np.intersect1d(left, right).size


def test_the_numbers_are_uniform() -> None:
    numbers = drawn(session(16), 5, 0, 0, 0, 16, 2**14).ravel()
    counts = np.bincount(numbers >> 8, minlength=256)
    expected = numbers.size / 256
    statistic = np.sum((counts - expected) ** 2 / expected)
    assert abs(statistic - 255) < 5 * np.sqrt(2 * 255), statistic
