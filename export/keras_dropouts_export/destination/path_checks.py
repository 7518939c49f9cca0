"""Checks the path that an artifact is to go to, and that nothing but an artifact is replaced."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from keras_dropouts.arguments import check_flag, invalid
from keras_dropouts_export.destination.layout import Layout
from keras_dropouts_export.destination.work_folder import recover

_SHOWN = 3  # files that an error lists
_OTHER_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a fifo",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def check_destination(path: str | os.PathLike[str], layout: Layout, overwrite: bool) -> Path:
    """Return `path` as an absolute Path if something of that layout may go there.

    A relative path is resolved here, once, so that a change of the current folder changes nothing.
    What exports to the same path left behind when they were killed is cleared up first.

    Raises:
        ValueError: if it is not a path, its suffix is not that of the format, or what would be
            overwritten is not such an artifact or holds what is no part of one.
        FileNotFoundError, NotADirectoryError, PermissionError: if the folder it is to be in is
            missing, is not a folder, or is not writable, or what is there is read-only.
        FileExistsError: if something is there and `overwrite` is False.
    """
    check_flag(overwrite, "overwrite")
    argument = layout.argument
    target = _absolute(path, argument)
    _check_suffix(target, path, layout)
    folder = target.parent
    if not folder.exists():
        raise FileNotFoundError(str(invalid(argument, "a path in an existing folder", str(path))))
    if not folder.is_dir():
        raise NotADirectoryError(str(invalid(argument, "a path in a folder", str(path))))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(str(invalid(argument, "a path in a writable folder", str(path))))
    recover(target)
    check_replaceable(target, layout, overwrite)
    return target


def _absolute(path: str | os.PathLike[str], argument: str) -> Path:
    if not isinstance(path, (str, os.PathLike)):
        raise invalid(argument, "a path", path)
    text = os.fspath(path)
    if not isinstance(text, str):
        raise invalid(argument, "a path of text", text)
    name = Path(text).name
    if "\0" in text or name in ("", ".."):
        raise invalid(argument, "a path that ends in a name", text)
    return Path(os.path.realpath(Path(text).parent)) / name


def _check_suffix(target: Path, path: str | os.PathLike[str], layout: Layout) -> None:
    suffix = target.suffix.lower()
    if layout.suffixes and suffix not in layout.suffixes:
        expected = f"a file name that ends in {' or '.join(layout.suffixes)}"
        raise invalid(layout.argument, expected, str(path))
    if suffix in layout.refused_suffixes:
        expected = f"the name of a folder, without the suffix {target.suffix}"
        raise invalid(layout.argument, expected, str(path))


def taken(target: Path) -> FileExistsError:
    """Return the error for a path where something is; the caller raises it."""
    return FileExistsError(
        f"{str(target)!r} already exists. Pass `overwrite=True` (on the command line, "
        f"`--overwrite`) to replace it, or choose another path."
    )


def check_replaceable(target: Path, layout: Layout, overwrite: bool) -> None:
    """Raise a clear error where putting an artifact at `target` would take away anything else.

    Replaced are regular files that have the name and the suffix, and folders that hold an artifact
    or nothing. Links, fifos, sockets, devices, read-only files and folders, and files that are no
    part of the artifact are never replaced or removed.
    """
    there = [each for each in layout.files(target) if os.path.lexists(each)]
    if there and not overwrite:
        raise taken(there[0])
    for each in there:
        _check_kind(each, layout)
    if not there:
        return
    if layout.is_folder and not layout.recognizes(target) and any(target.iterdir()):
        expected = f"{layout.title} to overwrite"
        raise invalid(layout.argument, expected, str(target), "It is something else.")
    foreign = layout.foreign(target)
    if foreign:
        names = ", ".join(repr(str(each)) for each in foreign[:_SHOWN])
        more = f" and {len(foreign) - _SHOWN} more" if len(foreign) > _SHOWN else ""
        raise invalid(
            layout.argument,
            f"{layout.title} to overwrite, and nothing that is no part of it",
            str(target),
            f"No part of it: {names}{more}. Move that away, or choose another path.",
        )
    for each in (*there, *(inner for top in there for inner in top.rglob("*"))):
        _check_writable(each, layout.argument)


def _check_kind(path: Path, layout: Layout) -> None:
    argument, is_folder = layout.argument, layout.is_folder
    mode = os.lstat(path).st_mode
    kind = _OTHER_KINDS.get(stat.S_IFMT(mode))
    expected = "a folder to overwrite" if is_folder else "a file to overwrite"
    if kind is not None:
        raise invalid(argument, expected, str(path), f"It is {kind}, which is never replaced.")
    if stat.S_ISDIR(mode) and not is_folder:
        raise invalid(argument, expected, str(path), "A folder has that name.")
    if not stat.S_ISDIR(mode) and is_folder:
        raise invalid(argument, expected, str(path), "It is something else.")


def _check_writable(path: Path, argument: str) -> None:
    # The owner's bit counts for an administrator, too, whom the system lets write anywhere.
    wanted = os.R_OK | os.W_OK | (os.X_OK if path.is_dir() else 0)
    if not os.access(path, wanted) or not os.lstat(path).st_mode & stat.S_IWUSR:
        raise PermissionError(
            str(
                invalid(
                    argument,
                    "a file or folder to overwrite that is not read-only",
                    str(path),
                    "Change its permissions, or choose another path.",
                )
            )
        )
