"""Puts a finished artifact at its path: at each instant the old one is whole there, or the new."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from keras_dropouts_export.destination import journal, renames
from keras_dropouts_export.destination.ending_signals import held_signals
from keras_dropouts_export.destination.layout import Layout, Move
from keras_dropouts_export.destination.path_checks import check_replaceable, taken

_BEFORE = "before"  # the name in the workplace of a folder that is replaced in two steps


def put_in_place(made: Path, target: Path, layout: Layout, overwrite: bool) -> None:
    """Put what was made at `target`; what was there before comes back if that fails.

    `made` lies in a workplace, and is written through to the disk first. A file takes the place of
    a file in one rename. Two folders are exchanged in one step where the system can
    (`renameat2(RENAME_EXCHANGE)` on Linux, `renamex_np` on macOS); elsewhere the old one is moved
    into the workplace first, and for that instant nothing is at the path: if the process is killed
    just then, `recover` finishes, which exports, `verify` and `audit` call first. An artifact of
    two files takes several renames, after each of which one is whole (`Layout.moves`).

    Raises:
        FileExistsError: if something came to be at `target` meanwhile and `overwrite` is False.
        ValueError, PermissionError: if what came to be there meanwhile is not to be replaced.
    """
    check_replaceable(target, layout, overwrite)
    work = made.parent
    moves = layout.moves(made, target)
    renames.flush(work)
    with held_signals():
        journal.note(work, _noted(moves, work))
        _do(moves, work)
        renames.flush_names(target.parent)
        journal.forget(work)


def _noted(moves: Sequence[Move], work: Path) -> list[Move]:
    """Return the moves with one more before each that replaces a folder, if it takes two steps."""
    found = []
    for move in moves:
        if move.source is not None and move.final.is_dir():
            found.append(Move(move.final, work / _BEFORE))
        found.append(move)
    return found


def _do(moves: Sequence[Move], work: Path) -> None:
    undo: list[Move] = []
    try:
        for number, move in enumerate(moves):
            undo.append(_done(move, work / f"kept {number}"))
    except BaseException:
        for back in reversed(undo):
            _undone(back)
        journal.forget(work)
        raise


def _done(move: Move, kept: Path) -> Move:
    """Do one rename, and return how it is undone; `kept` is a free name for what it replaces."""
    source, final = move
    if source is None:
        renames.replace(final, kept)
        return Move(kept, final)
    if not os.path.lexists(final):
        try:
            renames.rename_new(source, final)
        except FileExistsError as error:
            raise taken(final) from error
        return Move(final, source)
    if renames.exchange(source, final):
        return move  # exchanged once more
    if final.is_dir():
        return _in_two_steps(source, final)
    renames.second_name(final, kept)
    renames.replace(source, final)
    return Move(kept, final)


def _in_two_steps(source: Path, final: Path) -> Move:
    before = source.with_name(_BEFORE)
    renames.replace(final, before)
    try:
        renames.replace(source, final)
    except BaseException:
        renames.replace(before, final)
        raise
    return Move(before, final)


def _undone(back: Move) -> None:
    source, final = back
    if source is None or (os.path.lexists(final) and renames.exchange(source, final)):
        return
    if source.is_dir() and final.is_dir():
        renames.replace(final, source.with_name("given up"))
    renames.replace(source, final)
