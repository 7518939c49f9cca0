"""Models of graphs: papers that cite each other, molecules, and roads."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops

import keras_dropouts as kd
from keras_io.example import example

NODES, EDGES, WIDTH = 7, 12, 6
_RANDOM = np.random.default_rng(4)
FEATURES = _RANDOM.standard_normal((NODES, 5)).astype("float32")
LINKS = _RANDOM.integers(0, NODES, (2, EDGES)).astype("int32")
NEAR = ((_RANDOM.random((NODES, NODES)) < 0.4) + np.eye(NODES) > 0).astype("float32")


class Messages(layers.Layer):
    """Sums over the edges of one graph what each neighbour has to say."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.say = keras.Sequential([layers.Dropout(0.2), layers.Dense(WIDTH, activation="gelu")])
        self.hear = keras.Sequential([layers.Dropout(0.2), layers.Dense(WIDTH, activation="gelu")])

    def call(self, nodes):
        said = self.say(ops.take(nodes, LINKS[1], axis=0))
        heard = ops.segment_sum(said, ops.convert_to_tensor(LINKS[0]), num_segments=NODES)
        heard = self.hear(ops.concatenate([nodes, heard], axis=1))
        return heard / ops.maximum(ops.norm(heard, axis=-1, keepdims=True), 1e-6)


class Citations(keras.Model):
    """A net over one graph that it holds; it is asked for some of its nodes."""

    def __init__(self):
        super().__init__()
        self.before, self.after = layers.Dense(WIDTH), layers.Dense(WIDTH)
        self.rounds = [Messages(), Messages()]
        self.logits = layers.Dense(3)

    def call(self, indices):
        x = self.before(ops.convert_to_tensor(FEATURES))
        for each in self.rounds:
            x = x + each(x)
        return self.logits(ops.take(self.after(x), ops.cast(indices, "int32"), axis=0))


@example(signature=keras.InputSpec(dtype="int32", shape=(None,)), integers=NODES)
def cited_papers():
    model = Citations()
    model(np.array([1, 2], "int32"))
    return model


class Attention(layers.Layer):
    """Attention along the edges of a graph that comes with its nodes."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[0][-1], WIDTH), initializer="glorot_uniform")
        self.score = self.add_weight(shape=(2 * WIDTH, 1), initializer="glorot_uniform")
        self.drop = layers.Dropout(0.3)

    def call(self, inputs):
        nodes, links = inputs
        nodes = self.drop(ops.matmul(nodes, self.kernel))
        pairs = ops.reshape(ops.take(nodes, links, axis=0), (-1, 2 * WIDTH))
        scores = ops.exp(ops.clip(ops.leaky_relu(ops.matmul(pairs, self.score))[:, 0], -2.0, 2.0))
        total = ops.segment_sum(scores, links[:, 0], num_segments=NODES)
        scores = scores / ops.take(total, links[:, 0], axis=0)
        said = ops.take(nodes, links[:, 1], axis=0) * scores[:, None]
        return ops.segment_sum(said, links[:, 0], num_segments=NODES)


@example(
    draw={
        "links": lambda random, shape: np.sort(random.integers(0, NODES, shape), 0).astype("int32"),
        "nodes": lambda random, shape: random.standard_normal((NODES, 5)).astype("float32"),
    },
)
def attention_along_edges():
    nodes = keras.Input(batch_shape=(NODES, 5), name="nodes")
    links = keras.Input((2,), dtype="int32", name="links")
    return keras.Model([nodes, links], layers.Dense(3)(ops.elu(Attention()([nodes, links]))))


@example()
def molecules():
    atoms, bonds = keras.Input((8, 5), name="atoms"), keras.Input((4, 8, 8), name="bonds")
    y = layers.Dense(WIDTH)(atoms)
    for _ in range(2):
        said = ops.matmul(bonds, y[:, None])
        said = layers.Dense(WIDTH)(ops.transpose(said, (0, 2, 1, 3)))
        y = layers.Dropout(0.2)(ops.relu(ops.sum(said, axis=2)))
    y = layers.Dense(4, activation="relu")(layers.GlobalAveragePooling1D()(y))
    return keras.Model([atoms, bonds], layers.Dense(1)(y))


@example(draw={"parts": lambda random, shape: np.zeros(shape, "int32")})
def steps_of_messages():
    atoms, bonds = keras.Input((6, 5), name="atoms"), keras.Input((6, 6, 3), name="bonds")
    state = layers.Dense(WIDTH)(atoms)
    kernel = layers.Reshape((6, 6, WIDTH, WIDTH))(layers.Dense(WIDTH * WIDTH)(bonds))
    update = layers.GRUCell(WIDTH, dropout=0.1)
    for _ in range(2):
        said = ops.einsum("bijkl,bjl->bik", kernel, state)
        flat = ops.reshape(said, (-1, WIDTH))
        state = ops.reshape(update(flat, [ops.reshape(state, (-1, WIDTH))])[0], (-1, 6, WIDTH))
    mixed = layers.MultiHeadAttention(2, 3, dropout=0.1)(state, state)
    y = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(state + mixed))
    return keras.Model([atoms, bonds], layers.Dense(1, activation="sigmoid")(y))


@example(integers=NODES)
def walks_over_nodes():
    one, two = (keras.Input((), dtype="int32", name=n) for n in ("target", "context"))
    table = kd.EmbeddingDropout(layers.Embedding(NODES, WIDTH), 0.1)
    return keras.Model(
        {"target": one, "context": two}, layers.Dot(axes=1)([table(one), table(two)])
    )


class Roads(layers.Layer):
    """A graph convolution at each hour, and a recurrent layer over the hours of each road."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.near = NEAR / NEAR.sum(axis=1, keepdims=True)
        self.kernel = layers.Dense(WIDTH, use_bias=False)
        self.hours, self.out = layers.LSTM(5, dropout=0.1), layers.Dense(3)

    def call(self, x):
        x = ops.transpose(x, (2, 0, 1, 3))
        mixed = ops.tensordot(ops.convert_to_tensor(self.near), self.kernel(x), axes=1)
        shape = ops.shape(x)
        flat = ops.reshape(ops.relu(mixed), (shape[0] * shape[1], shape[2], WIDTH))
        y = ops.reshape(self.out(self.hours(flat)), (shape[0], shape[1], 3))
        return ops.transpose(y, (1, 2, 0))


@example()
def traffic():
    x = keras.Input((9, NODES, 1), name="speeds")
    return keras.Model(x, Roads()(layers.SpatialDropout2D(0.1)(x)))
