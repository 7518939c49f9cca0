"""Lets signals that end the process end a block first, and holds them back where none may."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_DEFAULT = signal.SIG_DFL


class Ended(BaseException):
    """The process was told to end. Not an Exception, so that nothing but a `finally` sees it."""


def _numbers(*names: str) -> list[signal.Signals]:
    """Return those signals that the system has, in the main thread: no other one handles them."""
    if threading.current_thread() is not threading.main_thread():
        return []
    return [signal.Signals[each] for each in names if each in signal.Signals.__members__]


@contextmanager
def unwinding() -> Iterator[None]:
    """Inside this block, SIGTERM and SIGHUP run every `finally`, and only then end the process.

    A handler of the user's stays, and so does a signal that is ignored (`nohup`). Outside of the
    main thread nothing is done.
    """
    received: list[int] = []

    def end(number: int, _: Any) -> None:
        received.append(number)
        if len(received) == 1:  # a second one does not interrupt the cleaning up
            raise Ended(number)

    ours = [each for each in _numbers("SIGTERM", "SIGHUP") if signal.getsignal(each) is _DEFAULT]
    for each in ours:
        signal.signal(each, end)
    try:
        yield
    except Ended:
        pass  # sent again below, to the handler that was there before
    finally:
        for each in ours:
            if signal.getsignal(each) is end:
                signal.signal(each, _DEFAULT)
    if received:
        signal.raise_signal(received[0])
        raise SystemExit(128 + received[0])  # the first process of a container outlives the signal


@contextmanager
def held_signals() -> Iterator[None]:
    """Hold back SIGINT, SIGTERM and SIGHUP inside this block, and deliver them when it ends."""
    received: list[int] = []
    before: dict[signal.Signals, Any] = {}
    for each in _numbers("SIGINT", "SIGTERM", "SIGHUP"):
        handler = signal.getsignal(each)
        if handler is _DEFAULT or callable(handler):
            before[each] = handler
            signal.signal(each, lambda number, _: received.append(number))
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        for number in received[:1]:
            signal.raise_signal(number)
