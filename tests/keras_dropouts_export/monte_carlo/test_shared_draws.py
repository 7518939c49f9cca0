"""What an export says of layers whose draws the rows of a batch share."""

import json

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from keras import layers, ops

import keras_dropouts as kd
import keras_dropouts_export as kde

WHOLE = "the inputs are one whole, as the nodes and edges of a graph"
TOGETHER = "the model puts the rows of a batch together"
NO_ROW = "the model has an output that belongs to no row"
ONE_SIZE = "the model takes batches of one size"


def by_weights(inputs):
    return kd.DropConnect(layers.Dense(4, name="dense"), 0.5, name="drop_connect")(inputs)


def fixed_batch():
    inputs = keras.Input(batch_shape=(3, 6))
    return keras.Model(inputs, layers.Dense(2)(by_weights(inputs)))


def rows_put_together():
    inputs = keras.Input((6,))
    x = by_weights(inputs)
    mean = ops.mean(x, axis=0)
    return keras.Model(inputs, x - mean)


def output_without_rows():
    inputs = keras.Input((6,))
    return keras.Model(inputs, [by_weights(inputs), ops.sum(inputs, axis=0)])


def by_row():
    inputs = keras.Input((6,))
    x = kd.ScheduledDropout(0.5)(inputs)
    return keras.Model(inputs, layers.Dense(2)(by_weights(x)))


@pytest.mark.parametrize(
    ("make", "layer", "reason"),
    [
        (fixed_batch, "drop_connect", ONE_SIZE),
        (rows_put_together, "drop_connect", TOGETHER),
        (output_without_rows, "drop_connect", NO_ROW),
    ],
)
def test_an_export_names_layers_whose_draws_rows_share(make, layer, reason, tmp_path):
    path = tmp_path / "model.onnx"
    report = kde.export_onnx(make(), path, samples=4, reduce=None)
    assert report.shared_draws == {layer: reason}
    assert json.loads(report.to_json())["shared_draws"] == {layer: reason}
    said = "rows of a batch share what these draw, by the seed of the first row\n"
    assert f"{said}    {layer}: {reason}" in str(report)
    (seed,) = (each for each in onnx.load(path).graph.input if each.name == "seed")
    assert f"{layer}" in seed.doc_string
    assert reason in seed.doc_string


def test_what_is_said_to_be_shared_is_drawn_by_the_first_seed(tmp_path):
    path = tmp_path / "model.onnx"
    kde.export_onnx(fixed_batch(), path, samples=4, reduce=None)
    session = onnxruntime.InferenceSession(path)
    (x,) = (each for each in session.get_inputs() if each.name != "seed")
    row = np.random.default_rng(0).normal(size=(1, 6)).astype("float32").repeat(3, axis=0)

    def samples(*seeds):
        return session.run(None, {x.name: row, "seed": np.array(seeds, "int64")})[0]

    first = samples(5, 6, 7)
    np.testing.assert_allclose(first[0], first[1], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(first, samples(5, 9, -1), rtol=1e-6, atol=1e-7)
    assert not np.allclose(first, samples(6, 5, 7))


def test_an_export_says_nothing_where_rows_have_their_own(tmp_path):
    report = kde.export_onnx(by_row(), tmp_path / "model.onnx", samples=4)
    assert report.shared_draws == {}
    assert "share what these draw" not in str(report)


def test_an_export_with_fixed_masks_says_nothing(tmp_path):
    options = {"samples": 4, "fixed_masks": True}
    assert kde.export_onnx(fixed_batch(), tmp_path / "model.onnx", **options).shared_draws == {}
    report = kde.export_saved_model(fixed_batch(), tmp_path / "model", samples=4)
    assert report.shared_draws == {"drop_connect": ONE_SIZE}


class Nodes(keras.Model):
    """A graph net of two inputs whose first dimensions need not be equal."""

    def __init__(self):
        super().__init__()
        self.drop = layers.Dropout(0.5, name="drop")
        self.dense = layers.Dense(2)

    def call(self, inputs):
        nodes, edges = inputs
        x = self.dense(self.drop(nodes))
        return x + 0.0 * ops.sum(ops.cast(edges, "float32"))


def test_inputs_that_are_one_whole_share_all_draws(tmp_path):
    model = Nodes()
    inputs = (np.ones((3, 4), "float32"), np.zeros((5, 2), "float32"))
    model(inputs)
    signature = tuple(keras.InputSpec(shape=(None, n), dtype="float32") for n in (4, 2))
    report = kde.export_onnx(
        model,
        tmp_path / "model.onnx",
        samples=4,
        input_signature=(signature,),
        sample_inputs=inputs,
    )
    assert report.shared_draws == {"drop": WHOLE}
