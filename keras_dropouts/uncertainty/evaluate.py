"""Offers `evaluate`: every figure of a prediction's uncertainty, from predictions and labels."""

from __future__ import annotations

from typing import Any

from keras_dropouts.arguments import check_integer, invalid, is_real
from keras_dropouts.uncertainty.bootstrap import intervals
from keras_dropouts.uncertainty.checked_input import (
    KINDS,
    checked_classes,
    checked_values,
    kind_of,
)
from keras_dropouts.uncertainty.classification import ClassFigures
from keras_dropouts.uncertainty.curves import ClassCurves, ValueCurves
from keras_dropouts.uncertainty.given_prediction import read
from keras_dropouts.uncertainty.regression import ValueFigures
from keras_dropouts.uncertainty.uncertainty_report import UncertaintyReport


def evaluate(
    prediction: Any,
    y: Any,
    *,
    kind: str | None = None,
    output: str | None = None,
    std: Any = None,
    noise: float = 0.0,
    mask: Any = None,
    ignore_label: int | None = None,
    bins: int = 15,
    bootstrap: int = 0,
    level: float = 0.95,
    seed: int = 0,
) -> UncertaintyReport:
    """Measure how good predictions are, and how well they know it.

    It needs NumPy alone. Pixels and tokens are rows: with outputs of shape (N, H, W, C) the labels
    are of shape (N, H, W).

    Figures of classes, with p the probabilities of a row and y its class:

    - `accuracy`: the share of rows whose largest probability is that of y. `confidence`: the mean
      of the largest probability.
    - `nll`: mean of -log p_y in nats, where p_y counts as no less than the precision of the dtype
      (1.2e-7 of float32, 2.2e-16 of float64), as in scikit-learn.
    - `brier`: mean of sum_c (p_c - [c = y])^2, from 0 to 2 (Brier, 1950).
    - `ece`: sum_b n_b/N |accuracy_b - confidence_b| over `bins` bins of confidence of equal width
      (Naeini et al., 2015; Guo et al., 2017). `mce`: the largest difference of a bin.
    - `ece_mass`: the same with bins of equally many rows (Nguyen and O'Connor, 2015).
      `ece_classwise`: the mean over classes of that of p_c (Kull et al., 2019).
      `ece_debiased`: the root mean squared difference in bins of equally many rows, without what
      chance adds to it (Kumar, Liang and Ma, 2019; Broecker, 2012; Ferro and Fricker, 2012).
    - `aurc`: (1/N) sum_k (share of wrong rows among the k most certain) (Geifman et al., 2019).
      `augrc`: the area under the share of rows that are accepted and wrong, by coverage (Traub et
      al., 2024). Rows that are equally certain are accepted together, so no order matters.
    - `risk_at_coverage_80`, `_90`: the share of wrong rows among the 80 % that are most certain.
      `coverage_at_risk_1`, `_5`: the largest share of rows that a threshold accepts with at most
      1 % of them wrong.
    - The last four go by the confidence; with `_entropy` and, where there are samples,
      `_mutual_information` at the end of the name by these.
    - `set_coverage`, `set_size`, `accepted` and `accepted_risk`, where the outputs of an artifact
      have `<name>_set` and `<name>_accept`: the share of sets with y in them, their mean size, the
      share of rows that is accepted, and of those that are wrong among them.

    Figures of numbers, with m the prediction, s its standard deviation, and N(m, s^2):

    - `rmse`, `mae`; and where there is a standard deviation `std`, the mean of s.
    - `nll`: mean of log(2 pi s^2)/2 + (y - m)^2/(2 s^2).
    - `crps`: the continuous ranked probability score of N(m, s^2) (Gneiting et al., 2005), in the
      unit of y. `crps_samples`: that of the samples, in the fair form (Ferro, 2014), where there
      are some and no `noise`.
    - `coverage_50`, `_80`, `_90`, `_95` and `width_50` ...: the share of y in the central interval
      of that probability, and its mean width.
    - `calibration_error`: the mean of |p - share of y below the quantile p| over p = 0.01 ... 0.99
      (Kuleshov et al., 2018, with the absolute value).
    - `interval_coverage` and `interval_width`, where the outputs of an artifact have `<name>_lower`
      and `<name>_upper`. Of an output of two quantiles the prediction is their middle.

    Args:
        prediction: Probabilities or numbers as an array or tensor of shape (N, ...); a
            `MonteCarloPrediction`, with samples or reduced; or a dict of the outputs of an ONNX
            file by name (`<name>`, or `<name>_mean` and `<name>_std`, or `<name>_samples` of shape
            (batch, samples, ...)). Of classes, (N,) and (N, 1) are the probability of the second of
            two.
        y: Classes from 0 on, of the shape of the outputs without the last axis, or one-hot; or
            numbers of the shape of the outputs.
        kind: "classification" or "regression"; None tells it from labels and shapes.
        output: Which output is meant, by name or number, where the model has several. Of a file
            with a calibration, `<name>_calibrated` is the calibrated output; `<name>` is not.
        std: The standard deviation of numbers, of the shape of `y`, where `prediction` is an array.
        noise: The standard deviation of the noise in the data, which Monte-Carlo samples do not
            have in them: s^2 is then theirs plus its square.
        mask: Booleans of the shape of the labels; False leaves a row, pixel or token out.
        ignore_label: A label that does the same.
        bins: How many bins of confidence, an integer from 1 to 10,000.
        bootstrap: How many times to draw the rows anew for intervals, 0 for none; 1000 is usual.
        level: The probability of the intervals, above 0 and below 1.
        seed: The seed of those draws.

    Returns:
        An `UncertaintyReport`.

    Raises:
        ValueError: if labels and predictions do not fit, the probabilities do not sum to one or are
            logits, there are no rows, or a number is NaN.

    Example:

    >>> import numpy as np
    >>> import keras_dropouts as kd
    >>> p = np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.45, 0.55]])
    >>> report = kd.uncertainty.evaluate(p, np.array([0, 0, 1, 1]))
    >>> found = report.to_dict()
    >>> found["accuracy"], round(found["nll"], 3), round(found["brier"], 4)
    (0.75, 0.461, 0.3063)
    >>> samples = np.random.default_rng(0).normal(2.0, 0.5, (30, 100, 1))
    >>> prediction = kd.MonteCarloPrediction(samples, seed=0)
    >>> report = kd.uncertainty.evaluate(prediction, np.full((100, 1), 2.1))
    >>> report.kind, report.figures["coverage_90"]
    ('regression', 1.0)
    """
    check_integer(bins, "bins", minimum=1)
    if bins > 10_000:
        raise invalid("bins", "an integer from 1 to 10,000", bins)
    check_integer(bootstrap, "bootstrap")
    check_integer(seed, "seed")
    if not is_real(level) or not 0.0 < level < 1.0:
        raise invalid("level", "a number above 0 and below 1", level)
    given = read(prediction, output)
    of_numbers = {"std": std, "noise": noise or None}
    if kind is None and any(value is not None for value in of_numbers.values()):
        kind = KINDS[1]
    kind = kind_of(given, y, kind)
    figures: ClassFigures | ValueFigures
    curves: ClassCurves | ValueCurves
    if kind == KINDS[0]:
        for name, value in of_numbers.items():
            if value is not None:
                raise invalid(name, "nothing, as the labels are classes", value)
        classes = checked_classes(given, y, mask=mask, ignore_label=ignore_label)
        figures = ClassFigures(classes, bins)
        rows, units, count = len(classes.labels), classes.units, classes.probabilities.shape[1]
        curves = ClassCurves.of(figures)
    else:
        if ignore_label is not None:
            raise invalid("ignore_label", "None, as the labels are numbers", ignore_label)
        values = checked_values(given, y, std=std, noise=noise, mask=mask)
        figures = ValueFigures(values)
        rows, units, count = len(values.y), values.units, None
        curves = ValueCurves.of(figures)
    found = figures.figures()
    ends = {}
    if bootstrap:
        ends = intervals(figures.figures, rows, units, replicates=bootstrap, level=level, seed=seed)
    return UncertaintyReport(kind, rows, count, found, ends, float(level), curves)
