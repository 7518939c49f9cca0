"""Models of tables: columns of numbers and of words, trees, and what people like."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops

import keras_dropouts as kd
from keras_io.example import example, words

_STRINGS = {"onnx": "takes strings", "samples": "takes strings"}


@example(draw={"colour": words}, refused=_STRINGS)
def columns_of_many_kinds():
    age = keras.Input((1,), name="age")
    sex = keras.Input((1,), dtype="int64", name="sex")
    colour = keras.Input((1,), dtype="string", name="colour")
    parts = [
        layers.Normalization(mean=50.0, variance=90.0)(age),
        layers.IntegerLookup(vocabulary=[0, 1], output_mode="one_hot")(sex),
        layers.StringLookup(vocabulary=["red", "green"], output_mode="multi_hot")(colour),
    ]
    y = layers.Dropout(0.5)(layers.Dense(8, activation="relu")(layers.concatenate(parts)))
    return keras.Model([age, sex, colour], layers.Dense(1, activation="sigmoid")(y))


@example(draw={"colour": words}, refused=_STRINGS)
def space_of_features():
    inputs = {
        "size": keras.Input((1,), name="size"),
        "colour": keras.Input((1,), dtype="string", name="colour"),
    }
    bins = layers.Discretization(bin_boundaries=[-1.0, 0.0, 1.0])(inputs["size"])
    colour = layers.StringLookup(vocabulary=["red", "green"])(inputs["colour"])
    crossed = layers.Lambda(
        lambda pair: pair[0] * 4 + ops.cast(pair[1], "int32"), output_shape=(1,)
    )([bins, colour])
    y = layers.CategoryEncoding(16, output_mode="one_hot")(crossed)
    return keras.Model(inputs, layers.Dense(1)(layers.Dropout(0.5)(y)))


@example()
def rare_fraud():
    parts = [layers.Dense(8, activation="relu"), layers.Dropout(0.3)]
    parts += [
        layers.Dense(8, activation="relu"),
        kd.ScheduledDropout(kd.schedules.LinearRamp(0.0, 0.3, ramp_steps=9)),
    ]
    return keras.Sequential([keras.Input((6,), name="row"), *parts, layers.Dense(1, "sigmoid")])


def _columns(count=3, sizes=5):
    """Return inputs of integers, their embeddings, and one input of numbers."""
    inputs = [keras.Input((), dtype="int64", name=f"column_{i}") for i in range(count)]
    return (
        inputs,
        [layers.Embedding(sizes, 4)(x) for x in inputs],
        keras.Input((3,), name="numbers"),
    )


@example(integers=5)
def wide_deep_and_crossed():
    inputs, embedded, numbers = _columns()
    wide = [layers.CategoryEncoding(5, output_mode="one_hot")(x[:, None]) for x in inputs]
    x0 = crossed = layers.concatenate([*embedded, numbers])
    for _ in range(2):
        crossed = x0 * layers.Dense(15)(crossed) + crossed
    deep = layers.Dropout(0.2)(layers.ReLU()(layers.BatchNormalization()(layers.Dense(8)(x0))))
    y = layers.concatenate([*wide, layers.BatchNormalization()(crossed), deep])
    return keras.Model([*inputs, numbers], layers.Dense(3, activation="softmax")(y))


@example(integers=5)
def table_transformer():
    inputs, embedded, numbers = _columns()
    y = ops.stack(embedded, axis=1) + layers.Embedding(3, 4)(ops.arange(3))
    z = layers.MultiHeadAttention(2, 2, dropout=0.2)(y, y)
    y = layers.LayerNormalization(epsilon=1e-6)(y + z)
    y = layers.LayerNormalization()(y + layers.Dropout(0.2)(layers.Dense(4, activation="gelu")(y)))
    y = layers.concatenate([layers.Flatten()(y), layers.LayerNormalization()(numbers)])
    y = layers.Dropout(0.2)(layers.Dense(6, activation="selu")(layers.BatchNormalization()(y)))
    return keras.Model([*inputs, numbers], layers.Dense(1, activation="sigmoid")(y))


class Gated(layers.Layer):
    """A residual that can shut itself."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.one, self.two = layers.Dense(units, activation="elu"), layers.Dense(units)
        self.linear, self.sigmoid = layers.Dense(units), layers.Dense(units, activation="sigmoid")
        self.norm, self.drop = layers.LayerNormalization(), layers.Dropout(0.2)
        self.project = layers.Dense(units)

    def call(self, inputs):
        x = self.drop(self.two(self.one(inputs)))
        if inputs.shape[-1] != self.units:
            inputs = self.project(inputs)
        return self.norm(inputs + self.linear(x) * self.sigmoid(x))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@example(integers=5)
def chosen_variables():
    inputs, embedded, numbers = _columns()
    embedded = [*embedded, layers.Dense(4)(numbers)]
    weights = layers.Softmax()(layers.Dense(4)(Gated(6)(layers.concatenate(embedded))))
    each = ops.stack([Gated(4)(x) for x in embedded], axis=1)
    y = ops.squeeze(ops.matmul(weights[:, None], each), axis=1)
    return keras.Model([*inputs, numbers], [layers.Dense(1, activation="sigmoid")(y), weights])


