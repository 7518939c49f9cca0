"""Keeps the parts of a table that is being scored in a folder beside the result."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from keras_dropouts.arguments import invalid

try:
    import fcntl
except ImportError:  # Windows: two runs to the same path are not told apart
    fcntl = None  # type: ignore[assignment]

_LOCK = "lock"
_OURS = re.compile(r"lock|[0-9a-f]{32}(\.new)?|copy-[0-9a-f]{32}\.parquet")


def parts_folder(out: Path) -> Path:
    """Return where the parts of the result at `out` are kept while it is made."""
    return out.with_name(f"{out.name}.parts")


@contextmanager
def kept_parts(out: Path) -> Iterator[Path]:
    """Yield the folder of the parts for `out`; it is removed when the block ends without an error.

    What is in it and was not made by this module stays.

    Raises:
        FileExistsError: if something else has its name, or another run works there.
        PermissionError: if it cannot be made.
    """
    folder = parts_folder(out)
    try:
        folder.mkdir(exist_ok=True)
    except FileExistsError as error:
        expected = f"a path beside which {folder.name!r}, a folder for parts, can be made"
        raise FileExistsError(str(invalid("out", expected, str(out)))) from error
    except PermissionError as error:
        said = str(invalid("out", "a path in a writable folder", str(out)))
        raise PermissionError(said) from error
    lock = _locked(folder, out)
    try:
        yield folder
        _remove(folder)
    finally:
        if lock is not None:
            os.close(lock)


def _locked(folder: Path, out: Path) -> int | None:
    if fcntl is None:
        return None
    opened = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(opened)
        expected = "a path that no other run is writing to"
        raise FileExistsError(str(invalid("out", expected, str(out)))) from error
    except OSError:  # a drive without locks
        os.close(opened)
        return None
    return opened


def _remove(folder: Path) -> None:
    with suppress(OSError):  # what is left cannot be helped: the result is in place
        for each in folder.iterdir():
            if not _OURS.fullmatch(each.name):
                continue
            if each.is_dir() and not each.is_symlink():
                shutil.rmtree(each, ignore_errors=True)
            else:
                each.unlink()
        folder.rmdir()
