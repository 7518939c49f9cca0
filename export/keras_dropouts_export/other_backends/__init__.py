"""Exports models of JAX and PyTorch in a process that runs Keras on TensorFlow."""

from keras_dropouts_export.other_backends.caller import Caller
from keras_dropouts_export.other_backends.tensorflow_process import is_elsewhere, on_tensorflow

__all__ = ["Caller", "is_elsewhere", "on_tensorflow"]
