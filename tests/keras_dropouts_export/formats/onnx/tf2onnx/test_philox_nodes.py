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
from keras_dropouts_export.formats.onnx.tf2onnx.philox_nodes import (
    Rows,
    philox_decisions,
    philox_numbers,
)
from keras_dropouts_export.formats.onnx.tf2onnx.word_arithmetic import Words32, Words64
from keras_dropouts_export.formats.openvino.openvino_runtime import openvino
from philox_reference import decisions, words_of_decisions
from plain_graph import PlainGraph

INPUTS = ("seeds", "first", "samples", "numbers")
KEY = (3, 65535)  # the number of a draw and a place
ARITHMETIC = [Words64, Words32]
LIMITS = {
    "decisions": (77 << 16) + 12_345,
    "rare decisions": 40_000,
    "decisions near 1": (255 << 16) + 40_000,
}
KINDS = ["numbers", *LIMITS]


def philox_file(
    kind: str, key: tuple[int, int] = KEY, arithmetic: Any = Words64
) -> onnx.ModelProto:
    """Return a file whose inputs are all that a draw depends on but the key."""
    builder = PlainGraph()
    if kind == "numbers":
        result = philox_numbers(builder, key, Rows(*INPUTS), arithmetic)
    else:
        below = builder.constant(np.array([LIMITS[kind]], np.int32))
        result = philox_decisions(builder, key, Rows(*INPUTS), below, arithmetic)
    dtype = TensorProto.INT32 if kind == "numbers" else TensorProto.BOOL
    graph = helper.make_graph(
        builder.nodes,
        "philox",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["rows"] if i == 0 else [1])
            for i, name in enumerate(INPUTS)
        ],
        [helper.make_tensor_value_info(result, dtype, ["rows", "samples", "numbers"])],
        list(builder.constants.values()),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def session(
    kind: str, level: Any = None, key: tuple[int, int] = KEY, arithmetic: Any = Words64
) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if level is not None:
        options.graph_optimization_level = level
    model = philox_file(kind, key, arithmetic).SerializeToString()
    return onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])


def drawn(run: onnxruntime.InferenceSession, *values: Any) -> np.ndarray:
    feeds = {
        name: np.array(value, "int64", ndmin=1) for name, value in zip(INPUTS, values, strict=True)
    }
    return run.run(None, feeds)[0]


def blocks_of(count: int, kind: str) -> int:
    """Return how many blocks a sample takes."""
    return -(-(count if kind == "numbers" else sum(words_of_decisions(count))) // 4)


def kernel(seed: int, sample: int, count: int, kind: str, key: tuple[int, int] = KEY) -> Any:
    """Return the numbers of one sample of a row, from the words of TensorFlow's own generator."""
    blocks = blocks_of(count, kind)
    made = tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=[4 * blocks],
        key=np.array([key[0] | key[1] << 32], np.uint64),
        counter=np.array([sample * blocks, seed], np.int64).view(np.uint64),
        alg=1,
        dtype=tf.uint32,
    )
    words = made.numpy()
    if kind == "numbers":
        return (words >> 9)[:count]
    return decisions(words, count) >= LIMITS[kind]


SEEDS = [0, 7, 2**31, 2**32 + 5, 2**63 - 1, -3, -(2**63)]


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
@pytest.mark.parametrize("kind", KINDS)
def test_the_numbers_are_those_of_tensorflow(kind: str, arithmetic: Any) -> None:
    got = drawn(session(kind, arithmetic=arithmetic), SEEDS, 4, 3, 101)
    assert got.shape == (len(SEEDS), 3, 101)
    for row, seed in zip(got, SEEDS, strict=True):
        for i in range(3):
            np.testing.assert_array_equal(row[i], kernel(seed, 4 + i, 101, kind))


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
@pytest.mark.parametrize("kind", KINDS)
def test_a_block_index_beyond_32_bits_carries(kind: str, arithmetic: Any) -> None:
    count = 24 if kind == "numbers" else 80  # 6 blocks a sample
    assert blocks_of(count, kind) == 6
    first = 2**30
    got = drawn(session(kind, arithmetic=arithmetic), [5], first, 2, count)
    for i in range(2):
        np.testing.assert_array_equal(got[0, i], kernel(5, first + i, count, kind))


