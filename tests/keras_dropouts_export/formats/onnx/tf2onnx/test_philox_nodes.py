"""Tests Philox in ONNX operations against TensorFlow's kernel, word for word."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from keras_dropouts.noise import sampler as sampling
from keras_dropouts_export.formats.onnx.tf2onnx.philox_nodes import WIDTHS, Rows, philox
from keras_dropouts_export.formats.onnx.tf2onnx.word_arithmetic import Words32, Words64
from keras_dropouts_export.formats.openvino.openvino_runtime import openvino
from plain_graph import PlainGraph

INPUTS = ("seeds", "first", "samples", "numbers")
KEY = (3, 65535)  # the number of a draw and a place
ARITHMETIC = [Words64, Words32]


def philox_file(
    width: int, key: tuple[int, int] = KEY, arithmetic: Any = Words64
) -> onnx.ModelProto:
    """Return a file whose inputs are all that a draw depends on but the key."""
    builder = PlainGraph()
    result = philox(builder, key, Rows(*INPUTS), width, arithmetic)
    dtype = TensorProto.INT64 if width == 32 else TensorProto.INT32
    graph = helper.make_graph(
        builder.nodes,
        "philox",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["rows"] if i == 0 else [])
            for i, name in enumerate(INPUTS)
        ],
        [helper.make_tensor_value_info(result, dtype, ["rows", "samples", "numbers"])],
        list(builder.constants.values()),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def session(
    width: int, level: Any = None, key: tuple[int, int] = KEY, arithmetic: Any = Words64
) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if level is not None:
        options.graph_optimization_level = level
    model = philox_file(width, key, arithmetic).SerializeToString()
    return onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])


def drawn(run: onnxruntime.InferenceSession, *values: Any) -> np.ndarray:
    feeds = {name: np.array(value, np.int64) for name, value in zip(INPUTS, values, strict=True)}
    return run.run(None, feeds)[0]


def kernel(seed: int, sample: int, count: int, width: int, key: tuple[int, int] = KEY) -> Any:
    """Return the numbers of one sample of a row, from the words of TensorFlow's own generator."""
    blocks = -(-count // (8 if width == 16 else 4))
    made = tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=[4 * blocks],
        key=np.array([key[0] | key[1] << 32], np.uint64),
        counter=np.array([sample * blocks, seed], np.int64).view(np.uint64),
        alg=1,
        dtype=tf.uint32,
    )
    words = made.numpy()
    return {16: words.view(np.uint16), 23: words >> 9, 32: words}[width][:count]


SEEDS = [0, 7, 2**31, 2**32 + 5, 2**63 - 1, -3, -(2**63)]


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_numbers_are_those_of_tensorflow(width: int, arithmetic: Any) -> None:
    got = drawn(session(width, arithmetic=arithmetic), SEEDS, 4, 3, 101)
    assert got.shape == (len(SEEDS), 3, 101)
    for row, seed in zip(got, SEEDS, strict=True):
        for i in range(3):
            np.testing.assert_array_equal(row[i], kernel(seed, 4 + i, 101, width))


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
@pytest.mark.parametrize("width", WIDTHS)
def test_a_block_index_beyond_32_bits_carries(width: int, arithmetic: Any) -> None:
    per_block = 8 if width == 16 else 4
    first, count = 2**30, per_block * 6  # 6 blocks a sample
    got = drawn(session(width, arithmetic=arithmetic), [5], first, 2, count)
    for i in range(2):
        np.testing.assert_array_equal(got[0, i], kernel(5, first + i, count, width))


@pytest.mark.parametrize("width", WIDTHS)
def test_the_numbers_are_those_of_a_sampler(width: int) -> None:
    words = tf.constant(sampling.words_of(np.array(SEEDS)))
    sampler = sampling.Sampler(words, tf.constant(2), 12)
    numbers = sampler.draw(words, KEY[1], KEY[0], 77, width)
    np.testing.assert_array_equal(drawn(session(width), SEEDS, 2, 12, 77), numbers.numpy())


