"""Evaluates ONNX files on labelled data with onnxruntime and NumPy, without Keras or TensorFlow."""

from __future__ import annotations

from keras_dropouts_export import keras_free, requirements

requirements.check("keras_dropouts_export.evaluation needs", ("onnxruntime", "numpy"), "score")

# Each imports of its package only what stands before it.
keras_free.prepare("keras_dropouts.entropy")
for _name in (
    "given_prediction",
    "checked_arrays",
    "kept_rows",
    "checked_input",
    "scores",
    "selective",
    "binned",
    "bootstrap",
    "classification",
    "regression",
    "curves",
    "served_decisions",
    "threshold",
    "pictures",
    "tables",
    "uncertainty_report",
    "evaluate",
):
    keras_free.prepare(f"keras_dropouts.uncertainty.{_name}")
