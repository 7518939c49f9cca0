"""Models that cut an image into patches: transformers, mixers and their kin."""

from __future__ import annotations

import keras
from keras import layers, ops

import keras_dropouts as kd
from keras_io.example import example
from keras_io.pictures import SIDE, LayerScale, image

WIDTH, PATCHES = 8, 16


class Patches(layers.Layer):
    """Cuts an image into squares and puts each into a row."""

    def __init__(self, size=4, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def call(self, images):
        rows = ops.image.extract_patches(images, size=self.size)
        return ops.reshape(rows, (-1, (images.shape[1] // self.size) ** 2, 3 * self.size**2))

    def get_config(self):
        return {**super().get_config(), "size": self.size}


class Places(layers.Layer):
    """Adds a learnt vector for each place."""

    def build(self, shape):
        self.table = self.add_weight(shape=(1, *shape[1:]), initializer="uniform")

    def call(self, x):
        return x + self.table


def encoded(x):
    """Return the patches of an image, projected and placed."""
    return Places()(layers.Dense(WIDTH)(Patches()(x)))


def attended(y, rate=0.1):
    """Return a block of a transformer that normalizes first."""
    z = layers.LayerNormalization()(y)
    y = layers.Add()([layers.MultiHeadAttention(2, 4, dropout=rate)(z, z), y])
    z = layers.Dropout(rate)(layers.Dense(16, activation="gelu")(layers.LayerNormalization()(y)))
    return layers.Add()([layers.Dropout(rate)(layers.Dense(WIDTH)(z)), y])


@example()
def vision_transformer():
    x = image()
    y = attended(attended(encoded(x)))
    y = layers.Dropout(0.5)(layers.Flatten()(layers.LayerNormalization()(y)))
    return keras.Model(x, layers.Dense(5)(layers.Dense(8, activation="gelu")(y)))


@example()
def patch_dropping_transformer():
    x = image()
    y = kd.PatchDropout(0.5)(encoded(x))
    y = layers.GlobalAveragePooling1D()(attended(y))
    return keras.Model(x, layers.Dense(5)(y))


class DroppedDepth(layers.Layer):
    """A user's own stochastic depth, from a generator of its own."""

    def __init__(self, rate, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate
        self.numbers = keras.random.SeedGenerator(1)

    def call(self, x, training=False):
        if not training:
            return x
        shape = (ops.shape(x)[0],) + (1,) * (len(x.shape) - 1)
        kept = ops.floor(1 - self.rate + keras.random.uniform(shape, seed=self.numbers))
        return x / (1 - self.rate) * kept

    def get_config(self):
        return {**super().get_config(), "rate": self.rate}


@example()
def compact_transformer():
    x = image()
    y = layers.ZeroPadding2D(1)(layers.Conv2D(6, 3, activation="relu", use_bias=False)(x))
    y = layers.Reshape((-1, WIDTH))(layers.Conv2D(WIDTH, 3, strides=3)(y))
    z = layers.LayerNormalization()(y)
    z = layers.MultiHeadAttention(2, 4, dropout=0.1)(z, z)
    y = layers.LayerNormalization()(layers.Add()([DroppedDepth(0.2)(z), y]))
    weights = layers.Softmax(axis=1)(layers.Dense(1)(y))
    pooled = ops.squeeze(ops.matmul(ops.transpose(weights, (0, 2, 1)), y), axis=1)
    return keras.Model(x, layers.Dense(4)(layers.Dropout(0.1)(pooled)))


@example()
def mlp_mixer():
    x = image()
    y = encoded(x)
    for _ in range(2):
        z = layers.Permute((2, 1))(layers.LayerNormalization()(y))
        z = layers.Dense(PATCHES)(layers.Dropout(0.2)(layers.Dense(12, "gelu")(z)))
        y = y + layers.Permute((2, 1))(z)
        y = y + layers.Dense(WIDTH)(layers.Dense(12, "gelu")(layers.LayerNormalization()(y)))
    return keras.Model(x, layers.Dense(3)(layers.Dropout(0.2)(layers.GlobalAvgPool1D()(y))))


@example()
def gated_mlp():
    x = image()
    y = encoded(x)
    z = layers.Dense(16, activation="gelu")(layers.LayerNormalization()(y))
    one, two = ops.split(layers.Dropout(0.2)(z), 2, axis=-1)
    two = layers.Permute((2, 1))(layers.LayerNormalization()(two))
    two = layers.Permute((2, 1))(layers.Dense(PATCHES, bias_initializer="ones")(two))
    y = y + layers.Dense(WIDTH)(one * two)
    return keras.Model(x, layers.Dense(3)(layers.GlobalAveragePooling1D()(y)))


@example()
def external_attention():
    x = image()
    y = encoded(x)
    z = ops.transpose(ops.reshape(layers.Dense(16)(y), (-1, PATCHES, 4, 4)), (0, 2, 1, 3))
    scores = layers.Softmax(axis=2)(layers.Dense(6)(z))
    scores = scores / (1e-9 + ops.sum(scores, axis=-1, keepdims=True))
    z = layers.Dropout(0.2)(layers.Dense(4)(layers.Dropout(0.2)(scores)))
    z = layers.Dense(WIDTH)(ops.reshape(ops.transpose(z, (0, 2, 1, 3)), (-1, PATCHES, 16)))
    return keras.Model(x, layers.Dense(3, "softmax")(layers.GlobalAveragePooling1D()(y + z)))


class Latents(layers.Layer):
    """A learnt array, repeated for each row of the batch."""

    def build(self, shape):
        self.array = self.add_weight(shape=(5, WIDTH), initializer="random_normal")

    def call(self, x):
        return ops.broadcast_to(self.array[None], (ops.shape(x)[0], 5, WIDTH))


@example()
def perceiver():
    x = image()
    y = encoded(x)
    latents = Latents()(y)
    for _ in range(2):
        crossed = layers.Attention(use_scale=True, dropout=0.1)(
            [layers.Dense(WIDTH)(layers.LayerNormalization()(latents)), layers.Dense(WIDTH)(y)]
        )
        latents = attended(layers.Add()([crossed, latents]))
    return keras.Model(x, layers.Dense(4)(layers.GlobalAveragePooling1D()(latents)))


class WindowAttention(layers.Layer):
    """Attention inside windows, which may be shifted, with a bias for each relative place."""

    def __init__(self, shift=0, **kwargs):
        super().__init__(**kwargs)
        self.shift = shift
        self.all, self.out = layers.Dense(3 * WIDTH), layers.Dense(WIDTH)
        self.drop = layers.Dropout(0.1)

    def build(self, shape):
        self.bias = self.add_weight(shape=(9, 2), initializer="random_normal", name="bias")
        row, column = ops.meshgrid(ops.arange(2), ops.arange(2), indexing="ij")
        row, column = ops.reshape(row, (-1,)), ops.reshape(column, (-1,))
        self.index = ops.convert_to_numpy(
            (row[:, None] - row + 1) * 3 + (column[:, None] - column + 1)
        )

    def call(self, x):
        x = ops.reshape(x, (-1, 4, 4, WIDTH))
        x = ops.roll(x, (-self.shift, -self.shift), axis=(1, 2)) if self.shift else x
        x = ops.reshape(
            ops.transpose(ops.reshape(x, (-1, 2, 2, 2, 2, WIDTH)), (0, 1, 3, 2, 4, 5)),
            (-1, 4, WIDTH),
        )
        q, k, v = ops.split(ops.reshape(self.all(x), (-1, 4, 2, 12)), 3, axis=-1)
        scores = ops.einsum("bthd,bshd->bhts", q, k) / 2
        scores = scores + ops.transpose(ops.take(self.bias, self.index, axis=0), (2, 0, 1))
        y = ops.einsum("bhts,bshd->bthd", self.drop(ops.softmax(scores)), v)
        y = ops.reshape(self.out(ops.reshape(y, (-1, 4, WIDTH))), (-1, 2, 2, 2, 2, WIDTH))
        y = ops.reshape(ops.transpose(y, (0, 1, 3, 2, 4, 5)), (-1, 4, 4, WIDTH))
        y = ops.roll(y, (self.shift, self.shift), axis=(1, 2)) if self.shift else y
        return ops.reshape(y, (-1, PATCHES, WIDTH))

    def get_config(self):
        return {**super().get_config(), "shift": self.shift}


@example()
def shifted_windows():
    x = image()
    y = encoded(x)
    for shift in (0, 1):
        y = y + kd.DropPath(0.1)(WindowAttention(shift)(layers.LayerNormalization()(y)))
    merged = layers.Lambda(
        lambda z: ops.concatenate([z[:, a::2, b::2] for a in (0, 1) for b in (0, 1)], axis=-1)
    )(layers.Reshape((4, 4, WIDTH))(y))
    y = layers.Dense(16, use_bias=False)(merged)
    return keras.Model(x, layers.Dense(4)(layers.GlobalAveragePooling2D()(y)))


@example()
def class_attention():
    x = image()
    y = encoded(x)
    y = y + kd.DropPath(0.2)(LayerScale()(attended(y)))
    token = layers.Lambda(lambda z: z[:, :1])(Latents()(y))
    both = layers.Concatenate(axis=1)([token, y])
    attention = layers.MultiHeadAttention(2, 4, dropout=0.1)
    token = token + LayerScale()(attention(token, both))
    return keras.Model(x, layers.Dense(4)(layers.Dropout(0.2)(token[:, 0])))


@example()
def token_learner():
    x = image()
    y = layers.Reshape((4, 4, WIDTH))(attended(encoded(x)))
    maps = layers.Conv2D(3, 3, activation="gelu", padding="same")(layers.LayerNormalization()(y))
    maps = layers.Conv2D(3, 3, activation="sigmoid", padding="same")(maps)
    maps = layers.Permute((2, 1))(layers.Reshape((-1, 3))(maps))[..., None]
    tokens = ops.mean(maps * layers.Reshape((1, -1, WIDTH))(y), axis=2)
    return keras.Model(x, layers.Dense(4)(layers.GlobalAveragePooling1D()(attended(tokens))))


@example()
def shifted_channels():
    x = image()
    y = layers.Conv2D(WIDTH, 4, strides=4)(x)
    parts = ops.split(y, [2, 4, 6], axis=-1)
    parts[0] = ops.pad(parts[0][:, :, 1:], [[0, 0], [0, 0], [0, 1], [0, 0]])
    parts[1] = ops.pad(parts[1][:, :-1], [[0, 0], [1, 0], [0, 0], [0, 0]])
    z = layers.Conv2D(16, 1, activation="gelu")(
        layers.GroupNormalization(1)(ops.concatenate(parts, -1))
    )
    y = y + kd.DropPath(0.2)(layers.Dropout(0.1)(layers.Conv2D(WIDTH, 1)(z)))
    return keras.Model(x, layers.Dense(3)(layers.GlobalAveragePooling2D()(y)))


@example()
def mobile_transformer():
    x = image()
    local = layers.Conv2D(WIDTH, 3, strides=2, padding="same", activation="swish")(x)
    y = ops.reshape(layers.Conv2D(WIDTH, 1)(local), (-1, 4, 16, WIDTH))
    z = layers.LayerNormalization()(y)
    y = y + layers.MultiHeadAttention(2, 4, dropout=0.1, attention_axes=2)(z, z)
    y = layers.Concatenate()([local, layers.Reshape((8, 8, WIDTH))(y)])
    y = layers.GlobalAvgPool2D()(layers.Conv2D(WIDTH, 3, padding="same", activation="swish")(y))
    return keras.Model(x, layers.Dense(4, "softmax")(y))


@example()
def masked_patches():
    x, kept = image(), keras.Input((6,), dtype="int32", name="kept")
    y = encoded(x)
    seen = attended(ops.take_along_axis(y, kept[..., None] % PATCHES, axis=1))
    whole = layers.Concatenate(axis=1)([seen, Latents()(y)])
    made = layers.Dense(SIDE * SIDE * 3, activation="sigmoid")(layers.Flatten()(attended(whole)))
    return keras.Model([x, kept], layers.Reshape((SIDE, SIDE, 3))(made))
