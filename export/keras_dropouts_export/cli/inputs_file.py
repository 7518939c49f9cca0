"""Reads the .npz files of `--inputs` and its like: arrays by the names of a model's inputs."""

from __future__ import annotations

import pickle
import zipfile
import zlib
from pathlib import Path

import numpy as np

from keras_dropouts.arguments import invalid
from keras_dropouts_export.cli.archive_limits import check_archive

_EXPECTED = "an .npz file of arrays, as numpy.savez writes it"
# What NumPy raises for other files, for files that are damaged, and for objects of Python.
_DAMAGED = (
    ValueError,
    EOFError,
    OSError,
    MemoryError,
    NotImplementedError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    zlib.error,
)


def read_inputs(path: Path | None, argument: str = "inputs") -> dict[str, np.ndarray] | None:
    """Return the arrays of an .npz file by their names, or None where there is no path.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no .npz file, is damaged, is empty, would grow to far more than it
            takes on the disk, or holds objects of Python.
    """
    if path is None:
        return None
    if not path.exists():
        raise FileNotFoundError(str(invalid(argument, f"{_EXPECTED}, that exists", str(path))))
    if not path.is_file():
        raise invalid(argument, _EXPECTED, str(path), "It is no file.")
    check_archive(path, argument)
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            whole = isinstance(loaded, np.lib.npyio.NpzFile)
            arrays = {name: loaded[name] for name in loaded.files} if whole else {}
    except _DAMAGED as error:
        raise invalid(argument, _EXPECTED, str(path), f"It cannot be read: {error}") from error
    if not whole:
        raise invalid(argument, _EXPECTED, str(path), "It is an .npy file, of one array.")
    if not arrays:
        raise invalid(argument, _EXPECTED, str(path), "It holds no arrays.")
    for name, array in arrays.items():  # NpzFile returns bytes for a member that is no array
        if not isinstance(array, np.ndarray):
            raise invalid(argument, _EXPECTED, str(path), f"{name!r} in it is no array.")
    return arrays
