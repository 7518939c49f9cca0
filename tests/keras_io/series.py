"""Models of measurements over time: forecasts, anomalies and classes."""

from __future__ import annotations

import keras
from keras import layers, ops

import keras_dropouts as kd
from keras_io.example import example


@example()
def weather():
    x = keras.Input((10, 7), name="hours")
    return keras.Model(x, layers.Dense(1)(layers.LSTM(6, dropout=0.2, recurrent_dropout=0.2)(x)))


@example()
def engine_noise():
    x = keras.Input((None, 1), name="signal")
    y = x
    for size in (4, 6):
        y = layers.ReLU()(layers.BatchNormalization()(layers.Conv1D(size, 3, padding="same")(y)))
        y = kd.DropBlock1D(0.1, 3)(y)
    return keras.Model(x, layers.Dense(2, activation="softmax")(layers.GlobalAveragePooling1D()(y)))


@example()
def signal_transformer():
    x = keras.Input((14, 3), name="signal")
    y = layers.LayerNormalization(epsilon=1e-6)(
        x + kd.DropKey(layers.MultiHeadAttention(2, 4), 0.2)(x, x)
    )
    z = layers.Dropout(0.2)(layers.Conv1D(6, 1, activation="relu")(y))
    y = layers.Conv1D(3, 1)(z) + y
    y = layers.GlobalAveragePooling1D(data_format="channels_first")(y)
    return keras.Model(x, layers.Dense(2, "softmax")(layers.Dropout(0.4)(layers.Dense(6)(y))))


@example()
def anomalies():
    return keras.Sequential(
        [
            keras.Input((16, 1), name="window"),
            layers.Conv1D(4, 7, padding="same", strides=2, activation="relu"),
            layers.Dropout(0.2),
            layers.Conv1D(3, 7, padding="same", strides=2, activation="relu"),
            layers.Conv1DTranspose(3, 7, padding="same", strides=2, activation="relu"),
            layers.Dropout(0.2),
            layers.Conv1DTranspose(4, 7, padding="same", strides=2, activation="relu"),
            layers.Conv1DTranspose(1, 7, padding="same"),
        ]
    )


@example(lengths=(12, 18))
def dilated_past():
    x = keras.Input((None, 2), name="signal")
    y = x
    for dilation in (1, 2, 4):
        z = layers.Conv1D(4, 2, dilation_rate=dilation, padding="causal", activation="relu")(y)
        z = layers.SpatialDropout1D(0.2)(z)
        y = layers.ReLU()(layers.Conv1D(4, 1)(y) + z)
    return keras.Model(x, layers.Dense(1)(y[:, -1]))


@example()
def seasons_and_trends():
    x = keras.Input((12,), name="past")
    rest, forecast = x, 0.0
    for _ in range(2):
        y = layers.Dropout(0.1)(layers.Dense(8, activation="relu")(rest))
        rest = rest - layers.Dense(12)(y)
        forecast = forecast + layers.Dense(4)(y)
    return keras.Model(x, {"forecast": forecast, "rest": rest})


@example()
def patches_of_a_series():
    x = keras.Input((16, 3), name="series")
    mean = ops.mean(x, axis=1, keepdims=True)
    spread = ops.sqrt(ops.var(x, axis=1, keepdims=True) + 1e-5)
    y = ops.transpose((x - mean) / spread, (0, 2, 1))
    y = layers.Dense(8)(ops.reshape(y, (-1, 4, 4)))
    z = layers.MultiHeadAttention(2, 4, dropout=0.2)(y, y)
    y = layers.BatchNormalization()(y + layers.Dropout(0.2)(z))
    y = layers.Dense(5)(ops.reshape(y, (-1, 3, 32)))
    return keras.Model(x, ops.transpose(y, (0, 2, 1)) * spread + mean)


@example()
def brain_waves():
    x = keras.Input((10, 24, 1), name="channels")
    y = layers.BatchNormalization()(layers.Conv2D(4, (1, 5), padding="same", use_bias=False)(x))
    y = layers.DepthwiseConv2D((10, 1), depth_multiplier=2, use_bias=False)(y)
    y = layers.AveragePooling2D((1, 4))(layers.Activation("elu")(y))
    y = layers.SeparableConv2D(6, (1, 3), padding="same")(layers.Dropout(0.5)(y))
    return keras.Model(x, layers.Dense(3, "softmax")(layers.Flatten()(layers.Dropout(0.5)(y))))


@example()
def all_hours_at_once():
    x = keras.Input((None, 4), name="hours")
    cells = [layers.LSTMCell(5, dropout=0.1), layers.LSTMCell(4, recurrent_dropout=0.1)]
    y, *state = layers.RNN(cells, return_sequences=True, return_state=True)(x)
    flat = keras.tree.flatten(state)
    return keras.Model(x, [layers.TimeDistributed(layers.Dense(2))(y), *flat])


@example(
    fixed=2,
    refused={
        **dict.fromkeys(("saved_model", "onnx"), "keeps its state from one call to the next"),
        "samples": "Make it again with stateful=False",
    },
)
def hours_that_go_on():
    return keras.Sequential(
        [
            keras.Input(batch_shape=(2, 6, 3), name="hours"),
            layers.GRU(5, stateful=True, dropout=0.2),
            layers.Dense(1),
        ]
    )


class Recurrence(layers.Layer):
    """A linear recurrence, computed by halves."""

    def call(self, inputs):
        decay, x = inputs

        def both(left, right):
            return left[0] * right[0], right[0] * left[1] + right[1]

        return ops.associative_scan(both, (decay, x), axis=1)[1]

    def compute_output_shape(self, shapes):
        return shapes[1]


@example()
def state_space():
    x = keras.Input((8, 4), name="series")
    decay = layers.Dense(4, activation="sigmoid")(x)
    y = x + kd.DropPath(0.1)(layers.Dropout(0.1)(Recurrence()([decay, layers.Dense(4)(x)])))
    return keras.Model(x, layers.Dense(2)(layers.GlobalAveragePooling1D()(y)))
