"""Predicts many times with dropout on, for the mean and the spread of the predictions."""

from __future__ import annotations

import random as python_random
import warnings
from typing import Any

import keras
import numpy as np

from keras_dropouts.arguments import check_choice, check_flag, check_integer, check_seed, invalid
from keras_dropouts.keras_internals.layers import parts
from keras_dropouts.monte_carlo.compiled_run import run_for
from keras_dropouts.monte_carlo.inputs import differ_in_rows, errors_of_users, flat_inputs
from keras_dropouts.monte_carlo.prediction import MonteCarloPrediction
from keras_dropouts.monte_carlo.sampling_mode import active_parts
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
) -> MonteCarloPrediction:
    """Predict with dropout on, `samples` times, each time with other masks.

    Only dropout and noise layers are active, whatever the `training` flags in the model:
    BatchNormalization serves its moving statistics and augmentation is off. What no dropout
    mask touches is computed once. Masks are drawn from the seed alone: the same seed, data and
    batch size give the same samples in any process, and a sample is the same whatever `samples`
    and `chunk_size` are. The model is not changed, the random state and steps of its layers
    included.

    Args:
        model: A built Keras model of any kind.
        x: Its inputs: an array of shape (N, ...), or a structure of arrays of N rows each.
        samples: T, the number of predictions for each row, an integer above 0.
        seed: None for fresh masks, or an integer in [0, 2**63).
        batch_size: Rows of data that run together, an integer above 0. None: the inputs are one
            whole and no rows, such as the nodes and edges of a graph; their first dimensions may
            differ, and the samples run one after the other. A subclassed model whose inputs differ
            in them is taken for such a one.
        fixed_masks: Whether all rows of the data share the T masks, as an ensemble of T
            sub-networks does. By default each row has its own.
        chunk_size: How many samples run together as one batch, an integer above 0: what bounds
            the memory. None takes up to 128, as long as no value that they do not share has more
            than 64 MB in float32, or 256 rows of a subclassed model.
        without_dropout: "error" or "warn": what a model is in which nothing drops: it has no
            dropout, its rates are 0, or its dropout layers are never called. After the warning the
            spread is 0.
        verbose: Whether to show a progress bar.

    Returns:
        A `MonteCarloPrediction` with `mean`, `std`, `samples` and measures of uncertainty.

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
    batch = None if batch_size is None else check_integer(batch_size, "batch_size", minimum=1)
    fixed = check_flag(fixed_masks, "fixed_masks")
    seed = check_seed(seed)
    seed = python_random.getrandbits(63) if seed is None else seed
    flat, structure = flat_inputs(model, x, as_one=batch is None)
    as_one = batch is None or differ_in_rows(model, flat)
    rows = 1 if as_one else len(flat[0])
    run = run_for(model, flat, structure, fixed and not as_one, as_one)
    batch = min(batch or rows, rows)
    chunk = run.chunk_size(batch) if chunk_size is None else chunk_size
    chunk = min(count, check_integer(chunk, "chunk_size", minimum=1))
    steps = -(-rows // batch)
    bar = keras.utils.Progbar(steps) if check_flag(verbose, "verbose") else None
    batches: list[list[np.ndarray]] = []
    for i in range(steps):
        part = flat if as_one else [each[i * batch : (i + 1) * batch] for each in flat]
        with errors_of_users(model, part):
            batches.append(run(part, seed, count, chunk, i))
        if i == 0 and run.model.active and not run.model.drew:
            _say_nothing_drew(model, without_dropout)
        if bar is not None:
            bar.update(i + 1)
    joined = [
        parts[0] if steps == 1 else np.concatenate(parts, axis=1)
        for parts in zip(*batches, strict=True)
    ]
    return MonteCarloPrediction(keras.tree.pack_sequence_as(run.structure, joined), seed)


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
