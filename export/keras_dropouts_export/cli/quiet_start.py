"""Imports TensorFlow for a command without the messages that it writes while it starts.

TensorFlow writes them to the standard error stream while it is imported, past Python's logging,
and they would tear the progress display. Where this package is used as a library nothing is done.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


def load_tensorflow() -> None:
    """Import TensorFlow, its messages held back; every command that needs it calls this first."""
    if "tensorflow" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with held_back():
        import tensorflow as tf

        tf.config.list_logical_devices()  # it looks for a GPU here, and complains of none


@contextmanager
def held_back() -> Iterator[None]:
    """Hold back what native code writes to standard error; show it if an error is raised."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as messages:
        os.dup2(messages.fileno(), 2)
        try:
            yield
        except BaseException:
            messages.seek(0)
            os.write(kept, messages.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
