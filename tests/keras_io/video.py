"""Models of films, volumes and points in space."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops

import keras_dropouts as kd
from keras_io.example import example, ones_first
from keras_io.patches import attended


@example(draw={"mask": ones_first})
def film_of_features():
    frames = keras.Input((9, 6), name="frames")
    mask = keras.Input((9,), dtype="bool", name="mask")
    y = layers.GRU(6, return_sequences=True)(frames, mask=mask)
    y = layers.Dropout(0.4)(layers.GRU(4)(y))
    return keras.Model([frames, mask], layers.Dense(3, activation="softmax")(y))


@example()
def film_by_frames():
    look = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.Dropout(0.2), layers.Flatten()]
    )
    x = keras.Input((None, 8, 8, 3), name="film")
    y = layers.TimeDistributed(look)(x)
    y = layers.LSTM(5, dropout=0.2)(y)
    return keras.Model(x, layers.Dense(3)(y))


@example()
def film_transformer():
    x = keras.Input((10, 8), name="frames")
    y = attended(x + layers.Embedding(10, 8)(ops.arange(10)))
    return keras.Model(
        x, layers.Dense(4, "softmax")(layers.Dropout(0.5)(layers.GlobalMaxPool1D()(y)))
    )


@example()
def tubelets():
    x = keras.Input((6, 12, 12, 1), name="film")
    y = layers.Conv3D(8, (3, 4, 4), strides=(3, 4, 4))(x)
    y = attended(layers.Reshape((-1, 8))(y))
    y = layers.GlobalAvgPool1D()(layers.LayerNormalization()(y))
    return keras.Model(x, layers.Dense(3, activation="softmax")(y))


@example()
def next_frame():
    x = keras.Input((None, 8, 8, 1), name="film")
    y = layers.ConvLSTM2D(3, 3, padding="same", return_sequences=True, activation="tanh")(x)
    y = layers.BatchNormalization()(kd.SpatialDropout(0.2)(y))
    y = layers.ConvLSTM2D(3, 1, padding="same", return_sequences=True, dropout=0.1)(y)
    return keras.Model(x, layers.Conv3D(1, 3, activation="sigmoid", padding="same")(y))


@example()
def scans():
    x = keras.Input((12, 12, 8, 1), name="volume")
    y = layers.MaxPool3D(2)(layers.Conv3D(4, 3, activation="relu", padding="same")(x))
    y = kd.DropBlock3D(0.1, 2)(layers.BatchNormalization()(y))
    y = layers.GlobalAveragePooling3D()(layers.Conv3D(6, 3, activation="relu")(y))
    return keras.Model(x, layers.Dense(1, "sigmoid")(layers.Dropout(0.3)(y)))


def _points(x, size):
    return layers.ReLU()(layers.BatchNormalization(momentum=0.0)(layers.Conv1D(size, 1)(x)))


def _turned(x, size):
    """Return points, moved by a matrix that is made of them."""
    y = layers.GlobalMaxPooling1D()(_points(x, 8))
    y = layers.Dense(
        size * size, kernel_initializer="zeros", bias_initializer=keras.initializers.Constant(0.3)
    )(y)
    return layers.Dot(axes=(2, 1))([x, layers.Reshape((size, size))(y)])


@example()
def cloud_of_points():
    x = keras.Input((None, 3), name="points")
    y = _turned(_points(_turned(x, 3), 6), 6)
    y = layers.Dropout(0.3)(layers.Dense(8)(layers.GlobalMaxPooling1D()(_points(y, 10))))
    return keras.Model(x, layers.Dense(4, activation="softmax")(y))


@example()
def parts_of_a_cloud():
    x = keras.Input((12, 3), name="points")
    near = _points(_turned(x, 3), 6)
    whole = layers.GlobalMaxPooling1D(keepdims=True)(layers.Dropout(0.2)(_points(near, 8)))
    whole = layers.Lambda(lambda z: ops.tile(z, [1, 12, 1]), output_shape=(12, 8))(whole)
    y = layers.Concatenate()([near, whole])
    return keras.Model(x, layers.Conv1D(3, 1, activation="softmax")(_points(y, 8)))


@example()
def rays():
    x = keras.Input((5, 3), name="points")
    powers = 2.0 ** np.arange(3, dtype="float32")
    turned = layers.Flatten()(x)[:, :, None] * powers
    y = start = layers.Flatten()(ops.concatenate([ops.sin(turned), ops.cos(turned)], axis=-1))
    for i in range(4):
        y = layers.Dense(8, activation="relu")(y)
        y = layers.concatenate([y, start]) if i == 2 else y
    y = layers.Reshape((5, 4))(layers.Dense(20)(layers.Dropout(0.1)(y)))
    colour, density = ops.sigmoid(y[..., :3]), ops.relu(y[..., 3])
    alpha = 1.0 - ops.exp(-density * 0.1)
    left = ops.cumprod(1.0 - alpha + 1e-6, axis=-1)
    return keras.Model(x, ops.sum((alpha * left)[..., None] * colour, axis=-2))
