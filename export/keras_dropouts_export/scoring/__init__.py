"""Scores tables of any size with ONNX files, on one machine or many, with onnxruntime and NumPy."""

from __future__ import annotations

from keras_dropouts_export import keras_free, requirements

requirements.check("keras_dropouts_export.scoring needs", ("onnxruntime", "numpy"), "score")
keras_free.prepare("keras_dropouts.noise.row_seeds")
