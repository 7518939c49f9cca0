"""Writes to the standard streams, also where they are closed, full or read by nobody any more."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import Any, TextIO

from keras_dropouts_export.cli.report_lines import laid_out
from keras_dropouts_export.printable import printable_lines


def prepare() -> None:
    """Make sure that no file which is opened later gets the number of a stream that is closed.

    Characters that a stream cannot encode are escaped from here on.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # it is closed, and the lowest free number is the one that is opened
            os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):  # None, or a stand-in without encoding
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def write(text: str) -> None:
    """Write text to standard output as it is, and a line break.

    Where its reader went away, as `head` does, the rest is left out: what the command did counts.

    Raises:
        OSError: if it cannot be written for any other reason.
    """
    if sys.stdout is None:  # it was closed when the program began
        return
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except OSError as error:
        _give_up(sys.stdout)
        if error.errno != errno.EPIPE:
            raise OSError(
                error.errno, f"The standard output cannot be written: {error.strerror}"
            ) from error


def say(text: object) -> None:
    """Write text that holds names, each of them escaped, to standard output."""
    write(printable_lines(text))


def say_report(report: Any, as_json: bool = False) -> None:
    """Write a report as `say` does; a terminal gets text wrapped at its width, and in colour."""
    if as_json:
        say(report.to_json())
    else:
        write(laid_out(printable_lines(report), sys.stdout))


def complain(text: object) -> None:
    """Write a message to standard error, or to standard output where that is closed."""
    stream = sys.stdout if sys.stderr is None else sys.stderr
    if stream is None:
        return
    try:
        stream.write(f"{laid_out(printable_lines(text), stream)}\n")
        stream.flush()
    except OSError:  # there is no place left to say so; the exit status tells
        _give_up(stream)


def _give_up(stream: TextIO) -> None:
    """Send what is left in a stream nowhere, so that Python does not fail on it at its end."""
    with suppress(OSError, ValueError):  # a stand-in has no number
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
