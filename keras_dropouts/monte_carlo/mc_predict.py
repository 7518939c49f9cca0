"""Predicts many times with dropout on, for the mean and the spread of the predictions."""

from __future__ import annotations

import random as python_random
import warnings
from typing import Any

import keras
import numpy as np

from keras_dropouts.arguments import check_choice, check_flag, check_int64, check_integer, invalid
from keras_dropouts.keras_internals.layers import parts
from keras_dropouts.monte_carlo.batches import Batches
from keras_dropouts.monte_carlo.collected import Moments, Samples, together
from keras_dropouts.monte_carlo.compiled_run import run_for
from keras_dropouts.monte_carlo.inputs import errors_of_users
from keras_dropouts.monte_carlo.prediction import MonteCarloPrediction
from keras_dropouts.monte_carlo.sampling_mode import active_parts
from keras_dropouts.noise.row_seeds import check_row_seeds
from keras_dropouts.noise.row_seeds import row_seeds as row_seeds_of
from keras_dropouts.surgery.model_checks import check_model
from keras_dropouts.surgery.sources import noise_sources
from keras_dropouts.surgery.unknown_noise import warn_of_unknown_noise


def mc_predict(
    model: keras.Model,
    x: Any,
    samples: int = 32,
    seed: int | None = None,
    batch_size: int | None = 32,
    *,
    fixed_masks: bool = False,
    chunk_size: int | None = None,
    without_dropout: str = "error",
    verbose: bool = True,
    row_seeds: Any = None,
    reduce: str | None = None,
) -> MonteCarloPrediction:
    """Predict with dropout on, `samples` times, each time with other masks.

    Only dropout and noise layers are active, whatever the `training` flags in the model:
    BatchNormalization serves its moving statistics and augmentation is off. What no dropout
    mask touches is computed once. Each row has a seed of its own, and its masks are a function of
    that seed alone: they are the same bits on every backend, in any process and in an exported
    artifact, whatever `batch_size`, `samples` and `chunk_size` are and whatever rows stand beside
    it. Outputs are the same within the rounding of float32, as matrix products round differently in
    batches of other sizes. The model is not changed, the random state and steps of its layers
    included.

    Layers that drop weights (`DropConnect`, `EmbeddingDropout`), `gamma="paper"` of the DropBlock
    layers, and dropout over what has no rows would share a draw between the rows of a batch. A
    model that has them runs row by row, which takes longer; `fixed_masks=True` lets them share.

    Args:
        model: A built Keras model of any kind.
        x: Its inputs: an array of shape (N, ...), or a structure of arrays of N rows each; or what
            gives batches of such, as `predict` of Keras takes it: a `tf.data.Dataset`, a
            `keras.utils.PyDataset`, a PyTorch `DataLoader` or a generator, with targets or without.
        samples: T, the number of predictions for each row, an integer above 0.
        seed: None for fresh masks, or an integer of 64 bits, from which the rows' seeds are made:
            `seed=7` is `row_seeds=kd.row_seeds(7, N)`.
        batch_size: Rows of arrays that run together, an integer above 0; data that gives batches
            keeps its own. None: the inputs are one
            whole and no rows, such as the nodes and edges of a graph; their first dimensions may
            differ, and the samples run one after the other. A subclassed model whose inputs differ
            in them is taken for such a one.
        fixed_masks: Whether all rows of the data share the T masks, those of the first row's seed,
            as an ensemble of T sub-networks does. By default each row has its own.
        chunk_size: How many samples run together as one batch, an integer above 0: what bounds
            the memory. None takes up to 128, as long as no value that they do not share has more
            than 64 MB in float32, or 256 rows of a subclassed model.
        without_dropout: "error" or "warn": what a model is in which nothing drops: it has no
            dropout, its rates are 0, or its dropout layers are never called. After the warning the
            spread is 0.
        verbose: Whether to show a progress bar.
        row_seeds: None, or the seeds of the rows in place of `seed`: integers of 64 bits, of shape
            (N,). Rows with equal seeds have equal masks. Inputs that are one whole take one.
        reduce: None keeps all samples; "mean_std" keeps their mean and standard deviation alone,
            which are computed as the samples come.

    Returns:
        A `MonteCarloPrediction` with `mean`, `std`, `samples` (None with `reduce`) and measures of
        uncertainty.

    Raises:
        ValueError: if an argument is of the wrong type or out of its range, the model is not
            built, nothing in it drops, or something in it draws that cannot be seeded.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> import keras_dropouts as kd
    >>> model = keras.Sequential(
    ...     [keras.Input((4,)), keras.layers.Dropout(0.5), keras.layers.Dense(2)]
    ... )
    >>> result = kd.mc_predict(model, np.ones((3, 4)), samples=8, seed=1, verbose=False)
    >>> result.mean.shape, result.std.shape, result.samples.shape
    ((3, 2), (3, 2), (8, 3, 2))

    Reference:
        Gal and Ghahramani, 2016, "Dropout as a Bayesian approximation: representing model
        uncertainty in deep learning".
    """
    if isinstance(model, keras.Model):
        warn_of_unknown_noise(model)
    if check_choice(without_dropout, "without_dropout", ("error", "warn")) == "error":
        check_sampled(model, 'Pass without_dropout="warn" to go on.')
    elif (why := why_nothing_drops(model)) is not None:
        warnings.warn(f"{why} All samples are the same.", stacklevel=2)
    count = check_integer(samples, "samples", minimum=1)
    size = None if batch_size is None else check_integer(batch_size, "batch_size", minimum=1)
    fixed = check_flag(fixed_masks, "fixed_masks")
    check_choice(reduce, "reduce", (None, "mean_std"))
    if chunk_size is not None:
        check_integer(chunk_size, "chunk_size", minimum=1)
    batches = Batches(model, x, size)
    seeds = _Seeds(seed, row_seeds, batches.rows)
    bar = keras.utils.Progbar(batches.count) if check_flag(verbose, "verbose") else None
    made: list[list[np.ndarray]] = []
    rows = 0
    for i, (part, structure) in enumerate(batches):
        run = run_for(model, part, structure, fixed and not batches.as_one, batches.as_one)
        of_part = 1 if batches.as_one else len(part[0])
        chunk = min(count, chunk_size or run.chunk_size(of_part))
        with errors_of_users(model, part):
            # Fixed masks are those of the first row of all data, in each batch.
            own = np.repeat(seeds.of(0, 1), of_part) if fixed else seeds.of(rows, of_part)
            collected = Samples() if reduce is None else Moments()
            for outputs in run.chunks(part, own, count, chunk):
                collected.add(outputs)
            made.append(collected.result())
        rows += of_part
        if i == 0 and run.model.active and not run.model.drew:
            _say_nothing_drew(model, without_dropout)
        if bar is not None:
            bar.update(i + 1, finalize=None if batches.count else False)
    seeds.check_used(rows)
    return together(made, run.structure, seeds.seed, reduce)


