"""Renames in one step, also where both paths exist or none may, and writes through to the disk."""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_HERE = -100  # AT_FDCWD: paths are absolute, or relative to the current folder
_NO_REPLACE, _EXCHANGE = 1, 2  # of Linux; the flags of macOS have other numbers
_MACOS = {_NO_REPLACE: 4, _EXCHANGE: 2}
# What the system answers where this call, or this flag on this file system, does not exist.
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EXDEV)


@functools.cache
def _system_call() -> Callable[[bytes, bytes, int], int] | None:
    """Return the rename of the C library that takes flags, None where it has none."""
    if os.name != "posix":
        return None
    library = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "darwin" and hasattr(library, "renamex_np"):
        swap = library.renamex_np
        swap.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_uint]
        return lambda one, other, flag: int(swap(one, other, _MACOS[flag]))
    if hasattr(library, "renameat2"):  # glibc 2.28, musl 1.2.4; Linux 3.15
        call = library.renameat2
        place = (ctypes.c_int, ctypes.c_char_p)
        call.argtypes = [*place, *place, ctypes.c_uint]
        return lambda one, other, flag: int(call(_HERE, one, _HERE, other, flag))
    return None


def _renamed(source: Path, final: Path, flag: int) -> bool:
    """Rename with a flag, and return whether the system can do that."""
    call = _system_call()
    if call is None:
        return False
    if call(os.fsencode(source), os.fsencode(final), flag) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number), str(final))


def exchange(one: Path, other: Path) -> bool:
    """Exchange what is at two paths in one step, and return whether the system can do that."""
    return _renamed(one, other, _EXCHANGE)


def replace(source: Path, final: Path) -> None:
    """Rename a file over another one, or a folder to where none is, in one step."""
    os.replace(source, final)


def rename_new(source: Path, final: Path) -> None:
    """Rename to a path where nothing is.

    Raises:
        FileExistsError: if something is there.
    """
    if _renamed(source, final, _NO_REPLACE):
        return
    if source.is_dir():
        if os.path.lexists(final):  # an empty folder would be replaced
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(final))
        replace(source, final)
        return
    second_name(source, final)
    os.unlink(source)


def second_name(path: Path, name: Path) -> None:
    """Give a file a second name, where nothing is yet; a copy where the file system has no links.

    Raises:
        FileExistsError: if something has that name.
    """
    try:
        os.link(path, name, follow_symlinks=False)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):  # FAT, and some network drives
        with open(path, "rb") as source, open(name, "xb") as copy:
            shutil.copyfileobj(source, copy, 2**20)
            copy.flush()
            os.fsync(copy.fileno())
        shutil.copystat(path, name)


def flush(path: Path) -> None:
    """Write a file, or a folder with all that is in it, through to the disk."""
    if path.is_dir() and not path.is_symlink():
        for each in path.iterdir():
            flush(each)
        flush_names(path)
    elif path.is_file():
        _synced(path)


def flush_names(folder: Path) -> None:
    """Write the names in a folder through to the disk."""
    with suppress(OSError):  # some file systems do not sync folders
        _synced(folder)


def _synced(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
