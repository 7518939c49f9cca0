"""Measures selective prediction: how the risk falls where only certain predictions are accepted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Selection:
    """What is accepted, and what of it is wrong, at each threshold that makes a difference.

    Rows of the same certainty are accepted together, so nothing depends on their order. All arrays
    are float64 of shape (G,), for the G distinct certainties from the highest to the lowest.
    certainty: the threshold. accepted: how many rows have at least this certainty. wrong: how many
    of those are wrong.
    """

    certainty: np.ndarray
    accepted: np.ndarray
    wrong: np.ndarray

    @property
    def coverage(self) -> np.ndarray:
        """The share of all rows that is accepted at each threshold."""
        return self.accepted / self.accepted[-1]

    @property
    def risk(self) -> np.ndarray:
        """The share of the accepted rows that is wrong at each threshold."""
        return self.wrong / self.accepted

    def aurc(self) -> float:
        """Return the area under the risk-coverage curve: (1/N) sum_k risk of the k most certain.

        Of m rows that are equally certain, of which e are wrong, after K others with E wrong ones,
        j have E + j e/m wrong ones on average over their orders; this mean is taken.

        Reference:
            El-Yaniv and Wiener, 2010, "On the foundations of noise-free selective classification";
            Geifman, Uziel and El-Yaniv, 2019, "Bias-reduced uncertainty estimation for deep neural
            classifiers".
        """
        rows = np.diff(self.accepted, prepend=0.0)
        alone, (many,) = rows == 1.0, np.nonzero(rows > 1.0)
        area = float((self.wrong[alone] / self.accepted[alone]).sum())
        if len(many):
            # sum_j (E + e j/m) / (K + j) = e + (E - K e/m) (H_{K+m} - H_K), harmonic numbers H
            after, count = self.accepted[many].astype("int64"), rows[many]
            before = self.accepted[many] - count
            wrong = np.diff(self.wrong, prepend=0.0)[many]
            sums = np.cumsum(1.0 / np.arange(1, after[-1] + 1))
            first = after - count.astype("int64")
            steps = sums[after - 1] - np.where(first > 0, sums[first - 1], 0.0)
            rest = (self.wrong[many] - wrong) - before * wrong / count
            area += float((wrong + rest * steps).sum())
        return area / float(self.accepted[-1])

    def augrc(self) -> float:
        """Return the area under the generalized risk-coverage curve, in [0, 1/2].

        The generalized risk at a coverage is the share of all rows that is accepted and wrong; its
        area is taken by trapezoids from coverage 0 on. It equals (1 - AUROC) a (1 - a) +
        (1 - a)^2 / 2 for the accuracy a and the AUROC with which the score tells right from wrong.

        Reference:
            Traub et al., 2024, "Overcoming common flaws in the evaluation of selective
            classification systems".
        """
        rows = self.accepted - _before(self.accepted)
        areas = rows * (self.wrong + _before(self.wrong)) / 2.0
        return float(areas.sum() / self.accepted[-1] ** 2)

    def risk_at_coverage(self, coverage: float) -> float:
        """Return the risk of the ceil(coverage N) most certain rows.

        Where only some of equally certain rows belong to them, these have the risk of all of them.
        """
        # The tolerance keeps 0.8 of 10 rows, 8.000000000000002, at 8 rows.
        count = max(np.ceil(coverage * self.accepted[-1] - 1e-9), 1.0)
        group = int(np.searchsorted(self.accepted, count))
        before, wrong = _before(self.accepted)[group], _before(self.wrong)[group]
        share = (count - before) / (self.accepted[group] - before)
        return float((wrong + share * (self.wrong[group] - wrong)) / count)

    def coverage_at_risk(self, risk: float) -> float:
        """Return the largest coverage that a threshold has at no more than `risk`; 0 for none."""
        group = self.last_within(risk)
        return 0.0 if group is None else float(self.coverage[group])

    def last_within(self, risk: float) -> int | None:
        """Return the lowest threshold's number at which the risk is at most `risk`."""
        some = self.accepted > 0
        (good,) = np.nonzero(some & (self.wrong <= risk * self.accepted + 1e-9))
        return int(good[-1]) if len(good) else None


class Ranking:
    """Rows in the order of their certainty, which a bootstrap weighs again and again."""

    def __init__(self, certainty: np.ndarray, right: np.ndarray) -> None:
        self._order = np.argsort(-certainty)
        ordered = certainty[self._order]
        self._wrong = 1.0 - right[self._order]
        self._starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
        self._certainty = ordered[self._starts]
        self._rows = np.diff(np.append(self._starts, len(ordered))).astype("float64")

    def less_certain(self) -> np.ndarray:
        """Return how many rows are less certain than each row, integers of shape (N,)."""
        rows = self._rows.astype("int64")
        found = np.empty(len(self._order), "int64")
        found[self._order] = np.repeat(len(self._order) - np.cumsum(rows), rows)
        return found

    def selection(self, weights: np.ndarray | None = None) -> Selection:
        """Return the selection of the rows, each counted as often as its weight says."""
        if weights is None:
            rows, wrong = self._rows, np.add.reduceat(self._wrong, self._starts)
        else:
            ordered = weights[self._order]
            rows = np.add.reduceat(ordered, self._starts)
            wrong = np.add.reduceat(ordered * self._wrong, self._starts)
        return Selection(self._certainty, np.cumsum(rows), np.cumsum(wrong))


def _before(cumulated: np.ndarray) -> np.ndarray:
    return np.append(0.0, cumulated[:-1])