class _Seeds:
    """The seeds of rows: made of one seed, or given."""

    def __init__(self, seed: Any, given: Any, rows: int | None) -> None:
        if seed is not None and given is not None:
            raise invalid("row_seeds", "None where `seed` is given", given)
        self.given = None if given is None else check_row_seeds(given, rows)
        self._seed = python_random.getrandbits(63) if seed is None else check_int64(seed, "seed")
        self.seed = None if given is not None else self._seed

    def of(self, first: int, rows: int) -> np.ndarray:
        """Return the seeds of `rows` rows from the row number `first` on.

        Raises:
            ValueError: if fewer were given.
        """
        if self.given is None:
            return row_seeds_of(self._seed, rows, first)
        if first + rows > len(self.given):
            self.check_used(first + rows)
        return self.given[first : first + rows]

    def check_used(self, rows: int) -> None:
        """Raise a clear error unless there were as many seeds given as there are rows."""
        if self.given is not None and rows != len(self.given):
            expected = f"a seed for each row, and there are {rows} rows or more"
            raise invalid("row_seeds", expected, f"{len(self.given)} seeds")


def _say_nothing_drew(model: Any, without_dropout: str) -> None:
    why = why_nothing_drew(model)
    if without_dropout == "error":
        expected = "a model in which something drops"
        raise invalid("model", expected, model, f'{why} Pass without_dropout="warn" to go on.')
    warnings.warn(f"{why} All samples are the same.", stacklevel=3)


def why_nothing_drew(model: Any) -> str:
    """Return the sentence on a model whose noise sources are never called when it predicts."""
    names = ", ".join(repr(part.name) for part in active_parts(model))
    return f"Nothing in model {model.name!r} drops: it never calls its dropout layers, {names}."


def check_sampled(model: Any, way_out: str = "") -> None:
    """Raise a clear error unless `model` is a built model with dropout in it.

    Raises:
        ValueError: if it is not a built Keras model, keeps state between calls, or nothing in it
            drops.
    """
    why = why_nothing_drops(model)
    if why is not None:
        expected = "a model in which something drops"
        raise invalid("model", expected, model, f"{why} {way_out}".rstrip())


def why_nothing_drops(model: Any) -> str | None:
    """Return why all Monte-Carlo samples of a model would be the same, None where they differ.

    Raises:
        ValueError: if it is not a built Keras model, or keeps state between calls.
    """
    check_model(model)
    for layer in parts(model):
        if isinstance(layer, keras.layers.RNN) and layer.stateful:
            expected = "a model that keeps no state between calls"
            raise invalid("model", expected, layer, "Make it again with stateful=False.")
    if active_parts(model):
        return None
    rates = [source.rate for source in noise_sources(model)]
    found = f"all of its {len(rates)} rates are 0" if rates else "it has no dropout layer"
    return f"Nothing in model {model.name!r} drops: {found}."
