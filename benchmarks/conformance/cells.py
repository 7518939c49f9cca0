"""Runs all checks of all layers on the backend of this process and returns plain data."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import behaviour
import contenders
import statistical
from running import BACKEND, DTYPES, EXECUTIONS
from statistical import Check

from subjects import SUBJECTS, Subject


def every_row(only: str) -> list[dict[str, Any]]:
    """Return a row for each of our layers, and for each contender of a kind.

    only: what the names of the layers must hold.
    """
    rows = [{"kind": "", **_row(each, each)} for each in SUBJECTS if only in each.name]
    for kind, found in contenders.contenders().items():
        for package, subject in found.items():
            if only in subject.name:
                row = _row(subject, found[contenders.OURS])
                rows.append({**row, "kind": kind, "layer": package})
    return rows


def _row(subject: Subject, like: Subject) -> dict[str, Any]:
    """Return all checks of a layer, with as many samples as are enough for `like`, one of ours."""
    rows = statistical.rows_for(like)
    cells = [
        {"dtype": dtype, "execution": execution}
        | _plain(
            _found(
                lambda dtype=dtype, execution=execution: statistical.statistics(
                    subject, rows, dtype, execution
                ),
                statistical.NAMES,
            )
        )
        for dtype in DTYPES
        for execution in EXECUTIONS
    ]
    once: dict[str, Any] = {}
    for name, check in behaviour.CHECKS.items():
        once |= _plain(_found(lambda check=check, name=name: {name: check(subject)}, (name,)))
    print(".", end="", flush=True, file=sys.stderr)
    return {"backend": BACKEND, "layer": subject.name, "cells": cells, "once": once}


def _found(check: Callable[[], dict[str, Check]], names: tuple[str, ...]) -> dict[str, Check]:
    """Return what a check finds; an error is a finding, too: the layer cannot do it."""
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - peers fail in ways of their own
        failed = Check(False, f"{type(error).__name__}: {error}"[:200], float("inf"))
        return dict.fromkeys(names, failed)


def _plain(found: dict[str, Check]) -> dict[str, Any]:
    return {name: vars(check) for name, check in found.items()}
