"""Says what to install where the extra `export` is missing; imported before anything else."""

import sys
from importlib.util import find_spec
from pathlib import Path

COMMAND = "keras-dropouts"
IS_COMMAND = Path(sys.argv[0]).stem == COMMAND

_NEEDED = ("tensorflow", "tf2onnx", "onnx", "onnx_ir", "onnxruntime", "rich", "click")

_missing = [name for name in _NEEDED if find_spec(name) is None]
if _missing:
    _message = (
        f"keras_dropouts_export and the command {COMMAND} need {', '.join(_missing)}. "
        "Install what they need: pip install 'keras-dropouts[export]'"
    )
    if IS_COMMAND:
        sys.exit(f"Error: {_message}")  # a message and no traceback
    raise ModuleNotFoundError(_message, name=_missing[0])
