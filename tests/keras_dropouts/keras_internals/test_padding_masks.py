"""Tests that layers see and hand on padding masks, eagerly and compiled, on each backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_dropouts as kd
from keras_dropouts.keras_internals.padding_masks import (
    padding_mask,
    set_padding_mask,
    without_padding_masks,
)

TOKENS = np.random.default_rng(0).integers(1, 9, (4, 6)).astype("int32")
TOKENS[:, 4:] = 0  # padding
WAYS = ["eager", *(["compiled"] if keras.backend.backend() != "torch" else [])]


def _trained(model: keras.Model, way: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return the model as a function in training, compiled by the backend or not."""
    if way == "eager":
        return lambda x: ops.convert_to_numpy(model(x, training=True))
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        traced = tf.function(lambda x: model(x, training=True), jit_compile=True)
        return lambda x: traced(tf.constant(x)).numpy()
    import jax

    variables = model.trainable_variables, model.non_trainable_variables
    state = [[variable.value for variable in each] for each in variables]
    jitted = jax.jit(lambda *state, x: model.stateless_call(*state, x, training=True)[0])
    return lambda x: np.asarray(jitted(*state, x=x))


def _embedded() -> tuple[Any, Any]:
    tokens = keras.Input((6,), dtype="int32")
    return tokens, layers.Embedding(9, 8, mask_zero=True)(tokens)


def test_a_mask_is_set_read_and_taken_away() -> None:
    x, mask = ops.ones((2, 3)), ops.ones((2, 3), "bool")
    assert padding_mask(x) is None
    set_padding_mask(x, mask)
    assert padding_mask(x) is mask
    with without_padding_masks([x, x, ops.zeros(2)]):
        assert padding_mask(x) is None
    assert padding_mask(x) is mask
    with pytest.raises(KeyError), without_padding_masks([x]):
        raise KeyError
    assert padding_mask(x) is mask
    set_padding_mask(x, None)
    assert padding_mask(x) is None


if keras.backend.backend() == "jax":

    def test_a_tensor_that_jax_traces_has_a_mask() -> None:
        import jax

        def function(x: Any) -> Any:
            set_padding_mask(x, x > 0)
            return padding_mask(x)

        x = np.array([1.0, -1.0], "float32")
        np.testing.assert_array_equal(jax.jit(function)(x), [True, False])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("causal", [False, True])
def test_at_rate_0_drop_key_is_its_own_attention(way: str, causal: bool) -> None:
    tokens, x = _embedded()
    attention = layers.MultiHeadAttention(2, 4)
    own = keras.Model(tokens, attention(x, x, use_causal_mask=causal))
    wrapped = keras.Model(tokens, kd.DropKey(attention, 0.0)(x, x, use_causal_mask=causal))
    found, expected = _trained(wrapped, way)(TOKENS), _trained(own, way)(TOKENS)
    np.testing.assert_allclose(found, expected, atol=1e-6, rtol=1e-5)
    # The padding is seen: without it the outputs are others.
    bare = x + 0.0  # an operation that is no layer hands no padding mask on
    unmasked = keras.Model(tokens, attention(bare, bare, use_causal_mask=causal))
    assert np.abs(_trained(unmasked, way)(TOKENS) - expected).max() > 1e-3


def test_the_caller_s_padding_mask_stays() -> None:
    x = layers.Embedding(9, 8, mask_zero=True)(TOKENS)
    before = padding_mask(x)
    assert before is not None
    output = kd.DropKey(layers.MultiHeadAttention(2, 4), 0.5)(x, x, training=True)
    assert padding_mask(x) is before
    np.testing.assert_array_equal(ops.convert_to_numpy(padding_mask(output)), TOKENS > 0)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "make",
    [
        lambda: kd.ScheduledDropout(0.0),
        lambda: kd.SpatialDropout(0.0),
        lambda: kd.DropPath(0.0),
        lambda: kd.GaussianDropout(0.0),
        lambda: kd.ConcreteDropout(layers.Dense(8), 0.5, temperature=1e-3, data_size=9),
        lambda: kd.DropConnect(layers.Dense(8), 0.0),
        lambda: kd.VariationalRNN(layers.LSTM(8, return_sequences=True), 0.0),
        lambda: kd.Zoneout(layers.LSTM(8, return_sequences=True), 0.0),
    ],
    ids=["Scheduled", "Spatial", "DropPath", "Gaussian", "Concrete", "Connect", "RNN", "Zoneout"],
)
def test_layers_hand_a_padding_mask_on(make: Callable[[], Any], way: str) -> None:
    tokens, x = _embedded()
    model = keras.Model(tokens, _MaskAsNumbers()(make()(x)))
    np.testing.assert_array_equal(_trained(model, way)(TOKENS)[..., 0], TOKENS > 0)


class _MaskAsNumbers(layers.Layer):
    """Returns 1 where its input's padding mask is True and 0 elsewhere."""

    def call(self, inputs: Any) -> Any:
        mask = padding_mask(inputs)
        assert mask is not None
        return ops.expand_dims(ops.cast(mask, inputs.dtype), -1)

    def compute_output_spec(self, inputs: Any) -> Any:
        return keras.KerasTensor((*inputs.shape[:-1], 1), dtype=inputs.dtype)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        return None


@pytest.mark.parametrize("jit", [False, *(["auto"] if keras.backend.backend() == "jax" else [])])
def test_attention_after_patch_dropout_trains_on_padded_tokens(jit: Any) -> None:
    tokens, x = _embedded()
    x = kd.PatchDropout(0.5, seed=1)(x)
    x = layers.MultiHeadAttention(2, 4)(x, x)
    model = keras.Model(tokens, layers.Dense(1)(layers.GlobalAveragePooling1D()(x)))
    model.compile("sgd", "mse", jit_compile=jit)
    history = model.fit(TOKENS, np.zeros((4, 1), "float32"), epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert model.predict(TOKENS, verbose=0).shape == (4, 1)


@pytest.mark.parametrize("way", WAYS)
def test_patch_dropout_hands_on_the_padding_of_the_tokens_it_keeps(way: str) -> None:
    tokens = keras.Input((6,), dtype="int32")
    x = layers.Embedding(9, 1, mask_zero=True, embeddings_initializer="ones")(tokens)
    x = kd.PatchDropout(0.5, seed=1)(_Positions()(x))
    model = keras.Model(tokens, [x, _MaskAsNumbers()(x)])
    if way == "eager":
        kept, mask = (ops.convert_to_numpy(each) for each in model(TOKENS, training=True))
        assert kept.shape == (4, 3, 1)
        np.testing.assert_array_equal(mask, kept < 4)  # the last two tokens are padding
    else:
        flat = keras.Model(tokens, layers.Concatenate()([x, _MaskAsNumbers()(x)]))
        kept, mask = np.split(_trained(flat, way)(TOKENS), 2, axis=-1)
        np.testing.assert_array_equal(mask, kept < 4)


class _Positions(layers.Layer):
    """Returns the number of each time step, and hands the padding mask of its input on."""

    def __init__(self) -> None:
        super().__init__()
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return inputs * 0.0 + ops.reshape(ops.arange(6, dtype=inputs.dtype), (1, 6, 1))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape
