"""The place that an artifact goes to: checked first, written beside, and renamed at the end."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keras_dropouts.arguments import check_flag, invalid


def check_target(path: str | os.PathLike[str], kind: str, overwrite: bool) -> Path:
    """Return `path` as a Path if an artifact of `kind` (onnx, keras, saved_model) may go there.

    Raises:
        ValueError: if it is not a path, its suffix is not that of the format, or it is not such
            an artifact that would be overwritten.
        FileNotFoundError, NotADirectoryError, PermissionError: if the folder it is to be in is
            missing, is not a folder, or is not writable.
        FileExistsError: if something is there and `overwrite` is False.
    """
    check_flag(overwrite, "overwrite")
    if not isinstance(path, (str, os.PathLike)):
        raise invalid("path", "a path", path)
    place = Path(path)
    suffix = place.suffix.lower()
    if kind == "onnx" and suffix != ".onnx":
        raise invalid("path", "a file name that ends in .onnx", str(path))
    if kind == "keras" and suffix != ".keras":
        raise invalid("path", "a file name that ends in .keras", str(path))
    if kind == "saved_model" and suffix in (".onnx", ".keras", ".h5", ".pb"):
        raise invalid("path", "the name of a folder", str(path))
    folder = place.absolute().parent
    if not folder.exists():
        raise FileNotFoundError(str(invalid("path", "a path in an existing folder", str(path))))
    if not folder.is_dir():
        raise NotADirectoryError(str(invalid("path", "a path in a folder", str(path))))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(str(invalid("path", "a path in a writable folder", str(path))))
    for each in (place, data_file(place)) if kind == "onnx" else (place,):
        if each.exists() or each.is_symlink():
            _check_existing(each, kind, overwrite)
    return place


def _check_existing(place: Path, kind: str, overwrite: bool) -> None:
    if not overwrite:
        raise FileExistsError(
            str(
                invalid(
                    "path",
                    "a path where nothing is",
                    str(place),
                    "Pass `overwrite=True` (`--overwrite`) to replace what is there.",
                )
            )
        )
    # Replacing must never take away what is no artifact.
    if kind != "saved_model" and place.is_dir():
        raise invalid("path", "a file to overwrite", str(place))
    saved = (place / "saved_model.pb").is_file() or (place.is_dir() and not any(place.iterdir()))
    if kind == "saved_model" and not saved:
        raise invalid("path", "a SavedModel folder to overwrite", str(place))


@contextmanager
def workplace(target: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `target`, on the same disk, and remove it whatever happens.

    Raises:
        PermissionError: if it cannot be made.
    """
    try:
        made = tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.absolute().parent)
    except PermissionError as error:
        raise PermissionError(
            str(invalid("path", "a path in a writable folder", str(target)))
        ) from error
    try:
        yield Path(made)
    finally:
        shutil.rmtree(made, ignore_errors=True)  # what is left cannot be helped


def put_in_place(made: Path, target: Path, work: Path, overwrite: bool) -> None:
    """Rename what was made to `target`; what was there before comes back if that fails.

    Raises:
        FileExistsError: if something came to be at `target` meanwhile and `overwrite` is False.
    """
    if target.exists() and not overwrite:  # another export may have been faster
        raise FileExistsError(str(invalid("path", "a path where nothing is", str(target))))
    if not target.is_dir() and not data_file(made).exists() and not data_file(target).exists():
        os.replace(made, target)
        return
    put_back: list[tuple[Path, Path]] = []
    try:
        for old in (target, data_file(target)):
            if old.exists():
                os.replace(old, work / f"before {old.name}")
                put_back.append((work / f"before {old.name}", old))
        for new, place in ((data_file(made), data_file(target)), (made, target)):
            if new.exists():
                os.replace(new, place)
                put_back.append((place, new))
    except BaseException:
        for now, before in reversed(put_back):
            os.replace(now, before)
        raise


def data_file(place: Path) -> Path:
    """Return the path of the file beside an ONNX file that holds the weights of a large model."""
    return place.with_name(f"{place.name}.data")
