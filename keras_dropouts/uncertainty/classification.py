"""Computes every figure of predictions of classes, for all rows or for rows that are weighed."""

from __future__ import annotations

import numpy as np

from keras_dropouts.uncertainty.binned import (
    ClasswiseBins,
    Reliability,
    equal_mass,
    equal_width,
)
from keras_dropouts.uncertainty.bootstrap import means
from keras_dropouts.uncertainty.checked_input import Classes
from keras_dropouts.uncertainty.scores import available, certainty
from keras_dropouts.uncertainty.selective import Ranking, Selection

COVERAGES = (80, 90)  # percent
RISKS = (1, 5)


class ClassFigures:
    """The figures of predictions of classes.

    What does not depend on weights is computed once: a bootstrap asks for the figures often.
    """

    def __init__(self, classes: Classes, bins: int) -> None:
        self.classes, self.bins = classes, bins
        p, labels = classes.probabilities, classes.labels
        self.right = (p.argmax(axis=1) == labels).astype("float64")
        self.certainties = {name: certainty(classes, name) for name in available(classes)}
        self.confidence = self.certainties["confidence"]
        self._rows = {
            "accuracy": self.right,
            "confidence": self.confidence,
            "nll": log_losses(p, labels, classes.smallest),
            "brier": brier_scores(p, labels),
        }
        self._rankings = {name: Ranking(x, self.right) for name, x in self.certainties.items()}
        self._width = equal_width(self.confidence, bins)
        self._mass = equal_mass(self._rankings["confidence"].less_certain(), bins)
        self._classwise = ClasswiseBins(p, labels, bins)

    def figures(self, weights: np.ndarray | None = None) -> dict[str, float]:
        """Return each figure by its name; `weights` says how often each row counts."""
        found = means(self._rows, weights)
        width, mass = self.reliability(weights), self._reliability(self._mass, weights)
        found |= {
            "ece": width.expected(),
            "ece_mass": mass.expected(),
            "ece_classwise": self._classwise.error(weights),
            "ece_debiased": mass.debiased(),
            "mce": width.maximum(),
        }
        for name, ranking in self._rankings.items():
            end = "" if name == "confidence" else f"_{name}"
            for key, value in selective_figures(ranking.selection(weights)).items():
                found[f"{key}{end}"] = value
        return found | self._served(weights)

    def reliability(self, weights: np.ndarray | None = None) -> Reliability:
        """Return the reliability in bins of equal width."""
        return self._reliability(self._width, weights)

    def selections(self) -> dict[str, Selection]:
        """Return what is accepted at each threshold, by score."""
        return {name: ranking.selection() for name, ranking in self._rankings.items()}

    def _reliability(self, index: np.ndarray, weights: np.ndarray | None) -> Reliability:
        return Reliability.of(index, self.bins, self.confidence, self.right, weights)

    def _served(self, weights: np.ndarray | None) -> dict[str, float]:
        """Return the figures of sets and of accepted rows, where an artifact gives them."""
        sets, accept, labels = self.classes.sets, self.classes.accept, self.classes.labels
        rows = {}
        if sets is not None:
            rows["set_coverage"] = sets[np.arange(len(labels)), labels]
            rows["set_size"] = sets.sum(axis=1)
        if accept is not None:
            rows["accepted"] = accept
            rows["_wrong"] = accept * (1.0 - self.right)
        found = means(rows, weights)
        if accept is not None:
            wrong = found.pop("_wrong")
            found["accepted_risk"] = wrong / found["accepted"] if found["accepted"] else 0.0
        return found


def log_losses(probabilities: np.ndarray, labels: np.ndarray, smallest: float) -> np.ndarray:
    """Return the negative log-likelihood -log p_y of each row in nats.

    A probability below `smallest` counts as that, as in scikit-learn's `log_loss`: a float32
    softmax gives zeros where the true number is not.

    Reference:
        Good, 1952, "Rational decisions".
    """
    found = probabilities[np.arange(len(labels)), labels]
    return -np.log(np.maximum(found, smallest))


def brier_scores(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the Brier score sum_c (p_c - [c = y])^2 of each row, in [0, 2].

    Reference:
        Brier, 1950, "Verification of forecasts expressed in terms of probability".
    """
    squares = np.einsum("nc,nc->n", probabilities, probabilities)
    return squares - 2.0 * probabilities[np.arange(len(labels)), labels] + 1.0


def selective_figures(selection: Selection) -> dict[str, float]:
    """Return the figures of selective prediction."""
    return {
        "aurc": selection.aurc(),
        "augrc": selection.augrc(),
        **{f"risk_at_coverage_{c}": selection.risk_at_coverage(c / 100) for c in COVERAGES},
        **{f"coverage_at_risk_{r}": selection.coverage_at_risk(r / 100) for r in RISKS},
    }
