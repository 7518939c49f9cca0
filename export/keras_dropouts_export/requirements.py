"""Says what to install where packages of the extra `export` are missing."""

import sys
from importlib.util import find_spec
from pathlib import Path

COMMAND = "keras-dropouts"
IS_COMMAND = Path(sys.argv[0]).stem == COMMAND  # whether this process is the command line

_NEEDED = ("tensorflow", "tf2onnx", "onnx", "onnxruntime", "rich", "click")


def check() -> None:
    """Look for the packages that exports need, without importing them.

    Raises:
        ModuleNotFoundError: naming those that are missing, and what to install.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise ModuleNotFoundError(
            f"keras_dropouts_export and the command {COMMAND} need {', '.join(missing)}. "
            "Install what they need: pip install 'keras-dropouts[export]'",
            name=missing[0],
        )
