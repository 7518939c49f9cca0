"""Imports the modules of the studies that `make reproduce` runs, which are in no package."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks" / "reproduce"
OURS = [each.stem for each in FOLDER.glob("*.py") if each.stem != "__main__"]


@pytest.fixture
def studies(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return what imports a module of the folder; they are forgotten afterwards."""
    monkeypatch.syspath_prepend(str(FOLDER))
    yield importlib.import_module
    for name in OURS:
        sys.modules.pop(name, None)
