"""Fits conformal prediction again where an artifact serves other samples than it was fitted on."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from keras_dropouts.arguments import invalid
from keras_dropouts.uncertainty.served_decisions import to_json

ANY = -1  # the `samples` of what was fitted on an array, of which nobody knows how it was made


class _Decision(Protocol):
    @property
    def samples(self) -> int | None: ...

    @property
    def refit(self) -> Any: ...


Fitted = TypeVar("Fitted", bound=_Decision)


def fitted_for(decision: Fitted, samples: int | None) -> Fitted:
    """Return a decision for the mean of so many samples, fitted again where it is for others.

    Raises:
        ValueError: if the data are not at hand.
    """
    if decision.samples in (ANY, samples):
        return decision
    if decision.refit is None:
        wanted = "a prediction without dropout" if samples is None else f"{samples} samples"
        made = "none" if decision.samples is None else f"{decision.samples} samples"
        way_out = "Make it by `conformal(model, x, y, ...)`, which keeps the data to fit it again."
        expected = f"conformal prediction that was fitted on {wanted}: coverage holds for these"
        raise invalid("calibration", expected, f"one fitted on {made}", way_out)
    return decision.refit(samples)


def known_of(decision: Any) -> dict[str, Any]:
    """Return the fields of a decision as JSON can hold them."""
    found = {k: x for k, x in vars(decision).items() if k != "refit"}
    scale = found.get("calibration")
    if scale is not None:
        found["calibration"] = to_json([scale])
    return found
