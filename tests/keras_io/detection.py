"""Models that find where things are: boxes, points of a body, and letters of a line."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops

import keras_dropouts as kd
from keras_io.example import example
from keras_io.patches import attended, encoded
from keras_io.pictures import image


@example(lengths=(32, 48))
def pyramid_of_anchors():
    x = keras.Input((None, None, 3), name="image")
    c3 = layers.Conv2D(6, 3, strides=4, padding="same", activation="relu")(x)
    c4 = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(layers.Dropout(0.1)(c3))
    p4 = layers.Conv2D(6, 1)(c4)
    p3 = layers.Conv2D(6, 1)(c3) + layers.UpSampling2D(2)(p4)
    prior = keras.initializers.Constant(-np.log(99.0))
    classes = [
        kd.DropBlock2D(0.1, 2),
        layers.Conv2D(2 * 3, 3, padding="same", bias_initializer=prior),
    ]
    heads = {"class": keras.Sequential(classes), "box": layers.Conv2D(2 * 4, 3, padding="same")}
    outputs = {
        name: layers.Concatenate(axis=1, name=name)(
            [layers.Reshape((-1, size))(head(level)) for level in (p3, p4)]
        )
        for (name, head), size in zip(heads.items(), (3, 4), strict=True)
    }
    return keras.Model(x, outputs)


@example()
def box_transformer():
    x = image()
    y = layers.Flatten()(layers.LayerNormalization()(attended(encoded(x))))
    y = layers.Dropout(0.3)(layers.Dense(8, activation="gelu")(layers.Dropout(0.3)(y)))
    return keras.Model(x, layers.Dense(4, name="box")(y))


@example()
def points_of_a_dog():
    x = image()
    y = layers.Conv2D(6, 3, strides=2, activation="relu")(layers.Rescaling(1 / 127.5, -1)(x))
    y = layers.SeparableConv2D(8, 5, strides=1, activation="relu")(layers.Dropout(0.3)(y))
    y = layers.SeparableConv2D(6, 3, strides=1, activation="sigmoid")(y)
    return keras.Model(x, y)


@example()
def grid_of_boxes():
    x = image()
    y = layers.LeakyReLU(0.1)(layers.Conv2D(8, 3, strides=4, padding="same")(x))
    y = layers.Reshape((4, 4, 2, 8))(layers.Conv2D(16, 1)(kd.SpatialDropout(0.1)(y)))
    rows, columns = ops.meshgrid(ops.arange(4.0), ops.arange(4.0), indexing="ij")
    grid = ops.stack([columns, rows], axis=-1)[None, :, :, None]
    centre = (ops.sigmoid(y[..., :2]) + grid) / 4
    size = ops.exp(ops.clip(y[..., 2:4], -4.0, 4.0)) * np.array([[0.2, 0.3], [0.5, 0.4]], "float32")
    boxes = layers.Reshape((-1, 4))(ops.concatenate([centre - size / 2, centre + size / 2], -1))
    scores = layers.Reshape((-1, 3))(ops.sigmoid(y[..., 4:5]) * ops.softmax(y[..., 5:]))
    best, index = ops.top_k(ops.max(scores, axis=-1), 5)
    chosen = ops.take_along_axis(boxes, index[..., None], axis=1)
    return keras.Model(x, {"boxes": chosen, "scores": best, "index": index})


@example()
def peaks_of_a_map():
    x = image()
    y = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu")(x)
    heat = layers.Conv2D(2, 1, activation="sigmoid")(layers.Dropout(0.2)(y))
    peak = ops.where(layers.MaxPooling2D(3, 1, padding="same")(heat) <= heat, heat, 0.0)
    scores, index = ops.top_k(layers.Flatten()(peak), 4)
    return keras.Model(x, [scores, index // 16, (index // 2) % 8, index % 2])


class Overlaps(layers.Layer):
    """Keeps the boxes that overlap with no better one, by a loop of a fixed number of rounds."""

    def call(self, boxes, scores):
        low = ops.maximum(boxes[:, :, None, :2], boxes[:, None, :, :2])
        high = ops.minimum(boxes[:, :, None, 2:], boxes[:, None, :, 2:])
        inner = ops.prod(ops.maximum(high - low, 0.0), axis=-1)
        area = ops.prod(boxes[..., 2:] - boxes[..., :2], axis=-1)
        union = area[:, :, None] + area[:, None] - inner
        over = inner / union > 0.3
        kept = ops.zeros_like(scores)
        for _ in range(3):
            best = ops.one_hot(ops.argmax(scores, axis=1), 12)
            kept = kept + best * scores
            gone = ops.any(ops.logical_and(over, best[:, None] > 0), axis=-1)
            scores = ops.where(gone, 0.0, scores)
        return kept


@example()
def boxes_without_overlap():
    x = image()
    y = layers.Dense(60)(layers.Dropout(0.2)(layers.Flatten()(layers.AveragePooling2D(4)(x))))
    y = layers.Reshape((12, 5))(y)
    boxes = ops.concatenate([y[..., :2], y[..., :2] + ops.softplus(y[..., 2:4]) + 0.1], axis=-1)
    kept = Overlaps()(boxes, ops.sigmoid(y[..., 4]))
    return keras.Model(x, {"boxes": boxes, "kept": kept})


class Alignment(layers.Layer):
    """Adds the loss of a sequence without times, and hands the predictions on."""

    def call(self, labels, predicted):
        batch = ops.shape(labels)[0]
        lengths = (ops.ones((batch,), "int32") * ops.shape(each)[1] for each in (labels, predicted))
        self.add_loss(ops.mean(ops.ctc_loss(labels, predicted, *lengths, mask_index=0)))
        return predicted


def _letters(side):
    picture = keras.Input((24, 12, 1), name="image")
    y = layers.Conv2D(4, 3, activation="relu", padding="same")(picture)
    y = layers.Reshape((12, 24))(layers.MaxPooling2D(2)(y))
    y = layers.Dropout(0.2)(layers.Dense(8, activation="relu")(y))
    y = layers.Bidirectional(layers.LSTM(6, return_sequences=True, dropout=0.25))(y)
    return picture, layers.Dense(side, activation="softmax", name="letters")(y)


@example()
def letters_of_a_line():
    return keras.Model(*_letters(9))


@example(integers=8)
def letters_while_training():
    picture, predicted = _letters(9)
    labels = keras.Input((4,), dtype="int32", name="label")
    return keras.Model([picture, labels], Alignment(name="loss")(labels, predicted))
