"""Models of text: classifiers, taggers, language models, and answers to questions."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops

import keras_dropouts as kd
from keras_io.example import example, words

WORDS, WIDTH = 30, 8


def block(x, heads=2, rate=0.1, **arguments):
    """Return one block of a transformer's encoder."""
    y = layers.MultiHeadAttention(heads, WIDTH // heads, dropout=rate)(x, x, **arguments)
    x = layers.LayerNormalization(epsilon=1e-6)(x + layers.Dropout(rate)(y))
    y = layers.Dense(WIDTH)(layers.Dense(2 * WIDTH, activation="relu")(x))
    return layers.LayerNormalization(epsilon=1e-6)(x + layers.Dropout(rate)(y))


class TokensAndPlaces(layers.Layer):
    """The sum of an embedding of words and one of their places."""

    def __init__(self, length, **kwargs):
        super().__init__(**kwargs)
        self.length = length
        self.words = layers.Embedding(WORDS, WIDTH)
        self.places = layers.Embedding(length, WIDTH)

    def call(self, tokens):
        return self.words(tokens) + self.places(ops.arange(ops.shape(tokens)[-1]))

    def get_config(self):
        return {**super().get_config(), "length": self.length}


@example(
    draw={"text": words},
    refused={"onnx": "takes strings", "samples": "takes strings"},
)
def text_from_strings():
    texts = layers.TextVectorization(
        vocabulary=["red", "green", "blue"], output_sequence_length=6, name="to_numbers"
    )
    x = keras.Input((1,), dtype="string", name="text")
    y = layers.Dropout(0.5)(layers.Embedding(6, WIDTH)(texts(x)))
    y = layers.Conv1D(6, 3, strides=2, activation="relu")(y)
    y = layers.Dropout(0.5)(layers.GlobalMaxPooling1D()(y))
    return keras.Model(x, layers.Dense(1, activation="sigmoid", name="good")(y))


@example(integers=WORDS)
def sentiment_of_two_lstms():
    x = keras.Input((None,), dtype="int32", name="tokens")
    y = layers.Embedding(WORDS, WIDTH)(x)
    y = layers.Bidirectional(layers.LSTM(4, return_sequences=True, dropout=0.2))(y)
    y = layers.Bidirectional(layers.LSTM(4))(kd.SpatialDropout(0.2)(y))
    return keras.Model(x, layers.Dense(1, activation="sigmoid")(y))


@example(integers=WORDS)
def text_transformer():
    x = keras.Input((16,), dtype="int32", name="tokens")
    y = layers.GlobalAveragePooling1D()(block(TokensAndPlaces(16)(x)))
    y = layers.Dense(6, activation="relu")(layers.Dropout(0.1)(y))
    return keras.Model(x, layers.Dense(2, activation="softmax")(layers.Dropout(0.1)(y)))


class Switch(layers.Layer):
    """Sends every word to one of four experts, as long as that has places left."""

    def __init__(self, places=9, **kwargs):
        super().__init__(**kwargs)
        self.places = places
        self.route = layers.Dense(4)
        self.experts = [layers.Dense(WIDTH, activation="relu") for _ in range(4)]

    def call(self, inputs, training=False):
        rows = ops.reshape(inputs, (-1, WIDTH))
        logits = self.route(rows)
        if training:
            logits = logits + keras.random.uniform(ops.shape(logits), 0.9, 1.1)
        chances = ops.softmax(logits)
        gate, expert = ops.top_k(chances, 1)
        chosen = ops.one_hot(expert[:, 0], 4)
        place = ops.cast(ops.cumsum(chosen, axis=0) * chosen - 1, "int32")
        chosen = chosen * ops.cast(place < self.places, "float32")
        dispatch = chosen[:, :, None] * ops.one_hot(place, self.places)
        given = ops.einsum("abc,ad->bcd", dispatch, rows)
        made = ops.stack([each(given[i]) for i, each in enumerate(self.experts)])
        out = ops.einsum("abc,bcd->ad", dispatch * gate[:, :, None], made)
        return ops.reshape(out, ops.shape(inputs))


@example(integers=WORDS)
def switch_transformer():
    x = keras.Input((12,), dtype="int32", name="tokens")
    y = TokensAndPlaces(12)(x)
    y = layers.LayerNormalization()(y + layers.Dropout(0.2)(Switch()(y)))
    y = layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling1D()(y))
    return keras.Model(x, y)


@example(integers=WORDS)
def fourier_mixing():
    x = keras.Input((16,), dtype="int32", name="tokens")
    y = TokensAndPlaces(16)(x)
    for _ in range(2):
        mixed = layers.Lambda(lambda z: ops.fft2((z, ops.zeros_like(z)))[0])(y)
        y = layers.LayerNormalization()(y + mixed)
        y = layers.LayerNormalization()(y + layers.Dropout(0.1)(layers.Dense(WIDTH, "gelu")(y)))
    return keras.Model(x, layers.Dense(2)(layers.GlobalAveragePooling1D()(y)))


@example(integers=WORDS)
def word_tagger():
    x = keras.Input((None,), dtype="int32", name="tokens")
    y = layers.Embedding(WORDS, WIDTH, mask_zero=True)(x)
    y = layers.Bidirectional(layers.LSTM(5, return_sequences=True, recurrent_dropout=0.1))(y)
    y = layers.TimeDistributed(layers.Dense(6, activation="relu"))(layers.SpatialDropout1D(0.1)(y))
    return keras.Model(x, layers.TimeDistributed(layers.Dense(4, activation="softmax"))(y))


