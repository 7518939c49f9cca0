"""Makes the temporary folder of an export, and clears up after exports that were killed."""

from __future__ import annotations

import os
import re
import shutil
import socket
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from keras_dropouts.arguments import invalid
from keras_dropouts_export.destination import journal
from keras_dropouts_export.destination.ending_signals import held_signals, unwinding

try:
    import fcntl
except ImportError:  # Windows: no folder is ever taken for one whose owner is gone
    fcntl = None  # type: ignore[assignment]

_OWNER = "owner"  # a file that the process of an export holds locked as long as it lives
_UNLOCKED = "owner.new"  # the same file before it is locked
_SUFFIX = ".export"
_GRACE = 60.0  # seconds in which an owner has locked its file
_LONGEST = 100  # bytes of the artifact's name in the folder's name


@contextmanager
def workplace(target: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `target`, on the same disk, and remove it whatever happens.

    SIGTERM and SIGHUP end the process only when the folder is gone.

    Raises:
        PermissionError: if it cannot be made.
        OSError: with a sentence that names `target`, for any error of the disk in the block.
    """
    with unwinding():
        try:
            made = tempfile.mkdtemp(prefix=_prefix(target), suffix=_SUFFIX, dir=target.parent)
        except PermissionError as error:
            raise PermissionError(
                str(invalid("path", "a path in a writable folder", str(target)))
            ) from error
        work = Path(made)
        owner = None
        try:
            owner = _locked(work)
            yield work
        except OSError as error:
            if error.errno is None:  # it says already what is wrong
                raise
            place = f" ({error.filename})" if error.filename else ""
            raise OSError(
                error.errno, f"Nothing was written at {str(target)!r}: {error.strerror}{place}"
            ) from error
        finally:
            with held_signals():
                _remove(work)
                if owner is not None:
                    os.close(owner)


def recover(target: Path) -> None:
    """Clear up after exports to `target` that were killed, and say so in a warning.

    A rename that was under way is finished, so that a whole artifact is at the path; then the
    temporary folder is removed. Folders of exports that still run are left alone.
    """
    for work in _left_behind(target):
        owner = _taken_over(work)
        if owner is None:
            continue
        try:
            with held_signals():
                finished = journal.finish(work)
                _remove(work)
        finally:
            if owner >= 0:
                os.close(owner)
        what = "It was finished, and the" if finished else "The"
        warnings.warn(
            f"An export to {str(target)!r} was killed before it ended. {what} temporary folder "
            f"{str(work)!r} was removed.",
            stacklevel=2,
        )


def _prefix(target: Path) -> str:
    name = os.fsencode(target.name)[:_LONGEST]
    return f".{os.fsdecode(name)}."


def _left_behind(target: Path) -> list[Path]:
    pattern = re.compile(re.escape(_prefix(target)) + r"[a-z0-9_]{8}" + re.escape(_SUFFIX))
    try:
        names = sorted(os.listdir(target.parent))
    except OSError:  # a folder that may be written to and not listed
        return []
    return [target.parent / name for name in names if pattern.fullmatch(name)]


def _locked(work: Path) -> int | None:
    """Make the file that says that a process works here, and return it opened and locked."""
    if fcntl is None:
        return None
    opened = os.open(work / _UNLOCKED, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        os.write(opened, f"{os.getpid()} on {socket.gethostname()}\n".encode())
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.rename(work / _UNLOCKED, work / _OWNER)  # it is locked already when it has this name
    except OSError:
        os.close(opened)
        return None  # a drive without locks: the folder stays if the process is killed
    except BaseException:
        os.close(opened)
        raise
    return opened


def _taken_over(work: Path) -> int | None:
    """Return the locked file of a folder whose owner is gone, None where it may live.

    The number is -1 for a folder whose owner was gone before it had the file.
    """
    if fcntl is None:
        return None
    try:
        opened = os.open(work / _OWNER, os.O_RDWR)
    except OSError:
        return -1 if _never_owned(work) else None
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(opened)
        return None
    return opened


def _never_owned(work: Path) -> bool:
    """Return whether a folder has been without an owner for a time, and nothing is in it."""
    with suppress(OSError):
        old = time.time() - work.lstat().st_mtime > _GRACE
        return old and set(os.listdir(work)) <= {_UNLOCKED}
    return False


def _remove(work: Path) -> None:
    """Remove a temporary folder, its owner's file last: who finds half of it can go on."""
    with suppress(OSError):  # what is left cannot be helped, and the next export tries again
        for each in sorted(work.iterdir(), key=lambda path: path.name == _OWNER):
            if each.is_dir() and not each.is_symlink():
                shutil.rmtree(each, ignore_errors=True)
            else:
                each.unlink()
        work.rmdir()
