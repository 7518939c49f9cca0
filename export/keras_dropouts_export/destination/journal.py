"""Notes the renames of an export before the first one, so that a later process can finish them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from keras_dropouts_export.destination.layout import Move
from keras_dropouts_export.destination.renames import flush_names, replace

_NAME = "moves.json"


def note(work: Path, moves: Sequence[Move]) -> None:
    """Write down what is to be renamed, and by which marks it is known again."""
    folder = work.parent
    present: dict[Path, list[int] | None] = {}  # what each path holds when its turn comes
    rows = []
    for source, final in moves:
        for each in (source or final, final):
            present.setdefault(each, _mark(each))
        moved = present[source or final]
        row = {"final": os.path.relpath(final, folder), "moved": moved, "before": present[final]}
        rows.append({"source": source and os.path.relpath(source, folder), **row})
        present[final] = None if source is None else moved
        if source is not None:
            present[source] = None
    with open(work / _NAME, "w", encoding="ascii") as file:  # ASCII: any name, escaped
        json.dump(rows, file)
        file.flush()
        os.fsync(file.fileno())
    flush_names(work)


def forget(work: Path) -> None:
    """Remove the note: nothing is left to be finished."""
    (work / _NAME).unlink(missing_ok=True)


def finish(work: Path) -> bool:
    """Do those renames that a killed process had begun and not done; return whether it did any.

    Where none was done, nothing is: what was at the path before is there. Where what the process
    had put there is no longer there, somebody else has been, and nothing is done either.
    """
    try:
        rows = json.loads((work / _NAME).read_text(encoding="ascii"))
    except (OSError, ValueError):  # no rename had begun
        return False
    done = [number for number, row in enumerate(rows) if _is_done(work.parent, row)]
    if not done:
        return False
    finished = False
    for row in rows[done[-1] + 1 :]:
        finished |= _do(work.parent, row)
    if finished:
        flush_names(work.parent)
    return finished


def _is_done(folder: Path, row: dict[str, Any]) -> bool:
    if row["source"] is None:
        return False  # removing again costs nothing
    return _mark(folder / row["final"]) == row["moved"]


def _do(folder: Path, row: dict[str, Any]) -> bool:
    """Do one rename if both paths hold what they held when it was noted."""
    final = folder / row["final"]
    if row["source"] is None:
        if _mark(final) != row["moved"]:
            return False
        final.unlink()
        return True
    source = folder / row["source"]
    if _mark(source) != row["moved"] or _mark(final) not in (row["before"], None):
        return False
    replace(source, final)
    return True


def _mark(path: Path) -> list[int] | None:
    """Return what one file has and no other: its number, size and time; None where nothing is.

    A folder has its number alone, as its time changes with what is in it.
    """
    with suppress(OSError):
        found = path.lstat()
        if path.is_dir() and not path.is_symlink():
            return [found.st_ino]
        return [found.st_ino, found.st_size, found.st_mtime_ns]
    return None
