"""Models from one sequence to another: translation, sums in letters, and captions of pictures."""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import layers, ops

import keras_dropouts as kd
from keras_io.example import example
from keras_io.sentences import WIDTH, WORDS, TokensAndPlaces, block


class Decoder(layers.Layer):
    """One block of a transformer's decoder, with a causal mask that it makes itself."""

    def __init__(self, rate=0.2, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.own = layers.MultiHeadAttention(2, 4, dropout=rate)
        self.other = layers.MultiHeadAttention(2, 4, dropout=rate)
        self.norms = [layers.LayerNormalization() for _ in range(3)]
        self.dense = keras.Sequential([layers.Dense(12, "relu"), layers.Dense(WIDTH)])
        self.drop = layers.Dropout(rate)

    def call(self, inputs, encoded, mask=None, training=None):
        length = ops.shape(inputs)[1]
        steps = ops.arange(length)
        causal = ops.cast(steps[:, None] >= steps[None, :], "int32")
        causal = ops.tile(causal[None], [ops.shape(inputs)[0], 1, 1])
        padding = None
        if isinstance(mask, (list, tuple)) and mask[0] is not None:
            padding = ops.cast(mask[0][:, None, :], "int32")
            causal = ops.minimum(causal, padding)
        x = self.norms[0](inputs + self.own(inputs, inputs, attention_mask=causal))
        x = self.norms[1](x + self.drop(self.other(x, encoded), training=training))
        return self.norms[2](x + self.dense(x))


@example(integers=16)
def translation_transformer():
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    encoded = block(TokensAndPlaces(20)(source))
    y = Decoder()(TokensAndPlaces(20)(target), encoded)
    y = layers.Dense(WORDS, activation="softmax", name="words")(layers.Dropout(0.5)(y))
    return keras.Model([source, target], y)


@example()
def letters_lstm_translation():
    source, target = (keras.Input((None, n), name=w) for n, w in ((7, "from"), (9, "to")))
    _, *state = layers.LSTM(6, return_state=True, recurrent_dropout=0.1)(source)
    y, _, _ = layers.LSTM(6, return_sequences=True, return_state=True)(target, initial_state=state)
    return keras.Model([source, target], layers.Dense(9, activation="softmax")(y))


@example()
def sums_in_letters():
    return keras.Sequential(
        [
            keras.Input((7, 12), name="question"),
            layers.LSTM(8),
            layers.RepeatVector(4),
            kd.Zoneout(layers.LSTM(8, return_sequences=True), 0.1),
            layers.Dense(12, activation="softmax"),
        ]
    )


@example(integers=WORDS)
def dates_with_attention():
    x = keras.Input((10,), dtype="int32", name="letters")
    y = layers.Embedding(WORDS, WIDTH)(x)
    y = layers.Bidirectional(layers.GRU(4, return_sequences=True, dropout=0.1))(y)
    state, outputs = layers.Lambda(lambda z: z[:, -1])(y), []
    cell, head = layers.GRUCell(WIDTH, dropout=0.1), layers.Dense(WORDS, "softmax")
    score = layers.Dense(1)
    for _ in range(4):
        query = layers.RepeatVector(10)(state)
        weight = layers.Softmax(axis=1)(score(ops.tanh(y + query)))
        state, _ = cell(ops.sum(weight * y, axis=1), [state])
        outputs.append(head(state))
    return keras.Model(x, ops.stack(outputs, axis=1))


class Searching(keras.Model):
    """A subclassed translator: its encoder, attention of two sequences, and a decoder with it."""

    def __init__(self):
        super().__init__()
        self.source = layers.Embedding(WORDS, WIDTH, mask_zero=True)
        self.target = layers.Embedding(WORDS, WIDTH)
        self.encode = layers.Bidirectional(layers.GRU(WIDTH, return_sequences=True), "sum")
        self.decode = layers.GRU(WIDTH, return_sequences=True, return_state=True, dropout=0.1)
        self.attend = layers.MultiHeadAttention(1, WIDTH, dropout=0.1)
        self.norm = layers.LayerNormalization()
        self.out = layers.Dense(WORDS)

    def call(self, inputs, training=False):
        context = self.encode(self.source(inputs["source"]), training=training)
        x, state = self.decode(self.target(inputs["target"]), training=training)
        x = self.norm(x + self.attend(x, context, training=training))
        return {"logits": self.out(x), "state": state}


_TOKENS = {name: tf.TensorSpec([None, None], "int32") for name in ("source", "target")}


@example(integers=WORDS, signature=_TOKENS)
def subclassed_translator():
    model = Searching()
    model({"source": ops.ones((2, 3), "int32"), "target": ops.ones((2, 5), "int32")})
    return model


@example(integers=14)
def captions():
    image = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(6, 3, strides=4, activation="relu")(image)
    x = layers.Dense(WIDTH, activation="relu")(layers.Reshape((-1, 6))(x))
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(1, 4)(x, x))
    words = keras.Input((None,), dtype="int32", name="words")
    y = Decoder(0.3)(TokensAndPlaces(16)(words), x)
    return keras.Model([image, words], layers.Dense(WORDS, activation="softmax")(y))


@example(integers=WORDS)
def picture_and_question():
    image = keras.Input((12, 12, 3), name="image")
    words = keras.Input((6,), dtype="int32", name="question")
    seen = layers.Flatten()(layers.Conv2D(4, 3, strides=3)(image))
    asked = layers.LSTM(6, dropout=0.2)(layers.Embedding(WORDS, WIDTH)(words))
    y = layers.concatenate([seen, asked])
    return keras.Model([image, words], layers.Dense(9, "softmax")(kd.ScheduledDropout(0.3)(y)))


class Rotary(layers.Layer):
    """Attention whose queries and keys are turned by their places, and which looks back only."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.all = layers.Dense(3 * WIDTH, use_bias=False)
        self.drop = layers.Dropout(0.1)

    def call(self, x):
        length = ops.shape(x)[1]
        angle = ops.cast(ops.arange(length), "float32")[:, None] * 10.0 ** -ops.arange(0.0, 4.0)
        q, k, v = ops.split(self.all(x), 3, axis=-1)
        scores = ops.einsum("btd,bsd->bts", self.turn(q, angle), self.turn(k, angle))
        seen = ops.arange(length)[:, None] >= ops.arange(length)
        weights = ops.softmax(ops.where(seen, scores / WIDTH**0.5, -1e9))
        return ops.matmul(self.drop(weights), v)

    def turn(self, x, angle):
        one, two = ops.split(x, 2, axis=-1)
        sin, cos = ops.sin(angle), ops.cos(angle)
        return ops.concatenate([one * cos - two * sin, two * cos + one * sin], axis=-1)


@example(integers=WORDS)
def rotary_language_model():
    x = keras.Input((None,), dtype="int32", name="tokens")
    embed = layers.ReversibleEmbedding(WORDS, WIDTH)
    y = embed(x)
    for _ in range(2):
        y = y + kd.DropPath(0.1)(Rotary()(layers.RMSNormalization()(y)))
        gate, up = ops.split(layers.Dense(24)(layers.RMSNormalization()(y)), 2, axis=-1)
        y = y + layers.Dropout(0.1)(layers.Dense(WIDTH)(ops.silu(gate) * up))
    return keras.Model(x, embed(y, reverse=True))
