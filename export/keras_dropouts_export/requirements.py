"""Says what to install where the extra `export` is missing; imported before anything else."""

from importlib.util import find_spec

_NEEDED = ("tensorflow", "tf2onnx", "onnx", "onnx_ir", "onnxruntime", "rich", "click")

_missing = [name for name in _NEEDED if find_spec(name) is None]
if _missing:
    raise ModuleNotFoundError(
        f"keras_dropouts_export and the command keras-dropouts need {', '.join(_missing)}. "
        "Install what they need: pip install 'keras-dropouts[export]'",
        name=_missing[0],
    )
