"""Runs .tflite files in the LiteRT interpreter, with its XNNPACK delegate and without."""

from __future__ import annotations

import warnings
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from keras_dropouts.arguments import invalid
from keras_dropouts_export.formats.format import Arrays, Run, check_names, unreadable
from keras_dropouts_export.native_messages import held_back
from keras_dropouts_export.tracing.inference_function import InferenceFunction


def interpreter_runs(path: Path, function: InferenceFunction) -> dict[str, Run]:
    """Return what runs a file, by the name of the runtime; it is loaded when it first runs."""
    return {
        "LiteRT": _Signature(path, function, delegate=True),
        "LiteRT plain": _Signature(path, function, delegate=False),
    }


def interpreter(path: Path, delegate: bool = False) -> Any:
    """Return an interpreter that holds a file, with the XNNPACK delegate or without.

    Raises:
        ValueError: if it is not a whole .tflite file.
    """
    home = _interpreter_module()
    kinds = home.OpResolverType
    kind = kinds.BUILTIN if delegate else kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    try:
        with warnings.catch_warnings():
            # TensorFlow announces that its own interpreter will move to ai-edge-litert.
            warnings.filterwarnings("ignore", message=r"(?s).*tf\.lite\.Interpreter is deprecated")
            return home.Interpreter(str(path), experimental_op_resolver_type=kind)
    except ValueError as error:  # of a file that is no model, cut off or damaged
        raise unreadable(path, ".tflite file", error) from error


def _interpreter_module() -> Any:
    """Return the module of LiteRT's interpreter; TensorFlow has a copy of it.

    Raises:
        ModuleNotFoundError: if neither is there, as newer releases of TensorFlow have none.
    """
    for package, module in (
        ("ai_edge_litert", "ai_edge_litert.interpreter"),
        ("tensorflow.lite", "tensorflow.lite.python.interpreter"),
    ):
        if find_spec(package) is not None:
            return import_module(module)
    raise ModuleNotFoundError(
        "To run a .tflite file the package ai-edge-litert is needed: "
        "pip install 'keras-dropouts[litert]'",
        name="ai_edge_litert",
    )


class _Signature:
    """The signature of a .tflite file in an interpreter, loaded when it first runs."""

    def __init__(self, path: Path, function: InferenceFunction, delegate: bool) -> None:
        self.path, self.function, self.delegate = path, function, delegate
        self.runner: Any = None
        self.dtypes: dict[str, Any] = {}
        signature = function.signature
        plain = [spec.name for spec in signature.specs]
        self.names = dict(zip(signature.names, plain, strict=True))

    def __call__(self, inputs: Arrays) -> Arrays:
        if self.runner is None:
            self._load()
        given = {
            self.names[name]: np.asarray(value, self.dtypes[self.names[name]])
            for name, value in inputs.items()
        }
        try:
            with held_back(shown_on_error=False):
                return dict(self.runner(**given))
        except (RuntimeError, ValueError) as error:
            raise invalid(
                "path", "a file that LiteRT runs", str(self.path), f"It does not: {error}"
            ) from error

    def _load(self) -> None:
        key = self.function.signature_key
        loaded, keys = self._signatures()
        if key not in keys:
            expected = f"a .tflite file with the signature `{key}`"
            raise invalid("path", expected, str(self.path), f"It has {sorted(keys)}.")
        back = {plain: name for name, plain in self.names.items()}
        found = [back.get(name, name) for name in keys[key]["inputs"]]
        check_names(self.path, self.function, found, keys[key]["outputs"])
        try:
            with held_back(shown_on_error=False):
                self.runner = loaded.get_signature_runner(key)
                details = self.runner.get_input_details()
        except (RuntimeError, ValueError) as error:  # of an operation that LiteRT does not have
            raise invalid(
                "path", "a file that LiteRT loads", str(self.path), f"It does not: {error}"
            ) from error
        self.dtypes = {name: each["dtype"] for name, each in details.items()}

    def _signatures(self) -> tuple[Any, Any]:
        """Return the interpreter that holds the file, and the signatures that it has."""
        with held_back(shown_on_error=False):  # a delegate says that it was made
            loaded = interpreter(self.path, self.delegate)
            try:
                return loaded, loaded.get_signature_list()
            except (ValueError, RuntimeError) as error:  # of a file that is cut off
                raise unreadable(self.path, ".tflite file", error) from error
