"""Masks of more elements than int32 counts: their sizes, and the blocks of their random numbers."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropouts as kd
from keras_dropouts import backends
from keras_dropouts.layers import drop_block
from keras_dropouts.noise import sampler
from philox_reference import words

BACKEND = keras.backend.backend()
KEY, TAG, STEP = (123, 0xFFFFFFD3), 3 << 16, 7


def words_from(block, count):
    """Return the words of `count` blocks from one on, whatever its number."""
    return words(KEY, (TAG, STEP), 4 * count, block)


if BACKEND == "tensorflow":
    import tensorflow as tf

    from keras_dropouts.backends import draws_tensorflow

    @pytest.fixture
    def asked(monkeypatch):
        """Return the numbers of words that are asked of the generator, which draws one."""
        lengths = []

        def philox(key, counter, shape):
            assert shape.dtype == tf.int64
            lengths.append(int(shape[0]))
            return tf.zeros([1], tf.uint64)

        monkeypatch.setattr(draws_tensorflow, "_philox", philox)
        return lengths

    @pytest.mark.parametrize("rows", [2**11, 2**12, 2**20, 2**30])
    def test_the_words_of_a_dynamic_batch_are_counted_beyond_int32(rows, asked):
        shape = (tf.constant(rows), 2**16)
        with pytest.raises(tf.errors.InvalidArgumentError):  # one word is too few for the shape
            backends.words(tf.constant([1, 2]), tf.constant(0), 0, shape)
        assert asked == [rows * 2**16 // 2]

    @pytest.mark.parametrize("rows", [2**11, 2**12, 2**20, 2**30])
    def test_the_decisions_of_a_dynamic_batch_are_counted_beyond_int32(rows, asked):
        key, zero, shape = tf.constant([1, 2]), tf.constant(0), (tf.constant(rows), 2**16)
        with pytest.raises(tf.errors.InvalidArgumentError):
            backends.decisions(key, zero, 0, shape, zero)
        assert asked == [rows * 2**16 // 64 * 8 + rows * 2**16 // 64 // 2]

    @pytest.mark.parametrize("rows", [2**12, 2**20])
    def test_the_words_of_a_sample_are_counted_beyond_int32(rows, asked, monkeypatch):
        stream = sampler.Sampler(tf.constant([[1, 2]]), tf.constant(0), 2).next_stream()
        with pytest.raises(tf.errors.InvalidArgumentError):
            stream.keep((tf.constant(rows) * 2, 2**10, 2**6), tf.constant(0.5))
        runs = rows * 2**16 // 32
        assert asked == [2 * (2 * ((8 * runs + runs // 2) // 4))]

    @pytest.mark.parametrize("compiled", [False, True])
    def test_the_index_of_a_block_carries_into_its_high_word(compiled):
        halves = np.array([2**32 - 2, TAG | STEP << 32], "uint64")
        key = np.array([KEY[0] | KEY[1] << 32], "uint64")

        @tf.function(jit_compile=compiled)
        def words():
            drawn = draws_tensorflow._philox(
                key=key, counter=halves, shape=tf.constant([10], tf.int64)
            )
            return tf.bitcast(drawn, tf.uint32)

        np.testing.assert_array_equal(words().numpy().reshape(-1), words_from(2**32 - 2, 5))

    @pytest.mark.slow
    def test_a_dynamic_batch_of_2_to_the_27_is_dropped():
        layer = kd.ScheduledDropout(0.5, seed=3)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.int32)], autograph=False)
        def kept(rows):
            shape = (tf.size(rows), 2**17)
            keep = layer._next_stream().keep(shape, layer.current_rate())
            return tf.math.count_nonzero(keep)  # in int64

        count = 2**27
        assert abs(int(kept(np.zeros(2**10, "int32"))) / count - 0.5) < 5.0 * 0.5 / count**0.5


if BACKEND == "jax":
    import jax
    import jax.numpy as jnp

    from keras_dropouts.backends import draws_jax

    @pytest.mark.parametrize("blocks", [0, 1, 4, 5, 11])
    def test_the_index_of_a_block_has_two_words(blocks):
        low, high = draws_jax._block_indices(blocks, lows=4)
        np.testing.assert_array_equal(low + high * 4, np.arange(blocks))
        assert (np.asarray(low) < 4).all()

    def test_the_words_are_those_of_both_words_of_the_index(monkeypatch):
        def last(blocks):
            low = 2**32 - 1 + np.arange(blocks, dtype="uint64")
            words = (low & 0xFFFFFFFF).astype("uint32"), (low >> 32).astype("uint32")
            return tuple(map(jnp.asarray, words))

        monkeypatch.setattr(draws_jax, "_block_indices", last)
        key = np.array(KEY, "uint32").view("int32")
        upper = np.array([TAG, STEP], "int32")
        drawn = draws_jax._words.__wrapped__(jnp.asarray(key), jnp.asarray(upper), 12)
        np.testing.assert_array_equal(drawn, words_from(2**32 - 1, 3))

    @pytest.mark.parametrize("draw", ["words", "decisions"])
    def test_a_mask_of_2_to_the_36_compiles(draw):
        shape = (2**20, 2**16)

        def drawn(key, step):
            limit = [step] if draw == "decisions" else []
            return getattr(backends, draw)(key, step, TAG, shape, *limit)

        arguments = jax.ShapeDtypeStruct((2,), "int32"), jax.ShapeDtypeStruct((), "int32")
        assert jax.eval_shape(drawn, *arguments).shape == shape
        kind = {"words": "ui32", "decisions": "i1"}[draw]
        assert f"tensor<{2**36}x{kind}>" in jax.jit(drawn).lower(*arguments).as_text()


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
        keep = layer._next_stream().keep((2**10, 2**17), layer.current_rate())
        kept = np.count_nonzero(ops.convert_to_numpy(keep))
        assert abs(kept / count - 0.5) < 5.0 * 0.5 / count**0.5
