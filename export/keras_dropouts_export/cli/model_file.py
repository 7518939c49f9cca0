"""Read a .keras file with clear errors, and write one only when it was proven equal."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from keras_dropouts.arguments import invalid
from keras_dropouts_export.checks.trial_inputs import trial_inputs
from keras_dropouts_export.cli.archive_limits import check_archive
from keras_dropouts_export.cli.user_modules import import_named
from keras_dropouts_export.destination import (
    Move,
    check_destination,
    put_in_place,
    workplace,
)
from keras_dropouts_export.errors import ExportError, missing_class
from keras_dropouts_export.memory_limit import memory_limit
from keras_dropouts_export.tracing.inference_function import inference_function
from keras_dropouts_export.tracing.sample_inputs import SampleInputs

# Bytes of memory that reading a file may take: these, and so many times its size.
_FREE, _RATIO = 2**30, 16


@dataclass(frozen=True)
class KerasFile:
    """How a .keras file lies on disk, as `destination.Layout` asks for it."""

    suffixes: tuple[str, ...] = (".keras",)
    title: str = "a .keras file"
    is_folder: bool = False
    argument: str = "path"
    refused_suffixes: tuple[str, ...] = ()

    def files(self, path: Path) -> tuple[Path, ...]:
        """Return every path that it may take."""
        return (path,)

    def recognizes(self, path: Path) -> bool:
        """Return whether what is at `path` may be one."""
        return path.is_file()

    def foreign(self, path: Path) -> tuple[Path, ...]:
        """Return what is no part of one, which is one file."""
        return ()

    def moves(self, made: Path, target: Path) -> Sequence[Move]:
        """Return the one rename that puts it in place."""
        return [Move(made, target)]


def read_model(path: str | os.PathLike[str]) -> keras.Model:
    """Return the model of a .keras file; Keras's safe mode stays on.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no .keras file, is broken, needs a class that is not registered, or
            holds code (a Lambda), which safe mode refuses.
    """
    place = Path(path)
    if not place.exists():
        raise FileNotFoundError(str(invalid("model", "a .keras file that exists", str(path))))
    if not place.is_file() or place.suffix.lower() != ".keras":  # a fifo is no file
        raise invalid("model", "a .keras file", str(path))
    check_archive(place, "model")
    import_named()
    try:
        with memory_limit(_FREE + _RATIO * place.stat().st_size):
            return keras.saving.load_model(place, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises many kinds for a file that it cannot read
        missing = missing_class(error)
        if missing is not None:
            expected = "a .keras file of known classes"
            way_out = (
                f"Class {missing!r} is not known: pass --import with the module, or the .py file, "
                "that defines it and registers it (`keras.saving.register_keras_serializable`)."
            )
            raise invalid("model", expected, str(path), way_out) from error
        reason = str(error).strip() or type(error).__name__
        raise invalid(
            "model", "a whole .keras file of known layers", str(path), f"It is not: {reason}"
        ) from error


def write_verified(
    new: keras.Model,
    model: keras.Model,
    path: str | os.PathLike[str],
    overwrite: bool = False,
    progress: Callable[[str], None] | None = None,
    samples: SampleInputs | None = None,
) -> None:
    """Write `new` to a .keras file if, read back, it predicts bit for bit what `model` does.

    Raises:
        ValueError, FileExistsError, FileNotFoundError, PermissionError: if nothing can be written
            at `path`.
        ExportError: if the two differ; nothing is written.
    """
    step = progress or (lambda _: None)
    layout = KerasFile()
    target = check_destination(path, layout, overwrite)
    with workplace(target) as work:
        step("save")
        made = work / target.name
        new.save(made)
        back = inference_function(read_model(made), None, samples)
        step("verify")
        wanted = inference_function(model, None, samples)
        for batch, inputs, expected in trial_inputs(wanted):
            got = back.expected(inputs)
            for name, value in expected.items():
                if not np.array_equal(got[name], value, equal_nan=True):
                    raise ExportError(
                        f"Nothing was written at {target}: output {name!r} differs from the "
                        f"model's in a batch of {batch}."
                    )
        step("place")
        put_in_place(made, target, layout, overwrite)
