"""Starts the command line `keras-dropouts`, or says what must be installed for it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from keras_dropouts_export import requirements
from keras_dropouts_export.errors import ExportError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a user's mistake is one message and exit status 1, no traceback."""
    try:
        requirements.check()
        from keras_dropouts_export.cli.commands import cli  # it needs click

        cli(args=arguments, prog_name=requirements.COMMAND)
    except (ValueError, TypeError, OSError, ModuleNotFoundError, ExportError) as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
