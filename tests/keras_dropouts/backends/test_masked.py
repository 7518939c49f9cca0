"""Tests of inputs times a mask: exact values, gradients that are exactly zero, what is kept."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropouts as kd
from keras_dropouts import backends

TENSORFLOW = keras.backend.backend() == "tensorflow"
SCALE = np.float32(1.0) / np.float32(0.7)


def masked(x, keep, gradient=True):
    tensors = ops.convert_to_tensor(x), ops.convert_to_tensor(keep), ops.convert_to_tensor(SCALE)
    return ops.convert_to_numpy(backends.masked(*tensors, gradient))


def data(shape, mask_shape=None):
    rng = np.random.default_rng(1)
    return rng.normal(size=shape).astype("float32"), rng.random(mask_shape or shape) >= 0.3


@pytest.mark.parametrize("gradient", [True, False])
@pytest.mark.parametrize(
    ("shape", "mask_shape"),
    [((5, 7), None), ((8, 64), None), ((4, 3, 3, 6), (4, 1, 1, 6)), ((9, 5), (9, 1))],
)
def test_kept_values_are_scaled_and_the_others_zero(shape, mask_shape, gradient):
    x, keep = data(shape, mask_shape)
    np.testing.assert_array_equal(masked(x, keep, gradient), np.where(keep, x * SCALE, 0.0))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_scale_is_not_rounded_to_the_inputs_dtype(dtype):
    x, keep = data((16, 8))
    low = ops.cast(x, dtype)
    result = backends.masked(low, ops.convert_to_tensor(keep), ops.convert_to_tensor(SCALE), True)
    assert keras.backend.standardize_dtype(result.dtype) == dtype
    wide = ops.convert_to_numpy(ops.cast(low, "float32"))
    expected = ops.cast(np.where(keep, wide * SCALE, 0.0).astype("float32"), dtype)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(ops.cast(result, "float32")),
        ops.convert_to_numpy(ops.cast(expected, "float32")),
    )


if keras.backend.backend() == "jax":
    import jax

    @pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
    def test_a_byte_for_each_element_is_kept(dtype):
        x, keep = data((16, 64))
        x, keep, scale = (
            jax.numpy.asarray(x, dtype),
            jax.numpy.asarray(keep),
            jax.numpy.asarray(SCALE),
        )

        def product(x):
            return backends.masked(x, keep, scale, True)

        y, backward = jax.vjp(product, x)
        kept = sum(leaf.nbytes for leaf in jax.tree_util.tree_leaves(backward))
        assert kept == keep.size + 4  # and the scale
        np.testing.assert_array_equal(backward(x)[0], y)
        np.testing.assert_array_equal(jax.jvp(product, (x,), (x,))[1], y)
        np.testing.assert_array_equal(jax.jit(jax.grad(lambda x: product(x).sum()))(x) != 0, keep)


if TENSORFLOW:
    import tensorflow as tf

    from keras_dropouts.backends import tensorflow

    def graph_of(layer, shape, training):
        """Return the operations of a traced call."""
        call = tf.function(lambda x: layer(x, training=training), autograph=False)
        return call.get_concrete_function(tf.TensorSpec(shape, tf.float32)).graph.get_operations()

    @pytest.mark.parametrize("packed_from", [1, 2**20])
    @pytest.mark.parametrize("shape", [(1,), (63,), (64,), (5, 13), (2, 3, 4, 64)])
    @pytest.mark.parametrize("batch", ["known", "unknown"])
    def test_the_gradient_is_the_mask_times_the_scale(shape, packed_from, batch, monkeypatch):
        monkeypatch.setattr(tensorflow, "_PACKED_FROM", packed_from)
        x, keep = data(shape)
        unknown = (None, *shape[1:])

        @tf.function(autograph=False)
        def gradient(x, keep, upstream):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = backends.masked(x, keep, tf.constant(SCALE), True)
            return y, tape.gradient(y, x, output_gradients=upstream)

        if batch == "unknown":
            specs = [tf.TensorSpec(unknown, kind) for kind in (tf.float32, tf.bool, tf.float32)]
            gradient = gradient.get_concrete_function(*specs)
        upstream = np.random.default_rng(2).normal(size=shape).astype("float32")
        arguments = tf.constant(x), tf.constant(keep), tf.constant(upstream)
        y, dx = gradient(*arguments)
        np.testing.assert_array_equal(y, np.where(keep, x * SCALE, 0.0))
        np.testing.assert_array_equal(dx, np.where(keep, upstream * SCALE, 0.0))

    @pytest.mark.parametrize("count", [1, 64, 100, 4096])
    def test_packed_flags_are_an_eighth_of_their_bytes(count):
        flags = tf.cast(tf.constant(np.random.default_rng(0).random(count) < 0.5), tf.uint8)
        packed = tensorflow._pack(flags)
        assert packed.dtype.size * int(tf.size(packed)) == -(-count // 64) * 8
        again = tensorflow._unpack(packed, tf.constant(3.0))[:count]
        np.testing.assert_array_equal(again, 3.0 * flags.numpy())

    @pytest.mark.parametrize(
        "layer",
        [
            kd.ScheduledDropout(0.5),
            kd.SpatialDropout(0.5),
            kd.DropPath(0.5),
            kd.DropBlock2D(0.5, 3),
        ],
        ids=lambda layer: type(layer).__name__,
    )
    def test_no_operation_is_left_at_inference(layer):
        kinds = {each.type for each in graph_of(layer, (4, 8, 8, 16), training=False)}
        assert kinds <= {"Placeholder", "Identity", "NoOp"}

    @pytest.mark.parametrize(
        ("layer", "words"),
        [  # (4, 8, 8, 16) is 4096 decisions: four of 16 bits a word of 64
            (kd.ScheduledDropout(0.5), [1024]),
            (kd.SpatialDropout(0.5), [16]),
            (kd.DropPath(0.5), [1]),
            (kd.DropBlock2D(0.5, 3), [4 * 6 * 6 * 16 // 4, 4 * 6 // 2]),
            (kd.DropBlock2D(0.5, 3, shared=True), [4 * 6 * 6 // 4, 4 * 6 // 2]),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_no_more_random_words_are_drawn_than_needed(layer, words):
        drawn = [
            each.outputs[0].shape.num_elements()
            for each in graph_of(layer, (4, 8, 8, 16), training=True)
            if each.type == "StatelessRandomUniformFullIntV2"
        ]
        assert sorted(drawn, reverse=True) == words
