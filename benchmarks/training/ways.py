"""The table of ways to train: a name, and a function that trains and checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Done = tuple[Any, str]  # the trained model, and what was counted

WAYS: dict[str, Callable[[], Done]] = {}


def way(name: str) -> Callable[[Callable[[], Done]], Callable[[], Done]]:
    """Put a way into the table under a name."""

    def add(run: Callable[[], Done]) -> Callable[[], Done]:
        assert name not in WAYS, name
        WAYS[name] = run
        return run

    return add
