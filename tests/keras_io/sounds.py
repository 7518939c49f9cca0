"""Models of sound: who speaks, what is said, and what is heard of one source."""

from __future__ import annotations

import keras
from keras import layers, ops

import keras_dropouts as kd
from keras_io.example import example
from keras_io.sentences import TokensAndPlaces, block
from keras_io.translation import Decoder


@example()
def who_speaks():
    x = keras.Input((64, 1), name="wave")
    real, imaginary = ops.fft((x[..., 0], 0.0 * x[..., 0]))
    y = ops.sqrt(real[:, :32] ** 2 + imaginary[:, :32] ** 2 + 1e-6)[..., None]
    for size in (4, 6):
        shortcut = layers.Conv1D(size, 1, padding="same")(y)
        y = layers.Conv1D(size, 3, padding="same", activation="relu")(y)
        y = layers.add([layers.Conv1D(size, 3, padding="same")(layers.Dropout(0.1)(y)), shortcut])
        y = layers.MaxPool1D(2, strides=2)(layers.Activation("relu")(y))
    y = layers.Flatten()(layers.AveragePooling1D(3, strides=3)(y))
    return keras.Model(x, layers.Dense(4, activation="softmax")(y))


@example()
def speech_to_letters():
    x = keras.Input((None, 12), name="spectrogram")
    y = layers.Reshape((-1, 12, 1))(x)
    y = layers.Conv2D(4, (5, 3), strides=(2, 2), padding="same", use_bias=False)(y)
    y = layers.ReLU()(layers.BatchNormalization()(y))
    y = layers.Reshape((-1, 24))(y)
    y = layers.Bidirectional(layers.GRU(5, return_sequences=True, reset_after=True))(y)
    y = layers.Dropout(0.5)(layers.Dense(8, activation="relu")(layers.Dropout(0.5)(y)))
    return keras.Model(x, layers.Dense(9, activation="softmax")(y))


@example(integers=10)
def listening_transformer():
    sound = keras.Input((24, 6), name="sound")
    words = keras.Input((None,), dtype="int32", name="words")
    y = sound
    for _ in range(2):
        y = layers.Conv1D(8, 5, strides=2, padding="same", activation="relu")(y)
    y = Decoder(0.1)(TokensAndPlaces(16)(words), block(y))
    return keras.Model([sound, words], layers.Dense(11)(y))


@example()
def raw_wave():
    x = keras.Input((80, 1), name="wave")
    y = layers.Conv1D(6, 10, strides=5, use_bias=False)(x)
    y = layers.Activation("gelu")(layers.GroupNormalization(groups=6)(y))
    y = layers.Activation("gelu")(layers.Conv1D(8, 3, strides=2)(y))
    y = layers.Dropout(0.1)(block(layers.LayerNormalization()(y)))
    return keras.Model(x, layers.Dense(3)(layers.GlobalAveragePooling1D()(y)))


@example()
def mel_classes():
    x = keras.Input((200,), name="wave")
    y = layers.MelSpectrogram(
        fft_length=64, sequence_stride=16, sequence_length=64, sampling_rate=1000,
        num_mel_bins=8, max_freq=400,
    )(x)  # fmt: skip
    y = layers.Conv2D(4, 3, activation="relu")(layers.Reshape((8, -1, 1))(y))
    y = kd.SpatialDropout(0.2)(y)
    return keras.Model(x, layers.Dense(3, "softmax")(layers.GlobalMaxPooling2D()(y)))


@example()
def spectrum_of_wave():
    x = keras.Input((200, 1), name="wave")
    y = layers.STFTSpectrogram(mode="log", frame_length=16, frame_step=8, fft_length=16)(x)
    y = layers.Dropout(0.2)(layers.Conv1D(6, 3, activation="relu")(y))
    return keras.Model(x, layers.Dense(3)(layers.GlobalAveragePooling1D()(y)))


@example(lengths=(8, 12))
def wave_from_mel():
    x = keras.Input((None, 6), name="mel")
    y = layers.Conv1D(8, 7, padding="same")(x)
    for size in (6, 4):
        y = layers.Conv1DTranspose(size, 4, strides=2, padding="same")(layers.LeakyReLU(0.2)(y))
        z = layers.Conv1D(size, 3, dilation_rate=2, padding="same")(layers.LeakyReLU(0.2)(y))
        y = layers.Add()([y, layers.Dropout(0.1)(z)])
    return keras.Model(x, layers.Conv1D(1, 7, padding="same", activation="tanh")(y))


@example()
def one_of_two_sources():
    x = keras.Input((16, 12, 2), name="spectrum")
    y = layers.Conv2D(4, 3, strides=2, padding="same", activation="gelu")(x)
    y = layers.Conv2DTranspose(4, 3, strides=2, padding="same")(kd.DropBlock2D(0.1, 2)(y))
    masks = layers.Conv2D(2, 1, activation="sigmoid")(layers.concatenate([y, x]))
    return keras.Model(x, {"voice": x * masks, "rest": x * (1.0 - masks)})
