"""Adds to the outputs of an artifact what calibrations, conformal prediction and thresholds say."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_dropouts.arguments import invalid
from keras_dropouts.entropy import entropy
from keras_dropouts.uncertainty.conformal_intervals import ConformalIntervals
from keras_dropouts.uncertainty.scaling_layers import StdScaling
from keras_dropouts.uncertainty.served_decisions import ServedDecision, from_json, to_json
from keras_dropouts_export.options import MonteCarlo

CALIBRATION = "keras_dropouts.calibration"  # the key in an artifact's metadata
# How many times the tolerance of an output the score of a decision may be off.
_LOOSER = 10.0

_OF_NUMBERS = (ConformalIntervals, StdScaling)

Arrays = dict[str, np.ndarray]
_EXPECTED = (
    "None, a calibration, what `kd.uncertainty.conformal` returns, a threshold, a list of these, "
    "or a dict of them by the names of the outputs"
)


@dataclass(frozen=True)
class DecidedOutputs:
    """What an artifact says of its outputs beside them, by the names of the outputs.

    It is a function of what is served: of an output, or of the mean and the standard deviation of
    its samples, or of the samples. So the same is computed in the traced function, by NumPy for the
    comparison with the model, and of a file that exists.
    """

    by_output: dict[str, tuple[ServedDecision, ...]]  # "" stands for the only output

    @classmethod
    def asked_for(cls, calibration: Any, sampling: MonteCarlo | None) -> DecidedOutputs | None:
        """Return what `calibration` asks for, None for nothing.

        Raises:
            ValueError: if it is none of what it may be, or cannot be had of these samples.
        """
        if calibration is None or isinstance(calibration, cls):
            return calibration
        given = calibration if isinstance(calibration, dict) else {"": calibration}
        found = {}
        for name, each in given.items():
            decisions = tuple(each) if isinstance(each, list | tuple) else (each,)
            if not decisions or not all(isinstance(one, ServedDecision) for one in decisions):
                raise invalid("calibration", _EXPECTED, each)
            found[name] = tuple(_fitted(one, sampling) for one in decisions)
        return cls(found)

    def of(self, shapes: dict[str, tuple[Any, ...]]) -> DecidedOutputs:
        """Return the decisions of outputs with these shapes, by their names.

        Raises:
            ValueError: if there are no such outputs, or they are none of which this can be said.
        """
        if len(shapes) > 1 and "" in self.by_output:
            shown = list(self.by_output[""])
            raise invalid("calibration", f"a dict by the outputs {sorted(shapes)}", shown)
        found = {name or next(iter(shapes)): each for name, each in self.by_output.items()}
        unknown = sorted(map(str, set(found) - set(shapes)))
        if unknown:
            raise invalid("calibration", f"names of outputs, which are {sorted(shapes)}", unknown)
        for name, decisions in found.items():
            taken = set(shapes)
            for each in decisions:
                each.check(shapes[name], name)
                added = {f"{name}_{ending}" for ending in each.endings}
                if added & taken:
                    expected = f"what adds one output {min(added & taken)!r}"
                    raise invalid("calibration", expected, list(decisions))
                taken |= added
        return DecidedOutputs(found)

    @property
    def of_classes(self) -> frozenset[str]:
        """The outputs that have to be class probabilities for what is said of them."""
        return frozenset(
            name
            for name, decisions in self.by_output.items()
            if any(not isinstance(each, _OF_NUMBERS) for each in decisions)
        )

    def served(self, outputs: dict[str, Any], xp: Any) -> dict[str, Any]:
        """Return the outputs that are added to `outputs`, by name.

        xp: NumPy, or `keras.ops` for tensors.
        """
        found: dict[str, Any] = {}
        for name, decisions in self.by_output.items():
            known = _known(outputs, name, decisions, xp)
            for decision in decisions:
                for ending, value in decision.served(*known, xp=xp).items():
                    found[f"{name}_{ending}"] = value
        return found

    def open_to_rounding(self, outputs: Arrays, allowed: dict[str, float]) -> Arrays:
        """Return which decisions rounding may turn, booleans by the name of the added output.

        outputs: those that are served, by name; allowed: what an output may differ by.
        """
        found: Arrays = {}
        for name, decisions in self.by_output.items():
            known = _known(outputs, name, decisions, np)
            sources = (name, f"{name}_mean", f"{name}_samples")
            tolerance = _LOOSER * next(allowed[each] for each in sources if each in allowed)
            for decision in decisions:
                for ending, margin in decision.margin(*known).items():
                    found[f"{name}_{ending}"] = margin <= tolerance
        return found

    def to_json(self) -> str:
        """Return the decisions as JSON text, in the form that an artifact's metadata holds."""
        return json.dumps({name: json.loads(to_json(d)) for name, d in self.by_output.items()})

    @classmethod
    def from_json(cls, text: str, path: str) -> DecidedOutputs:
        """Return the decisions that the metadata of the artifact at `path` holds.

        Raises:
            ValueError: if this version of the package cannot read them.
        """
        try:
            given = json.loads(text)
            return cls({name: tuple(from_json(json.dumps(d))) for name, d in given.items()})
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            expected = "an artifact whose metadata this version of keras_dropouts can read"
            raise invalid("path", expected, path, f"Its metadata says {text!r}.") from error

    def __reduce__(self) -> Any:
        """Travel to another process as text: what the decisions were fitted on stays here."""
        return DecidedOutputs.from_json, (self.to_json(), "")


def _fitted(decision: ServedDecision, sampling: MonteCarlo | None) -> ServedDecision:
    """Return a decision for what an artifact serves: the plain output, or the mean of samples."""
    needs = decision.needs
    if sampling is None:
        if needs:
            expected = f"None, or `samples` as well: it needs {' and '.join(sorted(needs))}"
            raise invalid("calibration", expected, decision)
    elif "mutual_information" in needs and not (sampling.uncertainty or sampling.reduce is None):
        expected = "True where a threshold of the mutual information is in the file"
        raise invalid("uncertainty", expected, sampling.uncertainty)
    if sampling is not None and sampling.fixed_masks and getattr(decision, "refit", None):
        expected = "False where conformal prediction draws masks for each row"
        way_out = (
            "Make it of `mc_predict(model, x, samples, seed, fixed_masks=True)`, and give every "
            "row that is served that seed."
        )
        raise invalid("fixed_masks", expected, True, way_out)
    return decision.for_samples(None if sampling is None else sampling.samples)


def _known(
    outputs: dict[str, Any], name: str, decisions: Iterable[ServedDecision], xp: Any
) -> tuple[Any, Any, Any]:
    """Return mean, standard deviation and mutual information of an output, as far as needed."""
    if f"{name}_samples" in outputs:
        samples = outputs[f"{name}_samples"]
        mean = xp.mean(samples, axis=1)
        std = xp.std(samples, axis=1)
        if not any("mutual_information" in each.needs for each in decisions):
            return mean, std, None
        apart = entropy(mean, xp) - xp.mean(entropy(samples, xp), axis=1)
        return mean, std, xp.maximum(apart, xp.zeros_like(apart))
    if f"{name}_mean" in outputs:
        information = outputs.get(f"{name}_mutual_information")
        return outputs[f"{name}_mean"], outputs[f"{name}_std"], information
    return outputs[name], None, None
