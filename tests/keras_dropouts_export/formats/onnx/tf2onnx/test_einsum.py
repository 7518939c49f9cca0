"""Tests that Einsum is right for every equation and dynamic size, and a MatMul where possible."""

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

from keras_dropouts_export.formats.onnx.tf2onnx import adapter
from keras_dropouts_export.formats.onnx.tf2onnx.einsum import plan

SIZES = {"a": 2, "b": 3, "c": 4, "d": 5, "e": 6, "f": 7}
EQUATIONS = [
    "abc,cde->abde",  # a projection of attention
    "aecd,abcd->acbe",  # its scores
    "acbe,aecd->abcd",  # its values
    "abcd,cde->abe",  # its output
    "ab,bc->ac",
    "ab,cb->ac",
    "abc,abd->acd",
    "a,b->ab",
    "ab,ab->a",
    "ab,ab->",
    "abcd,bd->abc",
    "be,bed->bd",
    "abc,dc->dab",
    "abc,adc->bd",
    "abcdef,cf->abde",
    "abc,def->abcdef",
    "befc,edc->befd",
    "abc,abc->abc",
]


def converted(equation, dynamic):
    terms = equation.split("->")[0].split(",")
    specs = [tf.TensorSpec([None if x in dynamic else SIZES[x] for x in term]) for term in terms]
    function = tf.function(lambda *inputs: tf.einsum(equation, *inputs), input_signature=specs)
    return adapter.convert(function.get_concrete_function(), 18)


@pytest.mark.parametrize("dynamic", ["", "a", "ab", "abcdef"])
@pytest.mark.parametrize("equation", EQUATIONS)
def test_it_gives_what_numpy_gives(equation, dynamic):
    session = onnxruntime.InferenceSession(converted(equation, dynamic).SerializeToString())
    random = np.random.default_rng(0)
    terms = equation.split("->")[0].split(",")
    inputs = [random.random([SIZES[x] for x in term], "float32") for term in terms]
    names = [each.name for each in session.get_inputs()]
    (got,) = session.run(None, dict(zip(names, inputs, strict=True)))
    np.testing.assert_allclose(got, np.einsum(equation, *inputs), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("equation", EQUATIONS[:7])
def test_attention_becomes_one_matmul(equation):
    types = [node.op_type for node in converted(equation, "a").graph.node]
    assert types.count("MatMul") == 1
    assert "Einsum" not in types


@pytest.mark.parametrize(
    "equation", ["ab", "a...,ab->b", "aab,bc->ac", "ab,bc,cd->ad", "abc,bd->ad"]
)
def test_an_equation_that_takes_more_is_left_to_onnxruntime(equation):
    assert plan(equation) is None


def test_three_operands_become_two_products():
    types = [node.op_type for node in converted("ab,bc,cd->ad", "").graph.node]
    assert types.count("MatMul") == 2
