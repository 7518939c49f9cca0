"""Imports TensorFlow for a command without the messages that it writes while it starts.

TensorFlow writes them to the standard error stream while it is imported, past Python's logging,
and they would tear the progress display. Where this package is used as a library nothing is done.
"""

from __future__ import annotations

import os
import sys

from keras_dropouts_export import requirements
from keras_dropouts_export.native_messages import held_back


def load_tensorflow() -> None:
    """Import TensorFlow, its messages held back; every command that needs it calls this first.

    Keras, which is imported afterwards, runs on it whatever a user's setting says: a .keras file is
    of no backend.

    Raises:
        ModuleNotFoundError: naming what is missing of all that such a command needs.
    """
    requirements.check()
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "tensorflow"
    if "tensorflow" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with held_back(shown_on_error=True):
        import tensorflow as tf

        tf.config.list_logical_devices()  # it looks for a GPU here, and complains of none
