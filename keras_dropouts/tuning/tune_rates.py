"""Finds the rates of dropout for Monte-Carlo prediction after training, without training again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from keras_dropouts.arguments import check_flag, check_int64, check_integer, check_rate, invalid
from keras_dropouts.monte_carlo.mc_predict import check_sampled
from keras_dropouts.monte_carlo.prediction import MonteCarloPrediction
from keras_dropouts.monte_carlo.prepared_samples import PreparedSamples
from keras_dropouts.surgery.model_checks import check_model
from keras_dropouts.surgery.rates import names_of, rates_kept, set_found_rates, try_rate
from keras_dropouts.surgery.sources import NoiseSource
from keras_dropouts.surgery.unknown_noise import warn_of_unknown_noise
from keras_dropouts.tuning.objectives import objective_of, value_of
from keras_dropouts.tuning.rate_curve import RateCurve
from keras_dropouts.tuning.tunable import tunable_sources

_RATES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7)
_ROUNDS = 3  # of coordinate descent, which ends where a round finds nothing better


def tune_rates(
    model: keras.Model,
    x: Any,
    y: Any,
    objective: str | Callable[[MonteCarloPrediction, Any], float] = "nll",
    samples: int = 32,
    *,
    rates: Sequence[float] | None = None,
    by_layer: bool = False,
    noise: float = 0.0,
    seed: int = 0,
    batch_size: int | None = 32,
    set_rates: bool = True,
    verbose: bool = True,
) -> RateCurve:
    """Find the rates at which a trained model's Monte-Carlo predictions are best, and set them.

    The rate that is best for training need not be the best for `mc_predict`. On held-out data the
    objective is computed at each of a few rates, always with the same random numbers, so the curve
    is as smooth as it can be; what no dropout mask reaches is computed once for all rates, and kept
    in memory. The rates found are those of the lowest value among all that were tried, those that
    the model came with included. Nothing is trained.

    All dropout layers of the model get one rate, or each its own with `by_layer=True`, by
    coordinate descent from the best common one: one layer after the other, up to three rounds. The
    `dropout=` arguments of recurrent and attention layers count where they are above 0. Layers that
    learn their rate, `PatchDropout` and noise that has no rate stay as they are. Over a schedule
    the rate found prevails until `layer.rate = layer.schedule`. Layers of this package are tried
    without tracing anything again; for those of Keras the part after the first dropout is traced
    at each rate.

    Args:
        model: A built Keras model of any kind.
        x: Held-out inputs, as `mc_predict` takes them: the training data would ask for less
            dropout than new data does.
        y: Their labels: integers of shape (N, ...) or one-hot where the model predicts
            probabilities, numbers of the shape of the outputs otherwise.
        objective: What is to be low. "nll": the negative log likelihood of the mean probabilities;
            in regression that of the normal distribution with the mean of the samples and their
            variance plus `noise`**2. "brier", "ece" (15 bins of equal width), of probabilities;
            "rmse", "crps" (of the samples), of numbers. Or a function (prediction, y) -> number of
            the `MonteCarloPrediction`.
        samples: T, the number of samples for each row, an integer above 0.
        rates: The rates to try, numbers in [0, 1]; None takes 13 from 0 to 0.7. The rates that the
            model has now are tried, too.
        by_layer: Whether each layer gets a rate of its own.
        noise: For "nll" in regression, the standard deviation of the noise in `y` that no model
            could predict, at least 0; with 0 the spread of the samples is to tell it, too.
        seed: The seed of the masks, an integer of 64 bits.
        batch_size: Rows that run together, an integer above 0, or None as in `mc_predict`.
        set_rates: Whether to set the rates found; otherwise the model is left as it was.
        verbose: Whether to show a progress bar.

    Returns:
        A `RateCurve`: `rates`, `values`, `best`, `best_value`; it prints as a table and has a
        `plot`.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range, `y` does not fit, the
            model has no rate to tune, or the objective is NaN. The rates are as before then.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> import keras_dropouts as kd
    >>> model = keras.Sequential(
    ...     [
    ...         keras.Input((64,)),
    ...         kd.ScheduledDropout(0.5, name="drop"),
    ...         keras.layers.Dense(1, kernel_initializer="ones"),
    ...     ]
    ... )
    >>> x, noise = np.ones((500, 64)), np.random.default_rng(0).normal(size=(500, 1))
    >>> # The samples spread by sqrt(64 * rate / (1 - rate)), and so does `y` at a rate of 0.1.
    >>> y = 64 + noise * (64 * 0.1 / 0.9) ** 0.5
    >>> curve = kd.tune_rates(model, x, y, rates=(0.05, 0.1, 0.2, 0.3), verbose=False)
    >>> curve.best, model.get_layer("drop").rate
    ({'drop': 0.1}, 0.1)

    Reference:
        Gal and Ghahramani, 2016, "Dropout as a Bayesian approximation: representing model
        uncertainty in deep learning", choose the rate by the log likelihood of held-out data, with
        a network trained for each rate; here one network is sampled at all of them.
    """
    check_model(model)
    name, function = objective_of(objective, noise)
    count = check_integer(samples, "samples", minimum=1)
    tried = _check_rates(rates)
    check_int64(seed, "seed")
    size = None if batch_size is None else check_integer(batch_size, "batch_size", minimum=1)
    for argument, value in {"by_layer": by_layer, "set_rates": set_rates}.items():
        check_flag(value, argument)
    check_flag(verbose, "verbose")
    warn_of_unknown_noise(model)
    sources = tunable_sources(model)
    tried = sorted({*tried, *(source.rate for source in sources)})
    with rates_kept(sources):
        for source in sources:  # so that all of them may draw, in what is traced now
            try_rate(source, source.rate or next(rate for rate in tried if rate > 0.0))
        check_sampled(model)
        drawn = PreparedSamples(model, x, count, seed, size)
        _check_rows(y, drawn.rows)
        trials = _Trials(sources, lambda: value_of(function, drawn.draw(), y), verbose)
        before = tuple(source.rate for source in sources)
        with trials.counted(len(tried) + (len(set(before)) > 1)):
            values = tuple(trials.at((rate,) * len(sources)) for rate in tried)
            trials.at(before)
        lines = trials.descend(tried) if by_layer and len(sources) > 1 else []
        best = trials.best()
    names = [names_of(source)[0] for source in sources]
    found = zip(sources, best, strict=True)
    curve = RateCurve(
        objective=name,
        rates=tuple(tried),
        values=values,
        before=dict(zip(names, before, strict=True)),
        before_value=trials.at(before),
        best=dict(zip(names, best, strict=True)),
        best_value=trials.at(best),
        by_layer=dict(zip(names, lines, strict=False)),
    )
    if set_rates and best != before:
        set_found_rates(model, found)
    return curve


class _Trials:
    """The objective at the rates that were tried so far, one rate for each source."""

    def __init__(
        self, sources: list[NoiseSource], compute: Callable[[], float], verbose: bool
    ) -> None:
        self._sources, self._compute, self._verbose = sources, compute, verbose
        self._bar: Any = None
        self._known: dict[tuple[float, ...], float] = {}

    @contextmanager
    def counted(self, count: int) -> Iterator[None]:
        """Show how many of `count` trials inside this block are done."""
        self._bar = keras.utils.Progbar(count) if self._verbose else None
        try:
            yield
        finally:
            self._bar = None

    def at(self, rates: tuple[float, ...]) -> float:
        """Return the objective at these rates, computed once."""
        if rates not in self._known:
            for source, rate in zip(self._sources, rates, strict=True):
                try_rate(source, rate)
            self._known[rates] = self._compute()
            if self._bar is not None:
                self._bar.add(1)
        return self._known[rates]

    def best(self) -> tuple[float, ...]:
        """Return the rates of the lowest value; of several, those that were tried first."""
        found = min(self._known, key=lambda rates: self._known[rates])
        if math.isinf(self._known[found]):
            expected = "an objective that is finite at one of the rates, at least"
            raise invalid("objective", expected, self._known[found])
        return found

    def descend(self, tried: list[float]) -> list[tuple[tuple[float, ...], tuple[float, ...]]]:
        """Try all rates for one source after the other; return (rates, values) of each source."""
        lines: list[Any] = [((), ())] * len(self._sources)
        for _ in range(_ROUNDS):
            start = self.best()
            with self.counted(len(self._sources) * (len(tried) - 1)):
                for i in range(len(self._sources)):
                    rest = self.best()
                    values = [self.at((*rest[:i], rate, *rest[i + 1 :])) for rate in tried]
                    lines[i] = tuple(tried), tuple(values)
            if self.best() == start:
                break
        return lines


def _check_rates(rates: Any) -> list[float]:
    if rates is None:
        return list(_RATES)
    expected = "None, or a list of numbers from 0 to 1, one of them above 0"
    if not isinstance(rates, list | tuple | np.ndarray):
        raise invalid("rates", expected, rates)
    checked = [check_rate(float(r) if isinstance(r, np.floating) else r, "rates") for r in rates]
    if not any(rate > 0.0 for rate in checked):
        raise invalid("rates", expected, rates)
    return checked


def _check_rows(y: Any, rows: int) -> None:
    """Raise a clear error unless `y` is for as many rows; structures are the objective's own."""
    if hasattr(y, "shape") or isinstance(y, list | tuple):
        length = np.shape(y)[0] if hasattr(y, "shape") and len(y.shape) else len(y)
        if length != rows and not isinstance(y, tuple):
            raise invalid("y", f"labels for the {rows} rows of `x`", f"{length} labels")
