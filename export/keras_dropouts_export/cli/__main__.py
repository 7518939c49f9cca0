"""Starts the command line `keras-dropouts`, or says what must be installed for it."""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from keras_dropouts_export import requirements
from keras_dropouts_export.cli import standard_streams
from keras_dropouts_export.errors import ExportError, ScoringError

_FORESEEN = (
    *(ValueError, TypeError, OSError, MemoryError, ModuleNotFoundError),
    *(ExportError, ScoringError),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a user's mistake is one message and exit status 1, no traceback."""
    standard_streams.prepare()
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        status = _status(arguments)
    sys.exit(status)


def _status(arguments: Sequence[str] | None) -> int:
    try:
        if find_spec("click") is None:
            requirements.check()
        import click

        from keras_dropouts_export.cli.commands import cli

        try:
            found = cli.main(arguments, prog_name=requirements.COMMAND, standalone_mode=False)
            return found if isinstance(found, int) else 0
        except click.ClickException as error:
            shown = io.StringIO()
            error.show(shown)
            standard_streams.complain(shown.getvalue().rstrip("\n"))
            return error.exit_code
        except click.Abort as error:  # it was made of an interrupt, which may say what stays
            raise KeyboardInterrupt(error.__cause__ or error.__context__ or "") from None
    except KeyboardInterrupt as error:
        standard_streams.complain(f"Error: interrupted. {error}".rstrip())
        return 1
    except _FORESEEN as error:
        standard_streams.complain(f"Error: {str(error) or type(error).__name__}")
        return 1


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    standard_streams.complain(f"Warning: {message}")


if __name__ == "__main__":
    main()
