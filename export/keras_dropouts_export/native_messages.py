"""Holds back what native code writes to the standard error stream inside a block."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO


def _unnamed_file() -> IO[bytes]:
    try:
        return tempfile.TemporaryFile()
    except OSError:  # no folder for temporary files can be written to: the messages are lost
        return open(os.devnull, "w+b")


@contextmanager
def held_back(shown_on_error: bool) -> Iterator[None]:
    """Hold back what is written to standard error inside this block, past Python's own stream.

    TensorFlow while it starts, and its converter to LiteRT, report each step there. The stream
    belongs to the process, so what other threads write meanwhile is held back as well.

    shown_on_error: whether it is written after all if an error is raised.
    """
    if sys.stderr is None:  # a program without a console
        yield
        return
    sys.stderr.flush()
    kept = os.dup(2)
    with _unnamed_file() as messages:
        os.dup2(messages.fileno(), 2)
        try:
            yield
        except BaseException:
            if shown_on_error:
                messages.seek(0)
                os.write(kept, messages.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
