"""Masks of more elements than int32 counts: their sizes, and the blocks of their random numbers."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropouts as kd
from keras_dropouts import backends
from keras_dropouts.layers import drop_block
from keras_dropouts.noise import masks, sampler
from philox_reference import philox

BACKEND = keras.backend.backend()
KEY, TAG, STEP = (123, 0xFFFFFFD3), 3 << 16, 7


def words_from(block, count):
    """Return the words of `count` blocks from one on, whatever its number."""
    blocks = range(block, block + count)
    words = [philox(KEY, (i & 0xFFFFFFFF, i >> 32, TAG, STEP)) for i in blocks]
    return np.array(words, "uint32").reshape(-1)


if BACKEND == "tensorflow":
    import tensorflow as tf

    from keras_dropouts.backends import tensorflow

    @pytest.fixture
    def asked(monkeypatch):
        """Return the numbers of words that are asked of the generator, which draws one."""
        lengths = []

        def philox(key, counter, shape):
            assert shape.dtype == tf.int64
            lengths.append(int(shape[0]))
            return tf.zeros([1], tf.uint64)

        monkeypatch.setattr(tensorflow, "_philox", philox)
        return lengths

    @pytest.mark.parametrize("width", [16, 32])
    @pytest.mark.parametrize("rows", [2**11, 2**12, 2**20, 2**30])
    def test_the_words_of_a_dynamic_batch_are_counted_beyond_int32(rows, width, asked):
        shape = (tf.constant(rows), 2**16)
        with pytest.raises(tf.errors.InvalidArgumentError):  # one word is too few for the shape
            backends.bits(tf.constant([1, 2]), tf.constant(0), 0, shape, width)
        assert asked == [rows * 2**16 * width // 64]

    @pytest.mark.parametrize("rows", [2**12, 2**20])
    def test_the_words_of_a_sample_are_counted_beyond_int32(rows, asked, monkeypatch):
        stream = sampler.Sampler(tf.constant([[1, 2]]), tf.constant(0), 2).next_stream()
        with pytest.raises(tf.errors.InvalidArgumentError):
            stream.bits((tf.constant(rows) * 2, 2**10, 2**6))
        assert asked == [2 * rows * 2**16 // 4]

    @pytest.mark.parametrize("compiled", [False, True])
    def test_the_index_of_a_block_carries_into_its_high_word(compiled):
        halves = np.array([2**32 - 2, TAG | STEP << 32], "uint64")
        key = np.array([KEY[0] | KEY[1] << 32], "uint64")

        @tf.function(jit_compile=compiled)
        def words():
            drawn = tensorflow._philox(key=key, counter=halves, shape=tf.constant([10], tf.int64))
            return tf.bitcast(drawn, tf.uint32)

        np.testing.assert_array_equal(words().numpy().reshape(-1), words_from(2**32 - 2, 5))

    @pytest.mark.slow
    def test_a_dynamic_batch_of_2_to_the_27_is_dropped():
        layer = kd.ScheduledDropout(0.5, seed=3)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.int32)], autograph=False)
        def kept(rows):
            shape = (tf.size(rows), 2**17)
            keep = masks.draw_keep(layer._next_stream(), shape, layer.current_rate())
            return tf.math.count_nonzero(keep)  # in int64

        count = 2**27
        assert abs(int(kept(np.zeros(2**10, "int32"))) / count - 0.5) < 5.0 * 0.5 / count**0.5


if BACKEND == "jax":
    import jax
    import jax.numpy as jnp

    from keras_dropouts.backends import jax as jax_backend

    @pytest.mark.parametrize("blocks", [0, 1, 4, 5, 11])
    def test_the_index_of_a_block_has_two_words(blocks):
        low, high = jax_backend._block_indices(blocks, lows=4)
        np.testing.assert_array_equal(low + high * 4, np.arange(blocks))
        assert (np.asarray(low) < 4).all()

    def test_the_words_are_those_of_both_words_of_the_index(monkeypatch):
        def last(blocks):
            low = 2**32 - 1 + np.arange(blocks, dtype="uint64")
            words = (low & 0xFFFFFFFF).astype("uint32"), (low >> 32).astype("uint32")
            return tuple(map(jnp.asarray, words))

        monkeypatch.setattr(jax_backend, "_block_indices", last)
        key = np.array(KEY, "uint32").view("int32")
        counter = np.array([0, 0, TAG, STEP], "int32")
        words = jax_backend._words.__wrapped__(jnp.asarray(key), jnp.asarray(counter), 12)
        np.testing.assert_array_equal(words, words_from(2**32 - 1, 3))

    @pytest.mark.parametrize("width", [16, 32])
    def test_a_mask_of_2_to_the_36_compiles(width):
        shape = (2**20, 2**16)

        def draw(key, step):
            return backends.bits(key, step, TAG, shape, width)

        arguments = jax.ShapeDtypeStruct((2,), "int32"), jax.ShapeDtypeStruct((), "int32")
        assert jax.eval_shape(draw, *arguments).shape == shape
        assert f"tensor<{2**36}xui{width}>" in jax.jit(draw).lower(*arguments).as_text()


@pytest.mark.parametrize("dropped", [0, 1, 5, 24])
def test_the_scale_of_the_paper_s_drop_block_counts_exactly(dropped):
    keep = np.arange(24).reshape(2, 3, 4) >= dropped
    share = ops.convert_to_numpy(drop_block._units_over_kept(ops.convert_to_tensor(keep)))
    assert share == np.float32(24) / np.float32(max(24 - dropped, 1))
    assert share.dtype == np.float32


if BACKEND != "tensorflow":  # where a test above has a dynamic batch

    @pytest.mark.slow
    def test_a_mask_of_2_to_the_27_is_drawn():
        layer, count = kd.ScheduledDropout(0.5, seed=3), 2**27
        keep = masks.draw_keep(layer._next_stream(), (2**10, 2**17), layer.current_rate())
        kept = np.count_nonzero(ops.convert_to_numpy(keep))
        assert abs(kept / count - 0.5) < 5.0 * 0.5 / count**0.5
