"""Tests that StochasticDepth drops the branch of whole samples and keeps the skip connection."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropouts as kd


def test_each_sample_is_the_skip_or_the_scaled_sum() -> None:
    generator = np.random.default_rng(0)
    skip, branch = generator.normal(size=(2, 64, 3, 5)).astype("float32")
    layer = kd.StochasticDepth(0.25, seed=3)
    output = ops.convert_to_numpy(layer([skip, branch], training=True))
    dropped = np.all(output == skip, axis=(1, 2))
    assert 0 < dropped.sum() < 64
    np.testing.assert_allclose(
        output[~dropped], (skip + branch / 0.75)[~dropped], rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(ops.convert_to_numpy(layer([skip, branch])), skip + branch)


def test_stripped_is_add() -> None:
    stripped = kd.StochasticDepth(0.25, name="sum").stripped()
    assert type(stripped) is keras.layers.Add
    assert stripped.name == "sum"


@pytest.mark.parametrize("shape", [(2, 3), [(2, 3)], [(2, 3), (2, 4)], [(2, 3)] * 3])
def test_other_inputs_are_refused(shape: Any) -> None:
    with pytest.raises(ValueError, match=r"Expected \[skip, branch\], two tensors of one shape"):
        kd.StochasticDepth(0.5).build(shape)
