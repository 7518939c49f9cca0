"""Models whose output is an image: segmentation, depth, light, and finer pictures."""

from __future__ import annotations

import keras
from keras import layers, ops

import keras_dropouts as kd
from keras_io.example import example
from keras_io.pictures import image


def _conv(x, size, **arguments):
    y = layers.Conv2D(size, 3, padding="same", use_bias=False, **arguments)(x)
    return layers.ReLU()(layers.BatchNormalization()(y))


@example()
def pets_unet():
    x = image()
    y = before = layers.Activation("relu")(layers.Conv2D(4, 3, strides=2, padding="same")(x))
    y = layers.SeparableConv2D(6, 3, padding="same")(y)
    y = layers.MaxPooling2D(3, strides=2, padding="same")(layers.BatchNormalization()(y))
    y = before = layers.add([y, layers.Conv2D(6, 1, strides=2, padding="same")(before)])
    for size in (6, 4):
        y = layers.Conv2DTranspose(size, 3, padding="same")(layers.Activation("relu")(y))
        y = layers.UpSampling2D(2)(layers.Dropout(0.2)(y))
        before = layers.Conv2D(size, 1, padding="same")(layers.UpSampling2D(2)(before))
        y = before = layers.add([y, before])
    return keras.Model(x, layers.Conv2D(3, 3, activation="softmax", padding="same")(y))


@example()
def dilated_pyramid():
    x = image()
    low = _conv(x, 6, strides=2)
    deep = _conv(low, 8, strides=2)
    pooled = layers.AveragePooling2D(4)(deep)
    pooled = layers.UpSampling2D(4, interpolation="bilinear")(layers.Conv2D(6, 1)(pooled))
    rates = [_conv(deep, 6, dilation_rate=rate) for rate in (1, 2, 3)]
    y = layers.Conv2D(6, 1)(kd.DropBlock2D(0.1, 2)(layers.Concatenate()([pooled, *rates])))
    y = layers.UpSampling2D(2, interpolation="bilinear")(y)
    y = _conv(layers.Concatenate()([y, layers.Conv2D(3, 1)(low)]), 6)
    y = layers.UpSampling2D(2, interpolation="bilinear")(layers.Dropout(0.2)(y))
    return keras.Model(x, layers.Conv2D(4, 1)(y))


_UNTRACED = "Using a symbolic `tf.Tensor` as a Python `bool`"  # Keras's resize asks for its size


@example(lengths=(16, 24), refused=dict.fromkeys(("saved_model", "onnx", "samples"), _UNTRACED))
def fully_convolutional():
    return _fully_convolutional(None)


@example()
def fully_convolutional_of_one_size():
    return _fully_convolutional(24)


def _fully_convolutional(side):
    x = keras.Input((side, side, 3), name="image")
    third = layers.MaxPooling2D(4)(layers.Conv2D(4, 3, padding="same", activation="relu")(x))
    last = layers.MaxPooling2D(2)(layers.Conv2D(6, 3, padding="same", activation="relu")(third))
    y = layers.Dropout(0.5)(layers.Conv2D(8, 1, activation="relu")(last))
    y = layers.UpSampling2D(2, interpolation="bilinear")(layers.Conv2D(3, 1)(y))
    y = layers.Add()([y, layers.Conv2D(3, 1)(third)])
    y = layers.Conv2DTranspose(3, 8, strides=4, padding="same", use_bias=False)(y)
    return keras.Model(x, layers.Softmax()(y))


@example()
def borders_and_sides():
    x = image()
    one = _conv(x, 4)
    two = _conv(layers.MaxPooling2D()(one), 6)
    up = layers.UpSampling2D(interpolation="bilinear")
    y = _conv(layers.Concatenate()([up(layers.SpatialDropout2D(0.2)(two)), one]), 4)
    sides = [layers.Conv2D(1, 3, padding="same")(y), up(layers.Conv2D(1, 3, padding="same")(two))]
    refined = sides[0] + layers.Conv2D(1, 3, padding="same")(_conv(sides[0], 4))
    return keras.Model(x, [ops.sigmoid(each) for each in (refined, *sides)])


