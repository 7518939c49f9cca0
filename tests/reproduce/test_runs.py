"""Tests of kept results of trainings: a study that was stopped goes on where it was."""

from __future__ import annotations

import sys
from concurrent.futures import Future
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from studies import studies

__all__ = ["studies"]  # a fixture


def test_a_study_that_was_stopped_goes_on(
    studies: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = studies("runs")
    study = ModuleType("made_up")
    study.ARMS = ["one, 1", "two"]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "made_up", study)
    monkeypatch.setattr(runs, "_fingerprint", lambda name: "abc")
    monkeypatch.setattr(runs, "ProcessPoolExecutor", _Here)
    asked: list[tuple[str, int]] = []

    def run(arm: str, seed: int) -> dict[str, float]:
        if asked.count((arm, seed)) == 0 and len(asked) == 2:
            asked.append((arm, seed))
            raise KeyboardInterrupt
        asked.append((arm, seed))
        return {"figure": seed + 10.0 * (arm == "two")}

    study.run = run  # type: ignore[attr-defined]
    with pytest.raises(KeyboardInterrupt):
        runs.results("made_up", 2, kept=tmp_path)
    found = runs.results("made_up", 2, kept=tmp_path)
    assert found == {
        "one, 1": [{"figure": 0.0}, {"figure": 1.0}],
        "two": [{"figure": 10.0}, {"figure": 11.0}],
    }
    assert len(asked) == 5  # four cells, one of which was stopped and run again
    assert len(list((tmp_path / "made_up-abc").iterdir())) == 4


class _Here:
    """Runs what is submitted at once, in this process."""

    def __init__(self, *_: Any) -> None:
        pass

    def __enter__(self) -> _Here:
        return self

    def __exit__(self, *_: Any) -> None:
        pass

    def shutdown(self, **_: Any) -> None:
        pass

    def submit(self, function: Any, *arguments: Any) -> Any:
        future: Any = Future()
        try:
            future.set_result(function(*arguments))
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
            future.set_exception(error)
        return future
