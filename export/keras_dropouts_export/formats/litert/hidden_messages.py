"""Hides what native code writes to the standard error stream inside a block."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hidden_messages() -> Iterator[None]:
    """Discard what is written to standard error inside this block, past Python's own stream.

    TensorFlow's converter reports each step and each failure there; what is needed of that is in
    the error that it raises. The stream belongs to the process, so other threads are not heard
    either.
    """
    if sys.stderr is None:  # a program without a console
        yield
        return
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as messages:
        os.dup2(messages.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
