"""Checks the path that an artifact goes to, and renames the finished artifact to it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from keras_dropouts.arguments import check_flag, invalid
from keras_dropouts_export.formats import taken_suffixes


class Layout(Protocol):
    """How something lies on disk; every `Format` says it, and a .keras file.

    suffixes: how its file names end, in small letters, none for a folder; title: what it is, in
    a sentence; is_folder: whether it is a folder.
    """

    @property
    def suffixes(self) -> tuple[str, ...]:
        """How file names end, in small letters; none for a folder."""

    @property
    def title(self) -> str:
        """What it is, in a sentence: "an .onnx file"."""

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""

    def files(self, path: Path) -> tuple[Path, ...]:
        """Return every path that it may take, `path` itself first."""

    def recognizes(self, path: Path) -> bool:
        """Return whether what is at `path` is one of this kind."""


def check_destination(path: str | os.PathLike[str], layout: Layout, overwrite: bool) -> Path:
    """Return `path` as a Path if something of that layout may go there.

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
    target = Path(path)
    _check_suffix(target, layout)
    folder = target.absolute().parent
    if not folder.exists():
        raise FileNotFoundError(str(invalid("path", "a path in an existing folder", str(path))))
    if not folder.is_dir():
        raise NotADirectoryError(str(invalid("path", "a path in a folder", str(path))))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(str(invalid("path", "a path in a writable folder", str(path))))
    for each in layout.files(target):
        if each.exists() or each.is_symlink():
            if not overwrite:
                raise _taken(each)
            _check_replaceable(each, layout)
    return target


def _check_suffix(target: Path, layout: Layout) -> None:
    suffix = target.suffix.lower()
    if layout.suffixes and suffix not in layout.suffixes:
        expected = f"a file name that ends in {' or '.join(layout.suffixes)}"
        raise invalid("path", expected, str(target))
    if layout.is_folder and suffix in taken_suffixes():
        raise invalid(
            "path", f"the name of a folder, without the suffix {target.suffix}", str(target)
        )


def _taken(target: Path) -> FileExistsError:
    return FileExistsError(
        f"{str(target)!r} already exists. Pass `overwrite=True` (on the command line, "
        f"`--overwrite`) to replace it, or choose another path."
    )


def _check_replaceable(target: Path, layout: Layout) -> None:
    """Raise a clear error where replacing would take away what is no artifact."""
    if not layout.is_folder and target.is_dir():
        raise invalid("path", "a file to overwrite", str(target), "A folder has that name.")
    empty = target.is_dir() and not any(target.iterdir())
    if layout.is_folder and not (layout.recognizes(target) or empty):
        raise invalid("path", f"{layout.title} to overwrite", str(target), "It is something else.")


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


def put_in_place(made: Path, target: Path, layout: Layout, overwrite: bool) -> None:
    """Rename what was made to `target`; what was there before comes back if that fails.

    `made` lies in a workplace, where what was at `target` is kept until all is in place.

    Raises:
        FileExistsError: if something came to be at `target` meanwhile and `overwrite` is False.
    """
    if target.exists() and not overwrite:  # another export may have been faster
        raise _taken(target)
    new_files, old_files = layout.files(made), layout.files(target)
    companions = any(each.exists() for each in (*new_files[1:], *old_files[1:]))
    if not target.is_dir() and not companions:
        os.replace(made, target)
        return
    put_back: list[tuple[Path, Path]] = []
    try:
        for old in old_files:
            if old.exists():
                kept = made.with_name(f"before {old.name}")
                os.replace(old, kept)
                put_back.append((kept, old))
        for new, final in reversed(list(zip(new_files, old_files, strict=True))):
            if new.exists():
                os.replace(new, final)
                put_back.append((final, new))
    except BaseException:
        for now, before in reversed(put_back):
            os.replace(now, before)
        raise