@pytest.mark.parametrize("width", [16, 23])
def test_openvino_draws_the_numbers_of_32_bit_arithmetic(width: int) -> None:
    seeds = [0, 7, -3, 2**31 - 1, -(2**31)]  # it cuts seeds off to 32 bits
    core = openvino().Core()
    read = core.read_model(philox_file(width, arithmetic=Words32).SerializeToString())
    compiled = core.compile_model(read, "CPU")
    values = [np.array(value, np.int64) for value in (seeds, 4, 3, 1001)]
    got = compiled(dict(zip(INPUTS, values, strict=True)))[0]
    for row, seed in zip(got, seeds, strict=True):
        for i in range(3):
            np.testing.assert_array_equal(row[i], kernel(seed, 4 + i, 1001, width))


@pytest.mark.parametrize("width", WIDTHS)
def test_the_reference_evaluator_draws_the_numbers_of_32_bit_arithmetic(width: int) -> None:
    file = ReferenceEvaluator(philox_file(width, arithmetic=Words32))
    values = [np.array(value, np.int64) for value in (SEEDS, 4, 2, 33)]
    with np.errstate(over="ignore"):  # products wrap, on purpose
        (got,) = file.run(None, dict(zip(INPUTS, values, strict=True)))
    for row, seed in zip(got, SEEDS, strict=True):
        for i in range(2):
            np.testing.assert_array_equal(row[i], kernel(seed, 4 + i, 33, width))


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
@pytest.mark.parametrize("level", ["ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_ALL"])
def test_every_optimization_level_gives_the_same(level: str, arithmetic: Any) -> None:
    levels = onnxruntime.GraphOptimizationLevel
    got = drawn(session(16, getattr(levels, level), arithmetic=arithmetic), [11], 0, 2, 64)
    expected = np.stack([kernel(11, i, 64, 16) for i in range(2)])
    np.testing.assert_array_equal(got[0], expected)


@pytest.mark.parametrize("count", [0, 1, 3, 4, 8, 9])
@pytest.mark.parametrize("rows", [0, 1, 3])
def test_any_count_and_any_rows_from_none_on(count: int, rows: int) -> None:
    got = drawn(session(16), np.arange(rows), 0, 2, count)
    assert got.shape == (rows, 2, count)
    for row in range(rows):
        np.testing.assert_array_equal(got[row, 1], kernel(row, 1, count, 16))


def test_the_first_words_of_the_paper_s_test_vector() -> None:
    # Random123's known answers for philox4x32-10 with a counter and a key of zeros.
    expected = [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    got = drawn(session(32, key=(0, 0)), [0], 0, 1, 4)
    np.testing.assert_array_equal(got[0, 0], expected)


def test_seeds_samples_draws_and_places_do_not_share_numbers() -> None:
    whole = [
        drawn(session(32, key=key), [seed], first, 1, 1000)[0, 0]
        for key, seed, first in (
            ((0, 0), 7, 0),
            ((0, 0), 8, 0),
            ((0, 0), 7 + 2**32, 0),
            ((0, 0), 7, 1),
            ((1, 0), 7, 0),
            ((0, 1), 7, 0),
        )
    ]
    for i, left in enumerate(whole):
        for right in whole[i + 1 :]:
            # Two draws share a word by chance once in 4,300 such pairs of draws.
            assert len(np.intersect1d(left, right)) <= 1


def test_the_numbers_are_uniform() -> None:
    numbers = drawn(session(16), [5], 0, 16, 2**14).ravel()
    counts = np.bincount(numbers >> 8, minlength=256)
    expected = numbers.size / 256
    statistic = np.sum((counts - expected) ** 2 / expected)
    assert abs(statistic - 255) < 5 * np.sqrt(2 * 255), statistic
