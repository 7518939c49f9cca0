"""Models that make things: variational autoencoders, samplers, adversaries, and diffusion."""

from __future__ import annotations

import math

import keras
import numpy as np
from keras import layers, ops

import keras_dropouts as kd
from keras_io.example import example, positions
from keras_io.pictures import image


class Sampling(layers.Layer):
    """Draws a code when training, and gives its mean when not."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.numbers = keras.random.SeedGenerator(3)

    def call(self, inputs, training=False):
        mean, log_var = inputs
        if not training:
            return mean
        noise = keras.random.normal(ops.shape(mean), seed=self.numbers)
        return mean + ops.exp(0.5 * log_var) * noise


class AlwaysSampling(Sampling):
    """Draws a code whenever it is called, as the public example does."""

    def call(self, inputs):
        return super().call(inputs, training=True)


def _encoder(sampling):
    x = keras.Input((12, 12, 1), name="digit")
    y = layers.Conv2D(4, 3, activation="relu", strides=2, padding="same")(x)
    y = layers.Dropout(0.2)(layers.Dense(6, activation="relu")(layers.Flatten()(y)))
    mean, log_var = layers.Dense(2, name="mean")(y), layers.Dense(2, name="log_var")(y)
    return keras.Model(x, [mean, log_var, sampling(name="code")([mean, log_var])], name="encoder")


def _decoder():
    return keras.Sequential(
        [
            keras.Input((2,), name="code"),
            layers.Dense(3 * 3 * 4, activation="relu"),
            layers.Reshape((3, 3, 4)),
            layers.Conv2DTranspose(4, 3, activation="relu", strides=2, padding="same"),
            layers.SpatialDropout2D(0.1),
            layers.Conv2DTranspose(1, 3, activation="sigmoid", strides=2, padding="same"),
        ],
        name="decoder",
    )


@example()
def variational_autoencoder():
    encode, decode = _encoder(Sampling), _decoder()
    return keras.Model(encode.input, decode(encode.output[2]))


_DRAWS = dict.fromkeys(("onnx", "saved_model"), "must not be served")


@example(refused={"strip": "draws random numbers at inference", **_DRAWS})
def encoder_that_draws_in_serving():
    return _encoder(AlwaysSampling)


@example()
def decoder_of_codes():
    return _decoder()


class Autoencoder(keras.Model):
    """A subclassed variational autoencoder with a step of its own."""

    def __init__(self):
        super().__init__()
        self.encode, self.decode = _encoder(Sampling), _decoder()
        self.loss_tracker = keras.metrics.Mean(name="loss")

    def call(self, inputs):
        mean, log_var, code = self.encode(inputs)
        return self.decode(code), mean, log_var


@example()
def subclassed_autoencoder():
    model = Autoencoder()
    model(np.zeros((2, 12, 12, 1), "float32"))
    return model


class Codebook(layers.Layer):
    """Puts the nearest code of a table in the place of each vector."""

    def build(self, shape):
        self.codes = self.add_weight(shape=(4, 10), initializer="uniform", name="codes")

    def call(self, x):
        flat = ops.reshape(x, (-1, 4))
        far = (
            ops.sum(flat**2, axis=1, keepdims=True)
            + ops.sum(self.codes**2, axis=0)
            - 2 * ops.matmul(flat, self.codes)
        )
        chosen = ops.matmul(ops.one_hot(ops.argmin(far, axis=1), 10), ops.transpose(self.codes))
        chosen = ops.reshape(chosen, ops.shape(x))
        self.add_loss(ops.mean((ops.stop_gradient(chosen) - x) ** 2))
        return x + ops.stop_gradient(chosen - x)


@example()
def table_of_codes():
    x = keras.Input((12, 12, 1), name="digit")
    y = layers.Conv2D(4, 3, activation="relu", strides=4, padding="same")(x)
    y = Codebook(name="table")(layers.Dropout(0.1)(y))
    return keras.Model(x, layers.Conv2DTranspose(1, 3, strides=4, padding="same")(y))


@example()
def digit_or_forgery():
    return keras.Sequential(
        [
            keras.Input((14, 14, 11), name="image_and_label"),
            layers.Conv2D(4, 3, strides=2, padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Dropout(0.3),
            layers.GlobalMaxPooling2D(),
            layers.Dense(1),
        ]
    )


@example()
def forger_of_digits():
    return keras.Sequential(
        [
            keras.Input((10,), name="latent"),
            layers.Dense(4 * 4 * 6, use_bias=False),
            layers.BatchNormalization(),
            layers.LeakyReLU(0.2),
            layers.Reshape((4, 4, 6)),
            layers.UpSampling2D(2),
            layers.Conv2D(4, 3, padding="same", use_bias=False),
            kd.SpatialDropout(0.1),
            layers.Conv2D(1, 3, padding="same", activation="tanh"),
            layers.Cropping2D(1),
        ]
    )


class Mirrored(layers.Layer):
    """Pads an image with its mirror."""

    def call(self, x):
        return ops.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="reflect")


@example(lengths=(16, 24))
def one_style_to_another():
    x = keras.Input((None, None, 3), name="image")
    y = layers.Conv2D(4, 3, use_bias=False)(Mirrored()(x))
    y = layers.Activation("relu")(layers.GroupNormalization(groups=-1)(y))
    z = layers.GroupNormalization(groups=-1)(layers.Conv2D(4, 3)(Mirrored()(y)))
    y = layers.add([y, layers.Dropout(0.5)(z)])
    y = layers.Conv2DTranspose(4, 3, strides=2, padding="same")(layers.AveragePooling2D(2)(y))
    return keras.Model(x, layers.Conv2D(3, 3, padding="same", activation="tanh")(y))


@example(draw={"time": positions(0, 100)})
def denoiser():
    x, time = image(), keras.Input((), dtype="int32", name="time")
    scale = np.exp(-math.log(1e4) * np.arange(4) / 3).astype("float32")
    angle = ops.cast(time, "float32")[:, None] * scale
    moment = ops.concatenate([ops.sin(angle), ops.cos(angle)], axis=-1)
    moment = layers.Dense(8, activation="swish")(moment)
    y = layers.Conv2D(8, 3, padding="same")(x)
    z = layers.Conv2D(8, 3, padding="same")(ops.swish(layers.GroupNormalization(4)(y)))
    z = z + layers.Dense(8)(moment)[:, None, None]
    y = y + layers.Conv2D(8, 3, padding="same")(layers.Dropout(0.1)(ops.swish(z)))
    z = layers.GroupNormalization(4)(layers.AveragePooling2D(4)(y))
    q, k, v = (layers.Dense(8)(z) for _ in range(3))
    weights = ops.einsum("bhwc,byxc->bhwyx", q, k) * 8**-0.5
    weights = ops.reshape(ops.softmax(ops.reshape(weights, (-1, 4, 4, 16))), (-1, 4, 4, 4, 4))
    z = layers.UpSampling2D(4)(ops.einsum("bhwyx,byxc->bhwc", weights, v))
    return keras.Model([x, time], layers.Conv2D(3, 3, padding="same")(layers.Concatenate()([y, z])))


class MaskedConv(layers.Layer):
    """A convolution that sees what comes before a pixel only."""

    def __init__(self, kind, filters, **kwargs):
        super().__init__(**kwargs)
        self.kind, self.filters = kind, filters
        self.conv = layers.Conv2D(filters, 3, padding="same")

    def build(self, shape):
        self.conv.build(shape)
        mask = np.zeros((3, 3, 1, 1), "float32")
        mask[:1] = mask[1, :1] = 1.0
        mask[1, 1] = float(self.kind == "B")
        self.mask = mask

    def call(self, x):
        kernel = self.conv.kernel * self.mask
        return ops.conv(x, kernel, padding="same") + self.conv.bias

    def get_config(self):
        return {**super().get_config(), "kind": self.kind, "filters": self.filters}


@example()
def pixel_by_pixel():
    x = keras.Input((9, 9, 1), name="digit")
    y = MaskedConv("A", 4)(x)
    z = layers.ReLU()(MaskedConv("B", 4)(layers.Conv2D(4, 1, activation="relu")(y)))
    y = layers.add([y, layers.Dropout(0.2)(z)])
    return keras.Model(x, layers.Conv2D(1, 1, activation="sigmoid")(y))


@example()
def chain_of_couplings():
    x = keras.Input((4,), name="point")
    y, log_det = x, 0.0
    for i in range(3):
        mask = np.array([1, 0, 1, 0] if i % 2 else [0, 1, 0, 1], "float32")
        kept = y * mask
        s = layers.Dense(4, "tanh")(layers.Dropout(0.1)(layers.Dense(8, "relu")(kept))) * (1 - mask)
        moved = y * ops.exp(s) + layers.Dense(4)(layers.Dense(8, "relu")(kept))
        y = kept + moved * (1 - mask)
        log_det = log_det + ops.sum(s, axis=1)
    return keras.Model(x, [y, log_det])


@example()
def styles():
    latent, noise = keras.Input((6,), name="latent"), keras.Input((8, 8, 1), name="noise")
    style = latent / ops.sqrt(ops.mean(latent**2, axis=-1, keepdims=True) + 1e-8)
    style = kd.GaussianDropout(0.2)(layers.LeakyReLU(0.2)(layers.Dense(6)(style)))
    y = layers.Reshape((8, 8, 4))(layers.Dense(256)(layers.Lambda(ops.ones_like)(style)))
    y = layers.Conv2D(4, 3, padding="same")(y) + noise * 0.1
    mean, variance = ops.moments(y, axes=(1, 2), keepdims=True)
    scale, bias = ops.split(layers.Dense(8)(style)[:, None, None], 2, axis=-1)
    y = (y - mean) * ops.rsqrt(variance + 1e-5) * scale + bias
    return keras.Model({"latent": latent, "noise": noise}, layers.Conv2D(3, 1)(y))


@example()
def colours_of_a_map():
    latent, labels = keras.Input((6,), name="latent"), keras.Input((8, 8, 3), name="labels")
    y = layers.Reshape((4, 4, 6))(layers.Dense(96)(latent))
    for side in (4, 8):
        small = ops.image.resize(labels, (side, side), interpolation="nearest")
        z = layers.Conv2D(6, 3, padding="same", activation="relu")(small)
        mean, variance = ops.moments(y, axes=(1, 2), keepdims=True)
        y = (y - mean) / ops.sqrt(variance + 1e-3) * layers.Conv2D(6, 3, padding="same")(z)
        y = layers.Conv2D(6, 3, padding="same")(layers.LeakyReLU(0.2)(layers.Dropout(0.2)(y)))
        y = layers.UpSampling2D()(y) if side == 4 else y
    return keras.Model([latent, labels], ops.tanh(layers.Conv2D(3, 3, padding="same")(y)))
