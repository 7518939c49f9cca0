"""Bounds the memory that a block may take beyond what the process has, where Linux can."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

_STATUS = Path("/proc/self/status")


@contextmanager
def memory_limit(more: int) -> Iterator[None]:
    """Let the process take at most `more` bytes beyond what it has when the block begins.

    An allocation beyond that fails, and raises an error in the library that asked for it. Where
    the system does not say how much a process has (macOS, Windows), nothing is done.
    """
    found = re.search(r"VmData:\s*(\d+) kB", _status())
    if resource is None or found is None:
        yield
        return
    before = soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = int(found.group(1)) * 1024 + more
    lowest = min((each for each in before if each != resource.RLIM_INFINITY), default=wanted)
    resource.setrlimit(resource.RLIMIT_DATA, (min(wanted, lowest), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _status() -> str:
    try:
        return _STATUS.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
