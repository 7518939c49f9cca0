"""Makes ordinary models, small and with random weights, which every export is tested with."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
from keras import layers, ops

import keras_dropouts as kd

Make = Callable[[], keras.Model]
ZOO: dict[str, Make] = {}


def entry(make: Make) -> Make:
    """Put a model into the zoo under the name of the function that makes it."""
    ZOO[make.__name__] = make
    return make


def series(*extra: layers.Layer) -> keras.Model:
    """Return a Sequential model over a series of any length, with a Dense layer at the end."""
    return keras.Sequential([keras.Input((None, 6), name="series"), *extra, layers.Dense(3)])


@entry
def lstm() -> keras.Model:
    return series(layers.LSTM(5, dropout=0.2, recurrent_dropout=0.2))


@entry
def gru() -> keras.Model:
    return series(layers.GRU(5, dropout=0.2, recurrent_dropout=0.2, return_sequences=True))


@entry
def gru_reset_before() -> keras.Model:
    return series(layers.GRU(5, dropout=0.2, reset_after=False))


@entry
def simple_rnn() -> keras.Model:
    return series(layers.SimpleRNN(5, dropout=0.2, recurrent_dropout=0.2))


@entry
def bidirectional() -> keras.Model:
    inner = layers.LSTM(5, dropout=0.2, return_sequences=True)
    return series(layers.Bidirectional(inner), layers.Bidirectional(layers.GRU(4, dropout=0.1)))


@entry
def bidirectional_sum() -> keras.Model:
    return series(layers.Bidirectional(layers.LSTM(5, dropout=0.1), merge_mode="sum"))


@entry
def stacked_cells() -> keras.Model:
    cells = [layers.LSTMCell(5, dropout=0.2), layers.GRUCell(4, recurrent_dropout=0.3)]
    return series(layers.RNN(cells, return_sequences=True))


@entry
def unrolled_lstm() -> keras.Model:
    return keras.Sequential(
        [keras.Input((4, 6)), layers.LSTM(5, unroll=True, dropout=0.5), layers.Dense(2)]
    )


@entry
def stateful_lstm() -> keras.Model:
    return keras.Sequential(
        [keras.Input(batch_shape=(2, 4, 6)), layers.LSTM(5, return_state=False, dropout=0.5)]
    )


@entry
def lstm_all_states() -> keras.Model:
    x = keras.Input((None, 6), name="series")
    outputs = layers.LSTM(5, return_sequences=True, return_state=True, name="lstm")(x)
    return keras.Model(x, outputs)


@entry
def masked_lstm() -> keras.Model:
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    x = layers.Embedding(20, 6, mask_zero=True)(tokens)
    x = layers.Bidirectional(layers.LSTM(5, dropout=0.3, return_sequences=True))(x)
    x = layers.SpatialDropout1D(0.3)(x)
    return keras.Model(tokens, layers.Dense(2)(layers.GlobalAveragePooling1D()(x)))


@entry
def masking_gru() -> keras.Model:
    return series(layers.Masking(0.0), layers.GRU(4, dropout=0.2))


@entry
def conv_lstm_1d() -> keras.Model:
    return keras.Sequential(
        [keras.Input((4, 8, 2)), layers.ConvLSTM1D(3, 3, dropout=0.2, recurrent_dropout=0.2)]
    )


@entry
def conv_lstm_2d() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((3, 8, 8, 2)),
            layers.ConvLSTM2D(3, 3, dropout=0.2, recurrent_dropout=0.2, return_sequences=True),
            layers.TimeDistributed(layers.Dropout(0.4)),
            layers.TimeDistributed(layers.Conv2D(2, 3)),
        ]
    )


@entry
def encoder_decoder() -> keras.Model:
    source, target = keras.Input((None, 6), name="source"), keras.Input((None, 4), name="target")
    _, *state = layers.LSTM(5, return_state=True, dropout=0.2)(source)
    x = layers.LSTM(5, return_sequences=True, dropout=0.2)(target, initial_state=state)
    return keras.Model([source, target], layers.Dense(3, activation="softmax")(x))


@entry
def multi_head_attention() -> keras.Model:
    x = keras.Input((None, 8), name="x")
    y = layers.MultiHeadAttention(2, 4, dropout=0.3)(x, x, use_causal_mask=True)
    y = layers.LayerNormalization()(y + x)
    return keras.Model(x, layers.Dropout(0.3)(layers.Dense(8, activation="gelu")(y)))


@entry
def grouped_query_attention() -> keras.Model:
    x = keras.Input((5, 8), name="x")
    return keras.Model(x, layers.GroupQueryAttention(4, 4, 2, dropout=0.3)(x, x))


@entry
def attention_scores() -> keras.Model:
    x = keras.Input((5, 8), name="x")
    y, scores = layers.MultiHeadAttention(2, 4, dropout=0.3)(x, x, return_attention_scores=True)
    return keras.Model(x, {"y": y, "scores": scores})


@entry
def dot_attention() -> keras.Model:
    query, value = keras.Input((None, 6), name="query"), keras.Input((None, 6), name="value")
    x = layers.Attention(dropout=0.4, use_scale=True)([query, value])
    y = layers.AdditiveAttention(dropout=0.4)([query, value])
    return keras.Model({"query": query, "value": value}, [x, y])


@entry
def masked_attention() -> keras.Model:
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    x = layers.Embedding(20, 8, mask_zero=True)(tokens)
    x = layers.MultiHeadAttention(2, 4, dropout=0.2)(x, x)
    return keras.Model(tokens, layers.GlobalAveragePooling1D()(x))


@entry
def cnn() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((16, 16, 3), name="image"),
            layers.Conv2D(8, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.Activation("swish"),
            kd.DropBlock2D(0.1, 3),
            layers.DepthwiseConv2D(3, strides=2, padding="same"),
            layers.BatchNormalization(),
            layers.LeakyReLU(0.1),
            layers.SeparableConv2D(4, 3, dilation_rate=2),
            layers.SpatialDropout2D(0.2),
            layers.Conv2DTranspose(3, 3, strides=2, padding="same"),
            layers.UpSampling2D(2, interpolation="bilinear"),
            layers.ZeroPadding2D(1),
            layers.AveragePooling2D(3, padding="same"),
            layers.MaxPooling2D(2),
            layers.GroupNormalization(1),
            layers.PReLU(),
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.5),
            layers.Dense(4, activation="softmax"),
        ]
    )


@entry
def cnn_1d() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((None, 3), name="signal"),
            layers.Conv1D(4, 5, dilation_rate=2, padding="causal", activation="relu"),
            kd.DropBlock1D(0.1, 3),
            layers.SeparableConv1D(4, 3),
            layers.Conv1DTranspose(3, 3, strides=2),
            layers.MaxPooling1D(2),
            layers.BatchNormalization(),
            layers.GlobalMaxPooling1D(),
        ]
    )


@entry
def cnn_3d() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((6, 8, 8, 2), name="volume"),
            layers.Conv3D(4, 3, activation="elu"),
            kd.DropBlock3D(0.1, 3),
            layers.SpatialDropout3D(0.2),
            layers.MaxPooling3D(2),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )


@entry
def unet() -> keras.Model:
    x = keras.Input((None, None, 3), name="image")
    down = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    y = layers.MaxPooling2D()(layers.Dropout(0.3)(down))
    y = layers.Conv2D(6, 3, padding="same", activation="relu")(y)
    y = layers.UpSampling2D()(layers.SpatialDropout2D(0.2)(y))
    y = layers.Concatenate()([y, down])
    return keras.Model(x, layers.Conv2D(1, 1, activation="sigmoid", name="mask")(y))


@entry
def augmentation() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((16, 16, 3), name="image"),
            layers.RandomFlip("horizontal"),
            layers.RandomRotation(0.1),
            layers.RandomZoom(0.1),
            layers.RandomContrast(0.2),
            layers.RandomBrightness(0.2),
            layers.RandomTranslation(0.1, 0.1),
            layers.Rescaling(1 / 255.0),
            layers.Conv2D(4, 3),
            layers.BatchNormalization(),
            layers.GlobalAveragePooling2D(),
        ]
    )


@entry
def preprocessing() -> keras.Model:
    image = keras.Input((20, 24, 3), name="image")
    x = layers.Resizing(16, 16)(image)
    x = layers.CenterCrop(12, 12)(x)
    normalization = layers.Normalization(mean=[0.4, 0.5, 0.6], variance=[0.1, 0.2, 0.3])
    x = layers.BatchNormalization()(layers.Conv2D(3, 3)(normalization(x)))
    return keras.Model(image, x)


@entry
def baked_training() -> keras.Model:
    x = keras.Input((6,), name="x")
    y = layers.Dropout(0.5)(layers.Dense(6)(x), training=True)
    y = layers.BatchNormalization()(y, training=True)
    return keras.Model(x, layers.GaussianNoise(0.5)(y, training=True))


@entry
def nested() -> keras.Model:
    inner = keras.Sequential(
        [keras.Input((6,)), layers.Dense(6), layers.Dropout(0.3), kd.ScheduledDropout(0.2)]
    )
    x = keras.Input((6,), name="x")
    middle = keras.Model(y := keras.Input((6,)), layers.AlphaDropout(0.2)(inner(inner(y))))
    return keras.Model(x, middle(x) + inner(x))


@entry
def time_distributed_model() -> keras.Model:
    inner = keras.Sequential(
        [keras.Input((8, 8, 1)), layers.Conv2D(2, 3), layers.Dropout(0.3), layers.Flatten()]
    )
    return keras.Sequential(
        [keras.Input((5, 8, 8, 1), name="film"), layers.TimeDistributed(inner), layers.LSTM(4)]
    )


@entry
def structures() -> keras.Model:
    a, b = keras.Input((4,), name="a"), keras.Input((None, 4), name="b")
    c = keras.Input((None,), dtype="int32", name="c")
    x = ops.sum(layers.Embedding(7, 4)(c), axis=1) + ops.mean(b, axis=1) + a
    y = layers.Dropout(0.5)(x)
    outputs = {"first": [layers.Dense(1)(y), y], "last": {"x": x, "c": c}}
    return keras.Model({"a": a, "b": b, "c": c}, outputs)


@entry
def mixture() -> keras.Model:
    """Several gates over shared experts, with operations of keras.ops between the layers."""
    x = keras.Input((8,), name="x")
    experts = ops.stack([layers.Dense(4, activation="selu")(x) for _ in range(3)], axis=1)
    gate = ops.softmax(layers.Dense(3)(layers.GaussianDropout(0.2)(x)))
    top, index = ops.top_k(gate, 2)
    chosen = ops.einsum("be,bed->bd", gate, experts)
    return keras.Model(x, [chosen, top, ops.cast(index, "int32")])


@entry
def every_activation() -> keras.Model:
    x = keras.Input((9,), name="x")
    names = (
        "celu elu exponential gelu glu hard_shrink hard_sigmoid hard_tanh hard_silu leaky_relu "
        "linear log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax "
        "softplus softsign sparse_plus sparse_sigmoid squareplus tanh tanh_shrink"
    )
    y = layers.Dense(10)(x)
    return keras.Model(x, {name: layers.Activation(name)(y) for name in names.split()})


class Residual(layers.Layer):
    """A layer of a user's own that holds dropouts in a list and in a dict."""

    def __init__(self, width: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.dense = [layers.Dense(width, activation="gelu") for _ in range(2)]
        self.drops = {"keras": layers.Dropout(0.3), "ours": kd.DropPath(0.2)}

    def call(self, inputs):  # type: ignore[no-untyped-def]
        x = self.drops["keras"](self.dense[0](inputs), training=True)
        return inputs + self.drops["ours"](self.dense[1](x))

    def get_config(self):  # type: ignore[no-untyped-def]
        return {**super().get_config(), "width": self.width}


@entry
def custom_layers() -> keras.Model:
    return keras.Sequential([keras.Input((6,), name="x"), Residual(6), Residual(6)])


class Classifier(keras.Model):
    """A subclassed model without get_config, whose call trains when nobody asked for it."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = layers.Embedding(30, 8)
        self.block = Residual(8)
        self.norm = layers.BatchNormalization()
        self.head = layers.Dense(3)

    def call(self, tokens, training=True):  # type: ignore[no-untyped-def]
        x = self.norm(self.block(self.embed(tokens)), training=True)
        return {"logits": self.head(ops.mean(x, axis=1)), "features": x}


@entry
def subclassed() -> keras.Model:
    model = Classifier()
    model(np.array([[1, 2, 3]], "int32"))
    return model


class Configured(keras.Model):
    """A subclassed model with get_config."""

    def __init__(self, width: int = 5, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.encoder = keras.Sequential([layers.Dense(width), layers.Dropout(0.5)])
        self.recurrent = layers.GRU(width, dropout=0.2)

    def call(self, inputs):  # type: ignore[no-untyped-def]
        return self.recurrent(self.encoder(inputs))

    def get_config(self):  # type: ignore[no-untyped-def]
        return {**super().get_config(), "width": self.width}


@entry
def subclassed_with_config() -> keras.Model:
    model = Configured()
    model(np.zeros((2, 3, 4), "float32"))
    return model


@entry
def mixed_float16() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((8, 8, 3), name="image"),
            layers.Conv2D(4, 3, dtype="mixed_float16"),
            layers.BatchNormalization(dtype="mixed_float16"),
            kd.DropBlock2D(0.2, 3, dtype="mixed_float16"),
            layers.Flatten(dtype="mixed_float16"),
            layers.Dense(4, dtype="mixed_float16"),
            layers.Activation("softmax", dtype="float32"),
        ]
    )


@entry
def mixed_bfloat16() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((6,), name="x"),
            layers.Dense(8, activation="relu", dtype="mixed_bfloat16"),
            layers.LayerNormalization(dtype="mixed_bfloat16"),
            layers.Dropout(0.5, dtype="mixed_bfloat16"),
            layers.Dense(4, dtype="mixed_bfloat16"),
        ]
    )


@entry
def float64() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((6,), dtype="float64", name="x"),
            layers.Dense(4, dtype="float64", activation="tanh"),
            layers.Dropout(0.5, dtype="float64"),
        ]
    )
