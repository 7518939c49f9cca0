"""Starts the process on TensorFlow that exports for this one, and answers what it asks."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras

from keras_dropouts_export.destination.ending_signals import unwinding
from keras_dropouts_export.errors import ExportError, said_by
from keras_dropouts_export.other_backends.handed_model import saved
from keras_dropouts_export.other_backends.own_model import OwnModel
from keras_dropouts_export.other_backends.users_code import check_not_importing
from keras_dropouts_export.tracing.signature import Signature

_SERVER = "from keras_dropouts_export.other_backends.tensorflow_side import serve; serve()"
_SECONDS = 30  # in which the process removes its temporary folder when it is told to end
_DEPTH = 5  # of the user's call above the one that warns


def is_elsewhere() -> bool:
    """Return whether Keras runs on another backend than TensorFlow in this process.

    Raises:
        ExportError: if a module that is being imported for an export asks.
    """
    check_not_importing()
    backend: str = keras.backend.backend()
    return backend != "tensorflow"


def on_tensorflow(
    function: Callable[..., Any],
    model: keras.Model,
    inputs: Signature,
    progress: Callable[[str], None] | None = None,
    **fields: Any,
) -> Any:
    """Return what `function(model, caller, step, **fields)` returns where Keras is on TensorFlow.

    The model is saved and made again in a new process; `caller` asks this one what the model
    predicts here, and `step` calls `progress` here. Errors and warnings of the other process are
    those of this one. If this one is interrupted or ends, so does the other.

    Args:
        function: A function of a module, which takes these arguments.
        inputs: What the model takes.
        fields: Further arguments, which can be pickled.

    Raises:
        ExportError: if the model cannot be handed on, or the process ends too early.
    """
    with unwinding(), TemporaryDirectory(prefix="keras_dropouts_") as name:
        folder = Path(name)
        with open(folder / "log", "w+b") as log:
            process = _started(log)
            try:
                handed = saved(model, folder, inputs)  # while the other process imports TensorFlow
                own = OwnModel(model, inputs)
                sent = (keras.backend.backend(), handed, function, fields)
                return _conversation(process, sent, own, progress)
            except EOFError:
                raise ExportError(_ended(process, model.name, folder / "log")) from None
            finally:
                _end(process)


def _started(log: Any) -> subprocess.Popen[bytes]:
    paths = os.pathsep.join(os.path.abspath(each) for each in sys.path)
    # Flags of JAX's XLA may be unknown to TensorFlow's, which ends the process at such a one.
    inherited = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    ours = {
        "KERAS_BACKEND": "tensorflow",
        "PYTHONPATH": paths,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",  # the backend of this process may hold the GPU's memory
    }
    return subprocess.Popen(
        [sys.executable, "-P", "-c", _SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        env={**inherited, **ours},
        start_new_session=True,  # Ctrl-C goes to this process alone, which ends the other
    )


def _conversation(
    process: subprocess.Popen[bytes],
    sent: Any,
    own: OwnModel,
    progress: Callable[[str], None] | None,
) -> Any:
    """Send what is to be done, answer questions, and return the result.

    Raises:
        EOFError: if the process ends before.
    """
    assert process.stdout is not None
    _send(process, sent)
    while True:
        try:
            kind, value = pickle.load(process.stdout)
        except pickle.UnpicklingError as error:  # it ended in the middle
            raise EOFError from error
        if kind == "done":
            return value
        if kind == "failed":
            raise value
        if kind == "ask":
            _send(process, own.answer(*value))
        elif kind == "warning":
            text, category = value
            warnings.warn(text, category, stacklevel=_DEPTH)
        elif progress is not None:
            progress(value)


def _send(process: subprocess.Popen[bytes], what: Any) -> None:
    assert process.stdin is not None
    try:
        told = pickle.dumps(what)
    except Exception as error:
        raise ExportError(
            f"An argument cannot be sent to the process that runs TensorFlow: {said_by(error)}. "
            f"Pass numbers, strings, arrays, and lists, tuples and dicts of them."
        ) from error
    try:
        process.stdin.write(told)
        process.stdin.flush()
    except BrokenPipeError as error:
        raise EOFError from error


def _ended(process: subprocess.Popen[bytes], model: str, log: Path) -> str:
    """Return the sentence on a process that ended too early."""
    code = process.wait()
    said = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    if code < 0:
        how = f"by the signal {signal.Signals(-code).name}"
        why = " Most often the memory did not suffice." if code == -signal.SIGKILL else ""
    else:
        how = f"with the exit code {code}"
        why = f" It said: {said[-1].strip()}" if said else ""
    return (
        f"The process that runs TensorFlow for model {model!r} was ended {how}, and nothing was "
        f"written.{why}"
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process, which removes its temporary folder first."""
    for stream in (process.stdin, process.stdout):
        with suppress(OSError):
            if stream is not None:
                stream.close()
    process.terminate()
    try:
        process.wait(_SECONDS)
    except subprocess.TimeoutExpired:  # native code runs, which hears no signal
        process.kill()
        process.wait()