class Tree(keras.Model):
    """A decision tree whose branches are probabilities."""

    def __init__(self, depth=3, seed=0):
        super().__init__()
        self.depth, self.leaves = depth, 2**depth
        used = np.random.default_rng(seed).permutation(6)[:4]
        self.mask = np.eye(6, dtype="float32")[used]
        self.decide = layers.Dense(self.leaves, activation="sigmoid")
        self.drop = layers.Dropout(0.2)

    def build(self, shape):
        self.classes = self.add_weight(shape=(self.leaves, 3), initializer="random_normal")
        self.decide.build((shape[0], 4))
        super().build(shape)

    def call(self, features):
        chosen = self.drop(ops.matmul(features, ops.transpose(self.mask)))
        decisions = ops.expand_dims(self.decide(chosen), axis=2)
        decisions = ops.concatenate([decisions, 1 - decisions], axis=2)
        chance, first = ops.ones((ops.shape(features)[0], 1, 1)), 1
        for level in range(self.depth):
            chance = ops.tile(ops.reshape(chance, (-1, 2**level, 1)), [1, 1, 2])
            chance = chance * decisions[:, first : 2 * first]
            first = 2 * first
        return ops.matmul(ops.reshape(chance, (-1, self.leaves)), ops.softmax(self.classes))


class Forest(keras.Model):
    """The mean of several trees."""

    def __init__(self):
        super().__init__()
        self.trees = [Tree(seed=seed) for seed in range(3)]

    def call(self, inputs):
        return ops.mean(ops.stack([tree(inputs) for tree in self.trees]), axis=0)


@example()
def decision_forest():
    x = keras.Input((6,), name="row")
    return keras.Model(x, Forest()(layers.BatchNormalization()(x)))


class Ratings(keras.Model):
    """Users and films by the product of their embeddings, with a bias of each."""

    def __init__(self):
        super().__init__()
        self.tables = [layers.Embedding(9, size) for size in (4, 1, 4, 1)]
        self.drop = layers.Dropout(0.3)

    def call(self, inputs):
        user, user_bias, film, film_bias = (
            table(inputs[:, i // 2]) for i, table in enumerate(self.tables)
        )
        match = ops.sum(self.drop(user) * film, axis=1, keepdims=True)
        return ops.sigmoid(match + user_bias + film_bias)


@example(integers=9, signature=keras.InputSpec(dtype="int64", shape=(None, 2)))
def ratings():
    model = Ratings()
    model(np.zeros((2, 2), "int64"))
    return model


@example(integers=9)
def behaviour_transformer():
    films = keras.Input((5,), dtype="int32", name="films")
    stars, target = keras.Input((5,), name="stars"), keras.Input((1,), dtype="int32", name="target")
    table = layers.Embedding(9, 6)
    y = (table(films) + layers.Embedding(5, 6)(ops.arange(5))) * stars[..., None]
    y = layers.concatenate([y, table(target)], axis=1)
    z = layers.Dropout(0.1)(layers.MultiHeadAttention(2, 3, dropout=0.1)(y, y))
    y = layers.LeakyReLU()(layers.LayerNormalization()(layers.Add()([y, z])))
    y = layers.Dropout(0.1)(layers.LeakyReLU()(layers.Dense(8)(layers.Flatten()(y))))
    return keras.Model([films, stars, target], layers.Dense(1)(y))


@example(integers=9)
def towers_of_retrieval():
    user, history = (
        keras.Input(s, dtype="int32", name=n) for s, n in (((), "user"), ((None,), "seen"))
    )
    films = layers.Embedding(9, 6, mask_zero=True)
    seen = layers.GRU(6, dropout=0.2)(films(history))
    query = layers.Dense(6)(layers.concatenate([layers.Embedding(9, 6)(user), seen]))
    scores = ops.matmul(query, ops.transpose(films(ops.arange(9))))
    best, index = ops.top_k(scores, 3)
    return keras.Model({"user": user, "seen": history}, {"scores": best, "films": index})


@example(integers=9)
def next_film():
    seen = keras.Input((None,), dtype="int32", name="seen")
    y = layers.Dropout(0.2)(layers.Embedding(9, 6, mask_zero=True)(seen))
    for _ in range(2):
        z = layers.LayerNormalization()(y)
        y = y + layers.MultiHeadAttention(1, 6, dropout=0.2)(z, y, use_causal_mask=True)
        z = layers.Dropout(0.2)(
            layers.Conv1D(6, 1, activation="relu")(layers.LayerNormalization()(y))
        )
        y = y + layers.Conv1D(6, 1)(z)
    return keras.Model(seen, layers.Dense(9)(layers.LayerNormalization()(y)))


@example(integers=5)
def dots_of_columns():
    inputs, embedded, numbers = _columns()
    bottom = layers.Dense(4, activation="relu")(layers.Dense(6, activation="relu")(numbers))
    every = ops.stack([bottom, *embedded], axis=1)
    dots = ops.matmul(every, ops.transpose(every, (0, 2, 1)))
    rows, columns = np.tril_indices(4, -1)
    flat = ops.take(ops.reshape(dots, (-1, 16)), rows * 4 + columns, axis=1)
    y = layers.Dropout(0.2)(layers.Dense(8, activation="relu")(layers.concatenate([bottom, flat])))
    return keras.Model([*inputs, numbers], layers.Dense(1, activation="sigmoid")(y))
