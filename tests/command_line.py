"""Runs the command line inside a test."""

from __future__ import annotations

from typing import Any

import pytest

from keras_dropouts_export.cli.__main__ import main


def run(capsys: pytest.CaptureFixture[str], *arguments: Any) -> tuple[Any, str, str]:
    """Return (exit status, what was printed, what was complained about)."""
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return stopped.value.code, printed.out, printed.err
