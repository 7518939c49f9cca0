"""Says what to install where packages of an extra are missing."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

COMMAND = "keras-dropouts"
EXPORT = ("tensorflow", "tf2onnx", "onnx", "onnxruntime", "rich", "click")


def check(
    what: str = f"keras_dropouts_export and the command {COMMAND} need",
    needed: Sequence[str] = EXPORT,
    extra: str = "export",
) -> None:
    """Look for the packages that something needs, without importing them.

    what: what needs them, in words that end in the verb; needed: the names by which they are
    imported; extra: the extra of this project that installs them.

    Raises:
        ModuleNotFoundError: naming those that are missing, and what to install.
    """
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise ModuleNotFoundError(
            f"{what} {', '.join(missing)}. "
            f"Install what is missing: pip install 'keras-dropouts[{extra}]'",
            name=missing[0],
        )
