"""Tests of inputs times a mask: exact values, gradients that are exactly zero, what is kept."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropouts as kd
from keras_dropouts import backends

TENSORFLOW = keras.backend.backend() == "tensorflow"
LAYERS = [
    kd.ScheduledDropout(0.5),
    kd.SpatialDropout(0.5),
    kd.DropPath(0.5),
    kd.DropBlock2D(0.5, 3),
]
SMALL = 32 * 64 * 4 + 100  # bytes of the mask of SpatialDropout, in float32
SCALE = np.float32(1.0) / np.float32(0.7)


def masked(x, keep, gradient=True):
    tensors = ops.convert_to_tensor(x), ops.convert_to_tensor(keep), ops.convert_to_tensor(SCALE)
    again = (lambda zero: tensors[1]) if gradient else None
    return ops.convert_to_numpy(backends.masked(*tensors, again))


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
    result = backends.masked(low, ops.convert_to_tensor(keep), ops.convert_to_tensor(SCALE), None)
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
            return backends.masked(x, keep, scale, lambda zero: keep)

        y, backward = jax.vjp(product, x)
        kept = sum(leaf.nbytes for leaf in jax.tree_util.tree_leaves(backward))
        assert kept == keep.size + 4  # and the scale
        np.testing.assert_array_equal(backward(x)[0], y)
        np.testing.assert_array_equal(jax.jvp(product, (x,), (x,))[1], y)
        np.testing.assert_array_equal(jax.jit(jax.grad(lambda x: product(x).sum()))(x) != 0, keep)

    @pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
    def test_nothing_is_kept_where_it_is_compiled(layer):
        x = jax.numpy.ones((32, 16, 16, 64))
        layer.build(x.shape)
        state = [each.value for each in layer.non_trainable_variables]

        @jax.jit
        def both(x, upstream, state):
            y, backward, _ = jax.vjp(
                lambda x: layer.stateless_call([], state, x, training=True), x, has_aux=True
            )
            return y, backward(upstream)[0], backward

        y, dx, backward = both(x, x * 3.0, state)
        # The scale, the key, the step and the like; the mask of a layer that shares decisions.
        assert sum(leaf.nbytes for leaf in jax.tree_util.tree_leaves(backward)) <= SMALL
        np.testing.assert_array_equal(dx, y * 3.0)
        assert 0.2 < np.mean(np.asarray(y) == 0.0) < 0.8


if TENSORFLOW:
    import tensorflow as tf

    GENERATOR = "StatelessRandomUniformFullIntV2"

    def graph_of(layer, shape, training):
        """Return the operations of a traced call."""
        call = tf.function(lambda x: layer(x, training=training), autograph=False)
        return call.get_concrete_function(tf.TensorSpec(shape, tf.float32)).graph.get_operations()

    @pytest.mark.parametrize("shape", [(1,), (63,), (64,), (5, 13), (2, 3, 4, 64)])
    @pytest.mark.parametrize("batch", ["known", "unknown"])
    def test_the_gradient_is_the_mask_times_the_scale(shape, batch):
        x, keep = data(shape)
        unknown = (None, *shape[1:])

        @tf.function(autograph=False)
        def gradient(x, keep, upstream):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = backends.masked(x, keep, tf.constant(SCALE), lambda zero: keep)
            return y, tape.gradient(y, x, output_gradients=upstream)

        if batch == "unknown":
            specs = [tf.TensorSpec(unknown, kind) for kind in (tf.float32, tf.bool, tf.float32)]
            gradient = gradient.get_concrete_function(*specs)
        upstream = np.random.default_rng(2).normal(size=shape).astype("float32")
        arguments = tf.constant(x), tf.constant(keep), tf.constant(upstream)
        y, dx = gradient(*arguments)
        np.testing.assert_array_equal(y, np.where(keep, x * SCALE, 0.0))
        np.testing.assert_array_equal(dx, np.where(keep, upstream * SCALE, 0.0))

    @pytest.mark.parametrize("compiled", [False, True])
    @pytest.mark.parametrize("batch", ["known", "unknown"])
    @pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
    def test_the_backward_pass_has_the_mask_of_the_forward_pass(layer, batch, compiled):
        size = None if batch == "unknown" else 32

        @tf.function(
            jit_compile=compiled,
            autograph=False,
            input_signature=[tf.TensorSpec((size, 16, 16, 64), tf.float32)],
        )
        def both(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = layer(x, training=True)
            return y, tape.gradient(y, x, output_gradients=x * 3.0)

        ones = tf.ones((32, 16, 16, 64))
        for _ in range(2):
            y, dx = both(ones)
            np.testing.assert_array_equal(dx, y * 3.0)
            assert 0.2 < np.mean(y == 0.0) < 0.8
        if batch == "unknown":
            assert both(ones[:0])[1].shape == (0, 16, 16, 64)

    @pytest.mark.parametrize("compiled", [False, True])
    def test_xla_draws_again_for_the_backward_pass(compiled):
        @tf.function(jit_compile=compiled, autograph=False)
        def both(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = LAYERS[0](x, training=True)
            return y, tape.gradient(y, x)

        graph = both.get_concrete_function(tf.ones((4, 8, 8, 16))).graph
        draws = [each for each in graph.get_operations() if each.type == GENERATOR]
        assert len(draws) == (2 if compiled else 1)

    @pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
    def test_no_operation_is_left_at_inference(layer):
        kinds = {each.type for each in graph_of(layer, (4, 8, 8, 16), training=False)}
        assert kinds <= {"Placeholder", "Identity", "NoOp"}

    @pytest.mark.parametrize(
        ("layer", "words"),
        [  # (4, 8, 8, 16) is 4096 decisions: 8 bits each, and 16 for each 32; words of 64 bits
            (kd.ScheduledDropout(0.5), 4096 // 8 + 4096 // 128),
            (kd.SpatialDropout(0.5), 64 // 8 + 1),
            (kd.DropPath(0.5), 4),  # a whole run, of which four are used
            (kd.DropBlock2D(0.5, 3), 4 * 6 * 6 * 16 // 8 + 4 * 6 * 6 * 16 // 128),
            (kd.DropBlock2D(0.5, 3, shared=True), 4 * 5),  # five runs
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_no_more_random_words_are_drawn_than_needed(layer, words):
        drawn = [
            each.outputs[0].shape.num_elements()
            for each in graph_of(layer, (4, 8, 8, 16), training=True)
            if each.type == GENERATOR
        ]
        assert drawn == [words]
