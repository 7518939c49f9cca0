"""Trains several models under the same seeds and splits of the data, and compares them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras
import numpy as np

from keras_dropouts.arguments import (
    check_choice,
    check_flag,
    check_integer,
    invalid,
    is_integer,
    is_real,
)
from keras_dropouts.tuning.comparison import Comparison
from keras_dropouts.tuning.run_trainings import RAY, run_all
from keras_dropouts.tuning.trainings import Plan


def compare(
    builders: Mapping[str, Callable[[], keras.Model]],
    x: Any,
    y: Any,
    *,
    seeds: int | Iterable[int] = 10,
    epochs: int = 10,
    batch_size: int = 32,
    test_split: float = 0.2,
    test_data: tuple[Any, Any] | None = None,
    metrics: Mapping[str, Callable[[Any, Any, Any], float]] | None = None,
    baseline: str | None = None,
    interval: str = "t",
    processes: int | str = 1,
    fit: Mapping[str, Any] | None = None,
    verbose: bool = True,
) -> Comparison:
    """Train each model once for each seed, and compare what they come to on held-out rows.

    For a seed all models get the same split of the data, the same order of batches and, as far as
    they have the same layers, the same first weights. So the differences seed by seed are less
    scattered than the metrics are, and it is their mean that gets an interval. What is trained is
    the same for the same seeds, whatever `processes` is; in this process Keras's, NumPy's and
    Python's random state are left as the last training leaves them.

    Args:
        builders: {name: function}; each function takes nothing and returns a new compiled model.
        x: Inputs: an array of shape (N, ...), or a structure of arrays.
        y: Their labels, likewise.
        seeds: How many seeds, an integer of at least 2 (0, 1, 2 ... are taken), or the seeds
            themselves, different integers in [0, 2**32).
        epochs: Epochs of each training, an integer above 0.
        batch_size: Rows of a batch, an integer above 0.
        test_split: The share of the rows that is held out, drawn anew for each seed; a number
            between 0 and 1.
        test_data: None, or (inputs, labels) that are held out in place of a split.
        metrics: {name: function (model, x, y) -> number} of the held-out rows, beside the loss and
            the metrics with which the models are compiled.
        baseline: The name that the others are compared with; None takes the first.
        interval: "t", Student's, or "bootstrap", of 95 % of the paired differences.
        processes: How many processes train at a time, an integer above 0. Above 1 they are started
            afresh, so builders and metrics must be functions of a module, and a script needs
            `if __name__ == "__main__":` around the call. With "ray" each training is a task of a
            Ray cluster (the one that this process is connected to, that of `RAY_ADDRESS`, or one
            started here) and takes one of its CPUs.
        fit: Further arguments of `fit`, such as {"validation_split": 0.1}. Callbacks are used in
            each training again.
        verbose: Whether to show a line of progress, where standard error is a terminal.

    Returns:
        A `Comparison`, which prints as a table and has `difference`, `to_dict` and `plot`.

    Raises:
        ImportError: if Ray is asked for and not installed.
        ValueError: if an argument is of the wrong type or out of its range, a training fails, or
            another process cannot import what it needs.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> import keras_dropouts as kd
    >>> def build(rate=0.0):
    ...     model = keras.Sequential(
    ...         [keras.Input((4,)), kd.ScheduledDropout(rate), keras.layers.Dense(1)]
    ...     )
    ...     model.compile("sgd", "mse")
    ...     return model
    >>> x = np.random.default_rng(0).normal(size=(40, 4))
    >>> found = kd.compare(
    ...     {"none": build, "units": lambda: build(0.5)}, x, x[:, :1], seeds=2, epochs=1
    ... )
    >>> list(found.values["loss"]), found.seeds, found.baseline
    (['none', 'units'], (0, 1), 'none')
    """
    _check_builders(builders)
    chosen = _check_seeds(seeds)
    first = next(iter(builders)) if baseline is None else baseline
    check_choice(first, "baseline", builders)
    check_choice(interval, "interval", ("t", "bootstrap"))
    options = {
        **_check_mapping(fit, "fit", "arguments of `fit`"),
        "epochs": check_integer(epochs, "epochs", minimum=1),
        "batch_size": check_integer(batch_size, "batch_size", minimum=1),
    }
    measures = _check_mapping(metrics, "metrics", "functions (model, x, y) -> number")
    if processes != RAY and not (is_integer(processes) and int(processes) >= 1):
        raise invalid("processes", f"an integer above 0, or {RAY!r}", processes)
    check_flag(verbose, "verbose")
    if not is_real(test_split) or not 0.0 < test_split < 1.0:
        raise invalid("test_split", "a number between 0 and 1", test_split)
    held = None
    if test_data is not None:
        if not isinstance(test_data, tuple) or len(test_data) != 2:
            raise invalid("test_data", "None or a tuple (inputs, labels)", test_data)
        held = _arrays(test_data[0], "test_data"), _arrays(test_data[1], "test_data")
    inputs, labels = _arrays(x, "x"), _arrays(y, "y")
    rows = {len(each) for each in keras.tree.flatten((inputs, labels))}
    if len(rows) > 1 or min(rows) < 2:
        raise invalid("x", "two or more rows, as many as of `y`", sorted(rows))
    plan = Plan(dict(builders), inputs, labels, held, test_split, options, measures)
    jobs = [(name, seed) for seed in chosen for name in builders]
    done = run_all(plan, jobs, processes, verbose)
    names = [name for name in done[jobs[0]] if all(name in found for found in done.values())]
    values = {
        metric: {name: tuple(done[name, seed][metric] for seed in chosen) for name in builders}
        for metric in names
    }
    return Comparison(values, chosen, first, interval)


def _check_builders(builders: Any) -> None:
    expected = "a dict of two or more names, each with a function that returns a compiled model"
    if not isinstance(builders, Mapping) or len(builders) < 2:
        raise invalid("builders", expected, builders)
    for name, builder in builders.items():
        if not isinstance(name, str) or not callable(builder) or isinstance(builder, keras.Model):
            raise invalid("builders", expected, {name: builder})


def _check_seeds(seeds: Any) -> tuple[int, ...]:
    expected = "an integer of at least 2, or two or more different integers from 0 to 2**32 - 1"
    if is_integer(seeds):
        chosen = tuple(range(seeds))
    elif isinstance(seeds, list | tuple | range | np.ndarray):
        chosen = tuple(int(seed) if is_integer(seed) else -1 for seed in seeds)
    else:
        raise invalid("seeds", expected, seeds)
    in_range = all(0 <= seed < 2**32 for seed in chosen)
    if len(chosen) < 2 or len(set(chosen)) < len(chosen) or not in_range:
        raise invalid("seeds", expected, seeds)
    return chosen


def _check_mapping(value: Any, argument: str, what: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise invalid(argument, f"None or a dict of {what}", value)
    return dict(value)


def _arrays(data: Any, argument: str) -> Any:
    """Return a structure of arrays."""
    if isinstance(data, list):
        data = np.asarray(data) if not any(hasattr(each, "shape") for each in data) else data
    arrays = keras.tree.map_structure(np.asarray, data)
    for each in keras.tree.flatten(arrays):
        if each.ndim == 0 or each.dtype == object:
            raise invalid(argument, "arrays with a row for each sample", data)
    return arrays
