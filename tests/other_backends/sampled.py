"""Exports Monte-Carlo dropout from another backend than TensorFlow; run as a program."""

import sys
from pathlib import Path

import common
import keras
import numpy as np
from common import BACKEND, close, run, stirred
from keras import layers

import keras_dropouts as kd
import keras_dropouts_export as kde

folder = Path(sys.argv[1])
random = np.random.default_rng(0)
seeds = kd.row_seeds(5, 4)


def predict(model, x, samples):
    """Return the samples of this backend, rows first."""
    found = kd.mc_predict(model, x, samples, row_seeds=seeds, verbose=False).samples
    return keras.tree.map_structure(lambda each: np.swapaxes(each, 0, 1), found)


# Masks alone: what is 0 in one is 0 in the other, bit for bit.
model = keras.Sequential(
    [
        keras.Input((8, 64), name="x"),
        kd.ScheduledDropout(0.5),
        layers.Dropout(0.25),
        kd.SpatialDropout(0.3),
    ],
    name="masks",
)
ones = np.ones((4, 8, 64), "float32")
report = kde.export_onnx(model, folder / "masks.onnx", samples=6, reduce=None)
(answer,) = run(folder / "masks.onnx", x=ones, seed=seeds).values()
wanted = predict(model, ones, 6)
np.testing.assert_array_equal(answer == 0, wanted == 0)
assert 0.3 < (answer == 0).mean() < 0.95
close(answer, wanted, "masks")
assert report.samples == 6
assert any(row.model_on == BACKEND for row in report.parity.rows)

# Recurrent layers, of which PyTorch runs some as one operation, with reduced outputs.
inputs = keras.Input((7, 4), name="series")
h = layers.LSTM(6, dropout=0.3, return_sequences=True)(inputs)
h = layers.TimeDistributed(layers.Dense(5))(h)
h = layers.GRU(4, recurrent_dropout=0.3)(kd.ScheduledDropout(0.2)(h))
model = stirred(keras.Model(inputs, layers.Dense(3, "softmax", name="p")(h), name="recurrent"))
series = random.normal(size=(4, 7, 4)).astype("float32")
kde.export_onnx(model, folder / "rnn.onnx", samples=6, uncertainty=True, chunk_size=3)
answers = run(folder / "rnn.onnx", series=series, seed=seeds)
found = kd.mc_predict(model, series, 6, row_seeds=seeds, verbose=False)
close(answers["p_mean"], found.mean, "mean of recurrent layers")
close(answers["p_std"], found.std, "spread of recurrent layers")
close(answers["p_mutual_information"], found.mutual_information, "their mutual information")
assert found.std.max() > 1e-3
assert kde.verify(model, folder / "rnn.onnx").ok

# A SavedModel holds both functions, and each is compared with this process's.
report = kde.export_saved_model(model, folder / "both", samples=3, reduce=None)
outputs = {row.output for row in report.parity.rows if row.model_on == BACKEND}
assert outputs == {"p", "p_samples"}, outputs
plain = common.saved_model(folder / "both", series=series)["p"]
close(plain, common.numpy_of(model(series, training=False)), "SavedModel without samples")

# With the generator of the runtime no samples can be compared, and the model still is.
report = kde.export_onnx(model, folder / "native.onnx", samples=64, rng="native")
assert {row.runtime for row in report.parity.rows if row.model_on == BACKEND} == {"TensorFlow"}
print("ok")
