"""Models that classify images by convolutions, and by what came after them."""

from __future__ import annotations

import keras
from keras import layers, ops

import keras_dropouts as kd
from keras_io.example import example

SIDE = 16


def image(side=SIDE):
    """Return the input of an image of three colours."""
    return keras.Input((side, side, 3), name="image")


@example()
def digits_convnet():
    return keras.Sequential(
        [
            keras.Input((14, 14, 1), name="digit"),
            layers.Conv2D(4, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(6, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )


@example()
def separable_residuals():
    x = image()
    changed = keras.Sequential([layers.RandomFlip("horizontal"), layers.RandomRotation(0.1)])
    y = layers.Rescaling(1 / 255)(changed(x))
    y = before = layers.ReLU()(
        layers.BatchNormalization()(layers.Conv2D(6, 3, strides=2, padding="same")(y))
    )
    for size in (8, 10):
        y = layers.SeparableConv2D(size, 3, padding="same")(layers.Activation("relu")(y))
        y = layers.MaxPooling2D(3, strides=2, padding="same")(layers.BatchNormalization()(y))
        y = before = layers.add([y, layers.Conv2D(size, 1, strides=2, padding="same")(before)])
    y = layers.Dropout(0.25)(layers.GlobalAveragePooling2D()(y))
    return keras.Model(x, layers.Dense(1)(y))


@example()
def conv_mixer():
    x = image()
    y = layers.BatchNormalization()(layers.Conv2D(8, 2, strides=2, activation="gelu")(x))
    for _ in range(2):
        z = layers.DepthwiseConv2D(5, padding="same", activation="gelu")(y)
        y = layers.Add()([layers.BatchNormalization()(z), y])
        y = layers.BatchNormalization()(layers.Conv2D(8, 1, activation="gelu")(y))
        y = kd.DropBlock2D(0.1, 3)(y)
    return keras.Model(x, layers.Dense(5, "softmax")(layers.GlobalAvgPool2D()(y)))


class Involution(layers.Layer):
    """Kernels that are made at each place from what is there."""

    def __init__(self, size=3, **kwargs):
        super().__init__(**kwargs)
        self.size = size
        self.reduce = keras.Sequential([layers.Conv2D(4, 1), layers.BatchNormalization()])
        self.make = layers.Conv2D(size * size, 1)

    def build(self, shape):
        self.reduce.build(shape)
        self.make.build((*shape[:-1], 4))
        self.height, self.width, self.channels = shape[1:]
        super().build(shape)

    def call(self, x):
        kernel = ops.reshape(
            self.make(self.reduce(x)), (-1, self.height, self.width, self.size**2, 1)
        )
        around = ops.image.extract_patches(x, self.size, strides=1, padding="same")
        around = ops.reshape(around, (-1, self.height, self.width, self.size**2, self.channels))
        return ops.sum(kernel * around, axis=3), kernel


@example()
def involution():
    x = image()
    y, kernel = Involution()(x)
    y = layers.SpatialDropout2D(0.2)(layers.MaxPooling2D()(layers.ReLU()(y)))
    y = layers.Dense(4)(layers.Flatten()(y))
    return keras.Model(x, {"class": y, "kernel": kernel})


@example()
def learnt_resizing():
    x = keras.Input((20, 20, 3), name="image")
    naive = layers.Resizing(8, 8, interpolation="bilinear")(x)
    y = layers.LeakyReLU(0.2)(layers.Conv2D(4, 7, padding="same")(x))
    y = layers.Resizing(8, 8)(layers.BatchNormalization()(layers.Conv2D(4, 1)(y)))
    y = layers.Add()([naive, layers.Conv2D(3, 7, padding="same")(y)])
    y = layers.GaussianNoise(0.1)(layers.Flatten()(y))
    return keras.Model(x, layers.Dense(3)(layers.Dropout(0.2)(y)))


def _mobile(x, size, rate):
    """Return an inverted residual with squeeze and excitation, as EfficientNet has."""
    y = layers.BatchNormalization()(layers.Conv2D(2 * size, 1, use_bias=False)(x))
    y = layers.DepthwiseConv2D(3, padding="same", activation="swish")(y)
    weight = layers.GlobalAveragePooling2D(keepdims=True)(y)
    weight = layers.Conv2D(2 * size, 1, activation="sigmoid")(layers.Conv2D(2, 1)(weight))
    y = layers.Conv2D(size, 1, use_bias=False)(layers.multiply([y, weight]))
    return kd.StochasticDepth(rate)([x, y])


@example()
def squeeze_and_excite():
    x = image()
    y = layers.Conv2D(6, 3, strides=2)(layers.Normalization(mean=120.0, variance=4000.0)(x))
    y = _mobile(_mobile(y, 6, 0.1), 6, 0.2)
    return keras.Model(x, layers.Dense(3, "softmax")(layers.GlobalMaxPooling2D()(y)))


@example()
def focal_modulation():
    x = image()
    y = layers.Conv2D(8, 4, strides=4)(x)
    z = layers.Dense(8 * 2 + 3)(layers.LayerNormalization()(y))
    query, context, gates = ops.split(z, [8, 16], axis=-1)
    whole = 0.0
    for level in range(2):
        context = layers.DepthwiseConv2D(3 + 2 * level, padding="same", activation="gelu")(context)
        whole = whole + context * gates[..., level : level + 1]
    mean = ops.gelu(ops.mean(context, axis=(1, 2), keepdims=True))
    modulator = layers.Conv2D(8, 1)(whole + mean * gates[..., 2:])
    y = y + kd.DropPath(0.2)(layers.Dropout(0.1)(layers.Dense(8)(query * modulator)))
    return keras.Model(x, layers.Dense(4)(layers.GlobalAveragePooling2D()(y)))


class LayerScale(layers.Layer):
    """A factor for each channel, small at first."""

    def build(self, shape):
        self.factor = self.add_weight(
            shape=(shape[-1],), initializer=lambda s, dtype: 0.5 * ops.ones(s)
        )

    def call(self, x):
        return self.factor * x


@example()
def convnext_blocks():
    x = image()
    y = layers.Conv2D(6, 2, strides=2)(x)
    for rate in (0.1, 0.3):
        z = layers.LayerNormalization(epsilon=1e-6)(layers.DepthwiseConv2D(5, padding="same")(y))
        z = layers.Dense(6)(layers.Dense(12, activation="gelu")(z))
        y = y + kd.DropPath(rate)(LayerScale()(z))
    return keras.Model(x, layers.Dense(4)(layers.GlobalAveragePooling2D()(y)))


@example()
def attention_over_a_bag():
    bag = [keras.Input((8, 8, 1), name=f"instance_{i}") for i in range(3)]
    encode = keras.Sequential(
        [layers.Flatten(), layers.Dense(8, "relu"), layers.Dropout(0.3), layers.Dense(6)]
    )
    score = keras.Sequential([layers.Dense(5, activation="tanh"), layers.Dense(1)])
    found = [encode(x) for x in bag]
    weights = layers.Softmax()(layers.concatenate([score(x) for x in found]))
    kept = [x * weights[:, i : i + 1] for i, x in enumerate(found)]
    return keras.Model(bag, [layers.Dense(2, "softmax")(layers.concatenate(kept)), weights])


@example()
def two_heads_of_a_student():
    x = image()
    y = layers.Flatten()(layers.AveragePooling2D(4)(x))
    y = layers.Dropout(0.2)(layers.Dense(8, activation="relu")(y))
    heads = [layers.Dense(4, name="label")(y), layers.Dense(4, name="teacher")(y)]
    return keras.Model(x, {"each": heads, "mean": layers.Average(name="mean")(heads)})


@example()
def spatial_transformer():
    x = keras.Input((10, 10, 1), name="image")
    y = layers.Dense(8, activation="tanh")(layers.Flatten()(x))
    theta = layers.Reshape((2, 3))(layers.Dense(6)(layers.Dropout(0.2)(y)))
    line = ops.linspace(-1.0, 1.0, 10)
    across, down = (ops.reshape(each, (-1,)) for each in ops.meshgrid(line, line))
    grid = ops.stack([across, down, ops.ones_like(down)])
    found = layers.Lambda(lambda t: ops.clip((ops.tanh(ops.matmul(t, grid)) + 1) * 4.5, 0.0, 9.0))(
        theta
    )
    low = ops.cast(ops.floor(found), "int32")
    rest = found - ops.cast(low, "float32")
    flat, high = ops.reshape(x, (-1, 100)), ops.minimum(low + 1, 9)
    total = 0.0
    for row, weight_row in ((low[:, 1], 1 - rest[:, 1]), (high[:, 1], rest[:, 1])):
        for column, weight in ((low[:, 0], 1 - rest[:, 0]), (high[:, 0], rest[:, 0])):
            values = ops.take_along_axis(flat, row * 10 + column, axis=1)
            total = total + values * weight * weight_row
    return keras.Model(x, layers.Dense(3)(total))