@example(integers=16)
def entity_transformer():
    x = keras.Input((None,), dtype="int32", name="tokens")
    y = layers.Dropout(0.1)(block(TokensAndPlaces(16)(x)))
    y = layers.Dropout(0.1)(layers.Dense(6, activation="relu")(y))
    return keras.Model(x, layers.Dense(5, activation="softmax", name="tags")(y))


@example(integers=WORDS)
def masked_words():
    x = keras.Input((14,), dtype="int32", name="tokens")
    y = layers.Embedding(WORDS, WIDTH, name="word")(x)
    places = np.sin(np.arange(14)[:, None] / 10 ** np.arange(WIDTH)[None]).astype("float32")
    y = block(block(y + places))
    return keras.Model(x, layers.Dense(WORDS, activation="softmax", name="head")(y))


@example(integers=WORDS, lengths=(5, 11))
def small_gpt():
    x = keras.Input((None,), dtype="int32", name="tokens")
    y = block(TokensAndPlaces(16)(x), use_causal_mask=True)
    return keras.Model(x, [layers.Dense(WORDS, name="next")(y), y])


@example(integers=WORDS)
def answer_spans():
    tokens, kinds, mask = (keras.Input((12,), dtype="int32", name=n) for n in ("a", "b", "mask"))
    y = layers.Embedding(WORDS, WIDTH)(tokens) + layers.Embedding(WORDS, WIDTH)(kinds)
    y = block(y, attention_mask=layers.Lambda(lambda m: m[:, None, :])(mask))
    ends = [layers.Flatten()(layers.Dense(1, use_bias=False)(y)) for _ in range(2)]
    ends = [
        layers.Activation("softmax", name=n)(e) for n, e in zip(("start", "end"), ends, strict=True)
    ]
    return keras.Model([tokens, kinds, mask], ends)


@example(integers=WORDS)
def fixed_word_vectors():
    x = keras.Input((None,), dtype="int64", name="tokens")
    y = layers.Embedding(WORDS, WIDTH, trainable=False)(x)
    y = layers.MaxPooling1D(2)(layers.Conv1D(6, 3, activation="relu", padding="same")(y))
    y = layers.GlobalMaxPooling1D()(layers.Conv1D(6, 2, activation="relu")(y))
    return keras.Model(x, layers.Dense(4, "softmax")(layers.Dropout(0.5)(y)))


@example(integers=6)
def bag_of_words():
    x = keras.Input((9,), dtype="int32", name="terms")
    y = layers.CategoryEncoding(12, output_mode="multi_hot")(x)
    y = layers.Dropout(0.4)(layers.Dense(8, activation="relu")(y))
    return keras.Model(x, layers.Dense(5, activation="sigmoid")(y))


@example(integers=WORDS)
def story_and_question():
    story, question = (keras.Input((n,), dtype="int32", name=w) for n, w in ((10, "s"), (4, "q")))
    memory = layers.Dropout(0.3)(layers.Embedding(WORDS, WIDTH)(story))
    asked = layers.Dropout(0.3)(layers.Embedding(WORDS, WIDTH)(question))
    match = layers.Activation("softmax")(layers.dot([memory, asked], axes=(2, 2)))
    found = layers.Permute((2, 1))(layers.add([match, layers.Embedding(WORDS, 4)(story)]))
    y = layers.LSTM(6)(layers.concatenate([found, asked]))
    return keras.Model([story, question], layers.Dense(WORDS, "softmax")(layers.Dropout(0.3)(y)))


@example(integers=WORDS)
def letters_to_letters():
    return keras.Sequential(
        [
            keras.Input((None, 11), name="letters"),
            layers.LSTM(6, return_sequences=True),
            layers.LSTM(6),
            layers.Dropout(0.2),
            layers.Dense(11, activation="softmax"),
        ]
    )


@example(integers=WORDS)
def documents_of_sentences():
    words_in = keras.Input((None,), dtype="int32")
    y = layers.Embedding(WORDS, WIDTH)(words_in)
    y = layers.Bidirectional(layers.GRU(4, dropout=0.1, return_sequences=True))(y)
    weights = layers.Softmax(axis=1)(layers.Dense(1, activation="tanh")(y))
    sentence = keras.Model(words_in, layers.Dot(axes=1)([y, weights]))
    x = keras.Input((5, 9), dtype="int32", name="document")
    y = layers.Reshape((5, WIDTH))(layers.TimeDistributed(sentence)(x))
    y = layers.GRU(5)(kd.VariationalRNN(layers.GRU(5, return_sequences=True), 0.2)(y))
    return keras.Model(x, layers.Dense(3)(y))


@example(integers=WORDS)
def one_of_many_answers():
    x = keras.Input((4, 7), dtype="int32", name="choices")
    flat = layers.Lambda(lambda z: ops.reshape(z, (-1, 7)), output_shape=(7,))(x)
    y = layers.Dropout(0.2)(layers.GlobalMaxPooling1D()(block(TokensAndPlaces(7)(flat))))
    scores = layers.Lambda(lambda z: ops.reshape(z, (-1, 4)), output_shape=(4,))(layers.Dense(1)(y))
    return keras.Model(x, layers.Softmax()(scores))