class Pixels(layers.Layer):
    """Turns channels into a finer picture."""

    def __init__(self, times=3, **kwargs):
        super().__init__(**kwargs)
        self.times = times

    def call(self, x):
        batch, height, width = ops.shape(x)[:3]
        times, channels = self.times, x.shape[-1] // self.times**2
        x = ops.reshape(x, (batch, height, width, times, times, channels))
        x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
        return ops.reshape(x, (batch, height * times, width * times, channels))

    def compute_output_shape(self, shape):
        sides = (side and side * self.times for side in shape[1:3])
        return (shape[0], *sides, shape[3] // self.times**2)


@example(lengths=(9, 14))
def finer_pictures():
    x = keras.Input((None, None, 1), name="image")
    y = layers.Conv2D(6, 5, padding="same", activation="relu")(x)
    y = layers.Conv2D(9, 3, padding="same", activation="relu")(layers.Dropout(0.1)(y))
    return keras.Model(x, Pixels()(y))


@example(lengths=(9, 14))
def finer_pictures_by_residuals():
    x = keras.Input((None, None, 3), name="image")
    y = start = layers.Conv2D(6, 3, padding="same")(layers.Rescaling(1 / 255)(x))
    for rate in (0.1, 0.2):
        z = layers.Conv2D(6, 3, padding="same")(
            layers.Conv2D(6, 3, padding="same", activation="relu")(y)
        )
        y = layers.Add()([y, kd.DropPath(rate)(z)])
    y = Pixels(2)(layers.Conv2D(12, 3, padding="same")(layers.Add()([y, start])))
    return keras.Model(x, ops.clip(255 * layers.Conv2D(3, 3, padding="same")(y), 0.0, 255.0))


@example()
def curves_of_light():
    x = image()
    one = layers.Conv2D(6, 3, padding="same", activation="relu")(x)
    two = layers.Conv2D(6, 3, padding="same", activation="relu")(layers.Dropout(0.1)(one))
    y = layers.Concatenate()([one, two])
    curves = ops.split(layers.Conv2D(12, 3, padding="same", activation="tanh")(y), 4, axis=-1)
    bright = x
    for curve in curves:
        bright = bright + curve * (bright**2 - bright)
    return keras.Model(x, {"bright": bright, "curves": ops.concatenate(curves, axis=-1)})


@example()
def chosen_scales():
    x = image()
    full = layers.Conv2D(6, 3, padding="same")(x)
    half = layers.Conv2D(6, 3, padding="same")(layers.MaxPooling2D()(full))
    scales = [full, layers.UpSampling2D()(half)]
    pooled = layers.GlobalAveragePooling2D(keepdims=True)(layers.Add()(scales))
    pooled = layers.Dropout(0.2)(layers.ReLU()(layers.Conv2D(3, 1)(pooled)))
    weights = [layers.Softmax()(layers.Conv2D(6, 1)(pooled)) for _ in scales]
    y = sum(scale * weight for scale, weight in zip(scales, weights, strict=True))
    spread = ops.concatenate([ops.mean(y, -1, keepdims=True), ops.max(y, -1, keepdims=True)], -1)
    y = y * layers.Conv2D(1, 1, activation="sigmoid")(spread)
    return keras.Model(x, x + layers.Conv2D(3, 3, padding="same")(y))


@example()
def depth_of_a_scene():
    x = image()
    down, y = [], x
    for size in (4, 6):
        y = layers.LeakyReLU(0.2)(
            layers.BatchNormalization()(layers.Conv2D(size, 3, padding="same")(y))
        )
        down.append(y)
        y = layers.MaxPool2D(2)(layers.SpatialDropout2D(0.1)(y))
    for skip in reversed(down):
        y = layers.concatenate([layers.UpSampling2D(2)(y), skip])
        y = layers.LeakyReLU(0.2)(layers.Conv2D(4, 3, padding="same")(y))
    return keras.Model(x, layers.Conv2D(1, 1, padding="same", activation="tanh")(y))


@example()
def cleaned_digits():
    x = keras.Input((12, 12, 1), name="digit")
    y = layers.GaussianNoise(0.4)(x)
    for size in (4, 4):
        y = layers.MaxPooling2D(2, padding="same")(
            layers.Conv2D(size, 3, activation="relu", padding="same")(y)
        )
    for size in (4, 4):
        y = layers.Conv2DTranspose(size, 3, strides=2, activation="relu", padding="same")(y)
    return keras.Model(x, layers.Conv2D(1, 3, activation="sigmoid", padding="same")(y))
