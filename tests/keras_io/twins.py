"""Models of several inputs that share their weights, of embeddings, and of several outputs."""

from __future__ import annotations

import keras
from keras import layers, ops

import keras_dropouts as kd
from keras_io.example import example
from keras_io.pictures import image


def _tower(side=12):
    return keras.Sequential(
        [
            keras.Input((side, side, 3)),
            layers.BatchNormalization(),
            layers.Conv2D(4, 3, activation="tanh"),
            kd.SpatialDropout(0.2),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(6, activation="tanh"),
        ]
    )


@example()
def contrastive_twins():
    one, two = (keras.Input((12, 12, 3), name=n) for n in ("one", "two"))
    tower = _tower()
    gap = layers.Lambda(
        lambda pair: ops.sqrt(
            ops.maximum(ops.sum((pair[0] - pair[1]) ** 2, axis=1, keepdims=True), 1e-7)
        )
    )([tower(one), tower(two)])
    return keras.Model([one, two], layers.Dense(1, "sigmoid")(layers.BatchNormalization()(gap)))


class Distances(layers.Layer):
    """How far an anchor is from what is like it, and from what is not."""

    def call(self, anchor, positive, negative):
        return (
            ops.sum((anchor - positive) ** 2, -1),
            ops.sum((anchor - negative) ** 2, -1),
        )


@example()
def triplets():
    inputs = [keras.Input((12, 12, 3), name=n) for n in ("anchor", "positive", "negative")]
    tower = _tower()
    return keras.Model(inputs, Distances()(*(tower(x) for x in inputs)))


@example()
def contrasted_views():
    x = image()
    changed = keras.Sequential(
        [layers.Rescaling(1 / 255), layers.RandomFlip(), layers.RandomZoom((-0.3, 0.0))]
    )
    features = layers.Dense(8, "relu")(layers.GlobalAvgPool2D()(layers.Conv2D(6, 3)(changed(x))))
    projected = layers.Dense(8)(layers.Dropout(0.2)(layers.Dense(8, activation="relu")(features)))
    probe = layers.Dense(4)(features)
    outputs = {"projection": layers.UnitNormalization()(projected), "probe": probe}
    return keras.Model(x, outputs)


@example(integers=20)
def same_meaning():
    tokens = keras.Input((9,), dtype="int32")
    y = layers.Embedding(20, 6)(tokens)
    y = layers.Bidirectional(layers.LSTM(4, return_sequences=True, dropout=0.1))(y)
    y = layers.concatenate([layers.GlobalAveragePooling1D()(y), layers.GlobalMaxPooling1D()(y)])
    encode = keras.Model(tokens, layers.Dropout(0.3)(y))
    one, two = (keras.Input((9,), dtype="int32", name=n) for n in ("premise", "hypothesis"))
    a, b = encode(one), encode(two)
    y = layers.concatenate([a, b, ops.abs(a - b), a * b])
    return keras.Model([one, two], layers.Dense(3, activation="softmax")(y))


@example(integers=20)
def tickets():
    title = keras.Input((None,), dtype="int32", name="title")
    body = keras.Input((None,), dtype="int32", name="body")
    tags = keras.Input((5,), name="tags")
    read = [layers.LSTM(4, dropout=0.2)(layers.Embedding(20, 6)(x)) for x in (title, body)]
    y = layers.concatenate([*read, tags])
    outputs = [layers.Dense(1, name="priority")(y), layers.Dense(4, name="department")(y)]
    return keras.Model([title, body, tags], outputs)


@example()
def experts_of_many_tasks():
    x = keras.Input((7,), name="features")
    experts = ops.stack(
        [kd.ConcreteDropout(layers.Dense(5, "relu"), data_size=64)(x) for _ in range(3)], axis=1
    )
    outputs = {}
    for task in ("click", "buy"):
        gate = layers.Dense(3, activation="softmax", name=f"gate_{task}")(x)
        mixed = ops.sum(gate[..., None] * experts, axis=1)
        outputs[task] = layers.Dense(1, "sigmoid", name=task)(layers.Dropout(0.3)(mixed))
    return keras.Model(x, outputs)


@example()
def actor_and_critic():
    x = keras.Input((4,), name="state")
    y = layers.Dropout(0.1)(layers.Dense(8, activation="relu")(x))
    return keras.Model(x, [layers.Dense(2, "softmax", name="act")(y), layers.Dense(1, name="v")(y)])


@example()
def action_and_state():
    state, action = keras.Input((3,), name="state"), keras.Input((1,), name="action")
    y = layers.Dense(6, activation="relu")(layers.Dense(5, activation="relu")(state))
    y = layers.Concatenate()([y, layers.Dense(6, activation="relu")(action)])
    y = layers.Dropout(0.2)(layers.Dense(8, activation="relu")(y))
    return keras.Model([state, action], layers.Dense(1)(y))


@example()
def frames_of_a_game():
    return keras.Sequential(
        [
            keras.Input((4, 20, 20), name="frames"),
            layers.Permute((2, 3, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(6, 8, strides=4, activation="relu"),
            layers.Flatten(),
            layers.Dense(8, activation="relu"),
            kd.ScheduledDropout(0.2),
            layers.Dense(4),
        ]
    )