@pytest.mark.parametrize("kind", KINDS)
def test_the_numbers_are_those_of_a_sampler(kind: str) -> None:
    words = tf.constant(sampling.words_of(np.array(SEEDS)))
    sampler = sampling.Sampler(words, tf.constant(2), 12)
    place, draw = KEY[1], KEY[0]
    if kind == "numbers":
        numbers = sampler.numbers(words, place, draw, 77)
    else:
        numbers = sampler.decisions(words, place, draw, 77, tf.constant(LIMITS[kind]))
    np.testing.assert_array_equal(drawn(session(kind), SEEDS, 2, 12, 77), numbers.numpy())


@pytest.mark.parametrize("kind", KINDS)
def test_openvino_draws_the_numbers_of_32_bit_arithmetic(kind: str) -> None:
    seeds = [0, 7, -3, 2**31 - 1, -(2**31)]  # it cuts seeds off to 32 bits
    core = openvino().Core()
    read = core.read_model(philox_file(kind, arithmetic=Words32).SerializeToString())
    compiled = core.compile_model(read, "CPU")
    values = [np.array(value, np.int64, ndmin=1) for value in (seeds, 4, 3, 1001)]
    got = compiled(dict(zip(INPUTS, values, strict=True)))[0]
    for row, seed in zip(got, seeds, strict=True):
        for i in range(3):
            np.testing.assert_array_equal(row[i], kernel(seed, 4 + i, 1001, kind))


@pytest.mark.parametrize("kind", KINDS)
def test_the_reference_evaluator_draws_the_numbers_of_32_bit_arithmetic(kind: str) -> None:
    file = ReferenceEvaluator(philox_file(kind, arithmetic=Words32))
    values = [np.array(value, np.int64, ndmin=1) for value in (SEEDS, 4, 2, 33)]
    with np.errstate(over="ignore"):  # products wrap, on purpose
        (got,) = file.run(None, dict(zip(INPUTS, values, strict=True)))
    for row, seed in zip(got, SEEDS, strict=True):
        for i in range(2):
            np.testing.assert_array_equal(row[i], kernel(seed, 4 + i, 33, kind))


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
@pytest.mark.parametrize("level", ["ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_ALL"])
def test_every_optimization_level_gives_the_same(level: str, arithmetic: Any) -> None:
    levels = onnxruntime.GraphOptimizationLevel
    got = drawn(session(KINDS[1], getattr(levels, level), arithmetic=arithmetic), [11], 0, 2, 64)
    expected = np.stack([kernel(11, i, 64, KINDS[1]) for i in range(2)])
    np.testing.assert_array_equal(got[0], expected)


@pytest.mark.parametrize("kind", KINDS[:2])
@pytest.mark.parametrize("count", [0, 1, 3, 4, 8, 9, 31, 32, 33, 65])
@pytest.mark.parametrize("rows", [0, 1, 3])
def test_any_count_and_any_rows_from_none_on(kind: str, count: int, rows: int) -> None:
    got = drawn(session(kind), np.arange(rows), 0, 2, count)
    assert got.shape == (rows, 2, count)
    for row in range(rows):
        np.testing.assert_array_equal(got[row, 1], kernel(row, 1, count, kind))


def test_the_first_words_of_the_paper_s_test_vector() -> None:
    # Random123's known answers for philox4x32-10 with a counter and a key of zeros.
    expected = np.array([0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8])
    got = drawn(session("numbers", key=(0, 0)), [0], 0, 1, 4)
    np.testing.assert_array_equal(got[0, 0], expected >> 9)


def test_seeds_samples_draws_and_places_do_not_share_numbers() -> None:
    whole = [
        drawn(session("numbers", key=key), [seed], first, 1, 1000)[0, 0]
        for key, seed, first in (
            ((0, 0), 7, 0),
            ((0, 0), 8, 0),
            ((0, 0), 7 + 2**32, 0),
            ((0, 0), 7, 1),
            ((1, 0), 7, 0),
            ((0, 1), 7, 0),
        )
    ]
    blocks = [set(map(tuple, each.reshape(-1, 4).tolist())) for each in whole]
    for i, left in enumerate(blocks):
        for right in blocks[i + 1 :]:
            assert not left & right


def test_the_numbers_are_uniform() -> None:
    numbers = drawn(session("numbers"), [5], 0, 16, 2**14).ravel()
    counts = np.bincount(numbers >> 15, minlength=256)
    expected = numbers.size / 256
    statistic = np.sum((counts - expected) ** 2 / expected)
    assert abs(statistic - 255) < 5 * np.sqrt(2 * 255), statistic
