"""Predicts many times with dropout on, for the mean and the spread of the predictions."""

from __future__ import annotations

import functools
import random as python_random
import warnings
import weakref
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_dropouts import backends
from keras_dropouts.arguments import check_choice, check_flag, check_integer, check_seed, invalid
from keras_dropouts.keras_internals.layers import parts
from keras_dropouts.monte_carlo.inputs import flat_inputs
from keras_dropouts.monte_carlo.prediction import MonteCarloPrediction
from keras_dropouts.monte_carlo.sampled_model import SampledModel
from keras_dropouts.monte_carlo.sampling_mode import active_parts
from keras_dropouts.noise.sampler import Sampler, key_of
from keras_dropouts.surgery.model_checks import check_model
from keras_dropouts.surgery.sources import noise_sources
from keras_dropouts.surgery.unknown_noise import warn_of_unknown_noise
from keras_dropouts.types import Tensor

# What runs together: rows of a subclassed model, whose insides are not known, and numbers of the
# largest value that the samples of any other model do not share. More would run no faster.
_ROWS_AT_ONCE, _NUMBERS_AT_ONCE = 256, 2**24
_SAMPLES_AT_ONCE = 128  # on TensorFlow each is an operation in each draw, which takes time to trace

_runs: weakref.WeakKeyDictionary[Any, dict[Any, _Run]] = weakref.WeakKeyDictionary()


def mc_predict(
    model: keras.Model,
    x: Any,
    samples: int = 32,
    seed: int | None = None,
    batch_size: int = 32,
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
        x: Its inputs: an array of shape (N, ...), or a structure of arrays.
        samples: T, the number of predictions for each row, an integer above 0.
        seed: None for fresh masks, or an integer in [0, 2**63).
        batch_size: Rows of data that run together, an integer above 0.
        fixed_masks: Whether all rows of the data share the T masks, as an ensemble of T
            sub-networks does. By default each row has its own.
        chunk_size: How many samples run together as one batch, an integer above 0: what bounds
            the memory. None takes up to 128, as long as no value that they do not share has more
            than 64 MB in float32, or 256 rows of a subclassed model.
        without_dropout: "error" or "warn": what a model is in which nothing drops. After the
            warning the spread is 0.
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
    batch = check_integer(batch_size, "batch_size", minimum=1)
    seed = check_seed(seed)
    seed = python_random.getrandbits(63) if seed is None else seed
    flat, structure = flat_inputs(model, x)
    rows = len(flat[0])
    run = _run_for(model, structure, check_flag(fixed_masks, "fixed_masks"))
    if chunk_size is None:
        chunk_size = max(1, min(run.rows_at_once // min(batch, rows), _SAMPLES_AT_ONCE))
    chunk = min(count, check_integer(chunk_size, "chunk_size", minimum=1))
    steps = -(-rows // batch)
    bar = keras.utils.Progbar(steps) if check_flag(verbose, "verbose") else None
    batches: list[list[np.ndarray]] = []
    for i in range(steps):
        part = [each[i * batch : (i + 1) * batch] for each in flat]
        batches.append(run(part, seed, count, chunk, i))
        if bar is not None:
            bar.update(i + 1)
    joined = [np.concatenate(parts, axis=1) for parts in zip(*batches, strict=True)]
    return MonteCarloPrediction(keras.tree.pack_sequence_as(run.structure, joined), seed)


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


class _Run:
    """The two parts of a model, compiled."""

    def __init__(self, model: Any, structure: Any, fixed_masks: bool) -> None:
        held = weakref.ref(model)

        def call(flat: list[Tensor]) -> Any:
            there: Any = held()
            return there(keras.tree.pack_sequence_as(structure, flat))

        inputs = len(keras.tree.flatten(structure))
        self.model = SampledModel(model, call, inputs)
        self.fixed_masks = fixed_masks
        self._deterministic = backends.compiled(self.model.deterministic, held)
        # One for each number of samples, which is static.
        self._stochastic = functools.cache(
            lambda count: backends.compiled(functools.partial(self._draw, count), held)
        )
        # Both parts at once, which saves a call where all samples run together.
        self._whole = functools.cache(
            lambda count: backends.compiled(functools.partial(self._predict, count), held)
        )

    @property
    def structure(self) -> Any:
        """The structure of the outputs, known after a run."""
        return self.model.structure

    @property
    def rows_at_once(self) -> int:
        """How many rows, of all samples, are to run together."""
        size = self.model.row_size
        return _ROWS_AT_ONCE if size is None else _NUMBERS_AT_ONCE // max(size, 1)

    def _draw(
        self, count: int, known: Any, padding_masks: Any, key: Tensor, place: Tensor, first: Tensor
    ) -> list[Tensor]:
        """Return `count` samples; `place` holds the numbers of the batch and the first sample."""
        samples = place[1] + ops.arange(count, dtype="int32")
        rows = ops.shape(first)[0]
        sampler = Sampler(key, samples, rows, place[0], self.fixed_masks)
        return self.model.stochastic(known, padding_masks, sampler)

    def _predict(self, count: int, inputs: list[Tensor], key: Tensor, place: Tensor) -> Any:
        return self._draw(count, *self.model.deterministic(inputs), key, place, inputs[0])

    def __call__(
        self, inputs: list[np.ndarray], seed: int, count: int, chunk: int, batch: int
    ) -> list[np.ndarray]:
        """Return the flat outputs of one batch, each of shape (count, rows, ...)."""
        tensors = [ops.convert_to_tensor(x) for x in inputs]
        key = ops.convert_to_tensor(key_of(seed))
        starts = range(0, count, chunk)
        places = [
            ops.convert_to_tensor([0 if self.fixed_masks else batch, start], "int32")
            for start in starts
        ]
        if len(starts) == 1:
            made = self._whole(count)(tensors, key, places[0])
            return [ops.convert_to_numpy(x) for x in made]
        known, padding_masks = self._deterministic(tensors)
        chunks = []
        for start, place in zip(starts, places, strict=True):
            run = self._stochastic(min(chunk, count - start))
            made = run(known, padding_masks, key, place, tensors[0])
            chunks.append([ops.convert_to_numpy(x) for x in made])
        return [np.concatenate(parts) for parts in zip(*chunks, strict=True)]


def _run_for(model: Any, structure: Any, fixed_masks: bool) -> _Run:
    """Return the compiled parts of a model, those of the last call where they still serve."""
    # What a traced function holds as a constant: which layers draw, and rates of Keras's own.
    sources = noise_sources(model)
    constants = tuple((id(s.layer), s.attribute, s.ours or s.rate) for s in sources)
    active = tuple(id(part) for part in active_parts(model))
    key = (repr(structure), fixed_masks, constants, active)
    kept = _runs.get(model)
    if kept is None or key not in kept:
        kept = _runs[model] = {key: _Run(model, structure, fixed_masks)}
    return kept[key]
