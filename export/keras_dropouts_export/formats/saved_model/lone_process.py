"""Runs a SavedModel in a second process, which has neither the model nor this package.

What the process that exports holds, and a server does not, shows there alone: operations of a
library that was loaded, resources that were registered, files that were read.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import op_def_registry

from keras_dropouts.arguments import invalid
from keras_dropouts_export.formats.format import Arrays
from keras_dropouts_export.formats.saved_model.saved_model_audit import reachable_operations
from keras_dropouts_export.tracing.inference_function import InferenceFunction

_SECONDS = 600  # after which the second process is stopped
# Operations that TensorFlow counts as stateful, and that are known to reach nothing but the weights
# of the SavedModel itself and the functions that they call, which are looked at as well.
_INSIDE = frozenset(
    [
        "VarHandleOp",
        "ReadVariableOp",
        "ResourceGather",
        "ResourceGatherNd",
        "VarIsInitializedOp",
        "StatefulPartitionedCall",
        "While",
        "If",
        "Case",
        "Placeholder",
        "Assert",
        "Empty",
    ]
)
# It imports TensorFlow and nothing else: an import of Keras or of this package fails.
_SCRIPT = """
import json, pathlib, sys
for name in ("keras", "keras_dropouts", "keras_dropouts_export"):
    sys.modules[name] = None
import tensorflow as tf
folder = pathlib.Path(sys.argv[1])
asked = json.loads((folder / "asked.json").read_text())
signature = tf.saved_model.load(asked["path"]).signatures[asked["signature"]]
answers = []
for trial, tensors in enumerate(asked["trials"]):
    given = {
        name: tf.io.parse_tensor(tf.io.read_file(str(folder / file)), dtype)
        for name, (file, dtype) in tensors.items()
    }
    found = {}
    for i, (name, value) in enumerate(signature(**given).items()):
        file = f"answer_{trial}_{i}"
        tf.io.write_file(str(folder / file), tf.io.serialize_tensor(value))
        found[name] = [file, value.dtype.name]
    answers.append(found)
(folder / "answers.json").write_text(json.dumps(answers))
"""


def reaches_outside(path: Path) -> bool:
    """Return whether a SavedModel has operations that could depend on the process it is in.

    These are tables and other resources, whatever else keeps state, and operations that are not
    TensorFlow's own.
    """
    return any(not _is_inside(op) for op in reachable_operations(path))


def _is_inside(op: str) -> bool:
    definition = op_def_registry.get(op)
    if definition is None or not hasattr(tf.raw_ops, op):
        return False
    return op in _INSIDE or not definition.is_stateful


def answers_alone(
    path: Path, function: InferenceFunction, trials: Sequence[Arrays]
) -> list[Arrays]:
    """Return what a SavedModel answers in a second process, for each dict of inputs by name.

    Raises:
        ValueError: if the process cannot load or run it.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        asked = {
            "path": str(path.absolute()),
            "signature": function.signature_key,
            "trials": [_written(folder, i, function, each) for i, each in enumerate(trials)],
        }
        (folder / "asked.json").write_text(json.dumps(asked))
        _run(folder, path)
        answers = json.loads((folder / "answers.json").read_text())
        return [
            {name: _read(folder / file, dtype) for name, (file, dtype) in each.items()}
            for each in answers
        ]


def _written(
    folder: Path, trial: int, function: InferenceFunction, inputs: Arrays
) -> dict[str, tuple[str, str]]:
    found = {}
    for i, (info, spec) in enumerate(
        zip(function.inputs, function.signature.specs, strict=False)  # a file may take no seed
    ):
        tensor = tf.constant(inputs[info.name], spec.dtype)
        file = f"input_{trial}_{i}"
        tf.io.write_file(str(folder / file), tf.io.serialize_tensor(tensor))
        found[spec.name] = (file, spec.dtype.name)
    return found


def _read(file: Path, dtype: str) -> np.ndarray:
    value: np.ndarray = tf.io.parse_tensor(tf.io.read_file(str(file)), dtype).numpy()
    return value


def _run(folder: Path, path: Path) -> None:
    environment: dict[str, Any] = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
    }
    environment |= {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", _SCRIPT, str(folder)],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _not_served(path, str(error)) from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise _not_served(path, lines[-1] if lines else f"It ended with {done.returncode}.")


def _not_served(path: Path, reason: str) -> ValueError:
    return invalid(
        "path",
        "a SavedModel that a second process serves, which has neither the model nor this package",
        str(path),
        f"It does not: {reason}",
    )
