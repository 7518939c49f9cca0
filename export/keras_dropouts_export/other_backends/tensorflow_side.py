"""Runs exports for a process on another backend: what `tensorflow_process.py` starts."""

from __future__ import annotations

import builtins
import os
import pickle
import queue
import signal
import sys
import threading
import traceback
import warnings
from typing import Any, BinaryIO

import numpy as np

from keras_dropouts_export.errors import ExportError, said_by
from keras_dropouts_export.other_backends.caller import Caller
from keras_dropouts_export.other_backends.handed_model import read


def serve() -> None:
    """Do the one thing that is asked for on standard input, and say on standard output what came.

    What is printed meanwhile goes where errors go. If the input ends, so does this process, by a
    signal that lets an export remove its temporary folder.
    """
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, inbox), daemon=True).start()
    side = _Side(answers, inbox)
    warnings.showwarning = side.relay
    backend, handed, function, fields = inbox.get()
    try:
        result = function(read(handed), Caller(backend, side.ask), side.step, **fields)
    except Exception as error:  # noqa: BLE001  (it is raised again by the process that asked)
        side.send("failed", _portable(error))
    else:
        side.send("done", result)
    inbox.get()  # nothing comes: the other process ends this one


def _listen(source: BinaryIO, inbox: queue.SimpleQueue[Any]) -> None:
    while True:
        try:
            inbox.put(pickle.load(source))
        except (EOFError, pickle.UnpicklingError):
            os.kill(os.getpid(), signal.SIGTERM)
            return
        except Exception:  # noqa: BLE001  (something of the user's that is not known here)
            traceback.print_exc()
            os._exit(1)  # the other process says what was printed last


class _Side:
    """This end of the conversation."""

    def __init__(self, answers: BinaryIO, inbox: queue.SimpleQueue[Any]) -> None:
        self.answers, self.inbox = answers, inbox
        self.lock = threading.Lock()

    def send(self, kind: str, value: Any) -> None:
        with self.lock:
            pickle.dump((kind, value), self.answers)
            self.answers.flush()

    def step(self, name: str) -> None:
        self.send("step", name)

    def ask(self, what: str, *arguments: Any) -> list[np.ndarray]:
        self.send("ask", (what, *arguments))
        found: list[np.ndarray] = self.inbox.get()
        return found

    def relay(self, message: Any, category: type[Warning], *_: Any, **__: Any) -> None:
        own = getattr(builtins, category.__name__, UserWarning)
        self.send("warning", (str(message), own))


def _portable(error: Exception) -> Exception:
    """Return the error itself where the other process has its class, else one of ours."""
    if type(error) is not ExportError and type(error).__module__ != "builtins":
        return ExportError(f"{type(error).__name__}: {said_by(error)}")
    try:
        again = pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001  (an argument of it cannot be sent)
        return ExportError(f"{type(error).__name__}: {said_by(error)}")
    return error if str(again) == str(error) else ExportError(said_by(error))
