"""Says what became of an artifact in a runtime: refused, wrong or equal, and whether masks are."""

from __future__ import annotations

import re
import signal
from dataclasses import asdict, dataclass
from typing import Any

import exchange
import numpy as np
from artifacts import MASKS, Artifact

# (atol, rtol); rtol is of the largest number of an output.
TOLERANCE = {"float32": (1e-5, 1e-4), "float16": (2e-3, 1e-2)}
EQUAL, DIFFERS, REFUSED, FAILS = "equal", "differs", "does not load", "does not run"
ENDS, SLOW = "ends its process", "no answer in time"
NOT_WRITTEN, NOT_HERE = "not exported", "not here"


@dataclass(frozen=True)
class Outcome:
    """What one runtime does with one artifact.

    error: the largest difference from Keras, None where it is no number; masks: whether every mask
    that the outputs show is Keras's bit for bit, None where they show none; reason: why it is
    refused, does not run or has no such difference.
    """

    kind: str
    version: str = ""
    error: float | None = None
    masks: bool | None = None
    reason: str = ""

    @property
    def ok(self) -> bool:
        """Whether the runtime answers as Keras does."""
        return self.kind == EQUAL and self.masks is not False

    def as_json(self) -> dict[str, Any]:
        """Return the fields that say something."""
        fields = asdict(self)
        if self.error is not None:
            fields["error"] = float(f"{self.error:.2g}")
        return {name: value for name, value in fields.items() if value not in (None, "")}


def outcome(artifact: Artifact, given: dict[str, Any], state: dict[str, Any]) -> Outcome:
    """Return what a worker's answers to `given`, the artifact's cases, are."""
    version, reason = state.get("version", ""), first_lines(state.get("error", ""))
    if state.get("missing"):
        return Outcome(NOT_HERE, version, reason=reason)
    if not state.get("loaded"):
        return Outcome(REFUSED, version, reason=reason)
    wanted = [exchange.decoded(case["outputs"]) for case in given["cases"]]
    if state.get("error") or len(state["answers"]) < len(wanted):
        return Outcome(FAILS, version, reason=reason or "It gives no answer.")
    got = [exchange.decoded(answers) for answers in state["answers"]]
    errors = [_error(g, w, artifact.precision) for g, w in zip(got, wanted, strict=True)]
    equal = all(within for _, within in errors)
    shown = [name for name in wanted[0] if name.startswith(MASKS)]
    masks = None
    if artifact.samples and shown:
        pairs = [(g[name], w[name]) for g, w in zip(got, wanted, strict=True) for name in shown]
        masks = all(np.array_equal(one, other) for one, other in pairs)
    largest = max(error for error, _ in errors)
    if np.isinf(largest):
        return Outcome(DIFFERS, version, None, masks, "An output has another shape, or no numbers.")
    return Outcome(EQUAL if equal else DIFFERS, version, largest, masks)


def ended(status: int, said: str) -> Outcome:
    """Return the outcome of a worker whose process ended with a status, or without an answer."""
    name = signal.Signals(-status).name if status < 0 else f"status {status}"
    return Outcome(ENDS, reason=f"{name}. {first_lines(said)}".rstrip())


def _error(got: exchange.Arrays, wanted: exchange.Arrays, precision: str) -> tuple[float, bool]:
    atol, rtol = TOLERANCE[precision]
    largest, within = 0.0, True
    for name, right in wanted.items():
        one, other = got[name].astype("float64"), right.astype("float64")
        if one.shape != other.shape:
            return float("inf"), False
        difference = np.abs(one - other).max(initial=0.0)
        difference = float("inf") if np.isnan(difference) else float(difference)
        within &= difference <= atol + rtol * np.abs(other).max(initial=0.0)
        largest = max(largest, difference)
    return largest, bool(within)


def first_lines(error: str, most: int = 320) -> str:
    """Return what an error says first, on one line, without paths, stacks and places in code."""
    text = re.split(r"Stack backtrace|Traceback|\n\s*at ", error)[0]
    text = re.sub(
        r"Exception from \S+:\d+:|Check 'false' failed at \S+:|\S+\.[ch]pp:\d+:", "", text
    )
    text = re.sub(r"(?<![\w.])/(?:[\w.+-]+/)+", "", text)  # folders
    text = re.sub(r"\x1b\[[\d;]*m|\s+", " ", text).strip()
    return text if len(text) <= most else f"{text[:most].rstrip()} ..."
