"""Makes seeded inputs to try a model with, from its signature."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from keras_dropouts.arguments import invalid
from keras_dropouts_export.checks.chosen_trials import chosen_trials
from keras_dropouts_export.checks.input_domains import Domain, input_domains
from keras_dropouts_export.checks.trial_sizes import OneTrial, Sizes, candidate_sizes
from keras_dropouts_export.errors import ExportError, said_by
from keras_dropouts_export.tracing.inference_function import InferenceFunction, TensorInfo

BATCH_SIZES = (1, 2, 7)

Inputs = dict[str, np.ndarray]


def trial_inputs(
    function: InferenceFunction, seed: int = 0, batch_sizes: Sequence[int] = BATCH_SIZES
) -> Iterator[tuple[int, Inputs, Inputs]]:
    """Yield (batch size, inputs by name, the outputs of the model itself by name).

    Every dynamic dimension has two sizes over the batches. A model whose batch dimension is fixed
    gets that one batch size. Where the user chose inputs, they are tried and nothing else.

    Raises:
        ExportError: if the function takes none of the inputs that were tried, or not those chosen.
    """
    if function.chosen is not None:
        yield from chosen_trials(function, np.random.default_rng(seed))
        return
    for batch, inputs in drawn_inputs(function, seed, batch_sizes):
        yield batch, inputs, function.expected(inputs)


def drawn_inputs(
    function: InferenceFunction, seed: int = 0, batch_sizes: Sequence[int] = BATCH_SIZES
) -> Iterator[tuple[int, Inputs]]:
    """Yield (batch size, inputs by name), as `trial_inputs` where the user chose none.

    Raises:
        ExportError: if the function takes none of the inputs that were tried.
    """
    random = np.random.default_rng(seed)
    domains = input_domains(function)
    fixed = {each.shape[0] for each in function.inputs if each.shape and each.shape[0] is not None}
    batches = sorted(fixed)[:1] or list(batch_sizes)
    sizes = _accepted_sizes(function, batches[0], domains)
    for i, batch in enumerate(batches):
        yield batch, _inputs(function, batch, sizes.of_trial(i), domains, random)


def _accepted_sizes(function: InferenceFunction, batch: int, domains: dict[str, Domain]) -> Sizes:
    """Return the first sizes with which the model runs and gives numbers."""
    problems: list[str] = []
    candidates = candidate_sizes([each.shape for each in function.inputs])
    for sizes in candidates:
        for each in (sizes, replace(sizes, positive=True)):
            try:
                numbers = [
                    _gives_numbers(function, batch, each.of_trial(i), domains)
                    for i in range(sizes.different)
                ]
            # Too short for the model, most often; a user's own `call` may raise anything.
            except Exception as error:  # noqa: BLE001
                problems.append(said_by(error))
                break
            if all(numbers):
                return each
            problems.append("An output holds no finite number.")
    dynamic = f", with dynamic dimensions of {candidates}" if len(candidates) > 1 else ""
    raise ExportError(
        f"Model {function.name!r} took none of the inputs that were tried{dynamic}. Choose inputs "
        f"that it takes with `sample_inputs`, or fix dynamic dimensions with `input_signature`. "
        f"The last problem: {problems[-1]}"
    )


def _gives_numbers(
    function: InferenceFunction, batch: int, size: OneTrial, domains: dict[str, Domain]
) -> bool:
    """Run the model once, and return whether every output of floats has a finite number."""
    inputs = _inputs(function, batch, size, domains, np.random.default_rng(0))
    return all(
        values.dtype.kind not in "fc" or not values.size or bool(np.isfinite(values).any())
        for values in function.expected(inputs).values()
    )


def _inputs(
    function: InferenceFunction,
    batch: int,
    size: OneTrial,
    domains: dict[str, Domain],
    random: np.random.Generator,
) -> Inputs:
    return {
        each.name: _values(each, size.shape(each.shape, batch), size, domains[each.name], random)
        for each in function.inputs
    }


def _values(
    info: TensorInfo,
    shape: list[int],
    size: OneTrial,
    domain: Domain,
    random: np.random.Generator,
) -> np.ndarray:
    if info.dtype == "bool" or "mask" in info.name:
        return _mask(shape, random).astype(_numpy(info.dtype))
    if "int" in info.dtype or info.dtype == "string":
        return domain.draw(shape, info.dtype, random)
    if size.positive:
        return random.uniform(0.1, 1.0, shape).astype(_numpy(info.dtype))
    return random.standard_normal(shape).astype(_numpy(info.dtype))


def _mask(shape: list[int], random: np.random.Generator) -> np.ndarray:
    """Return ones with some zeros, never a row of zeros alone."""
    mask = random.random(shape) < 0.8
    mask[..., :1] = True
    return mask


def _numpy(dtype: str) -> Any:
    # NumPy has no bfloat16 of its own; TensorFlow casts on the way in.
    return "float32" if dtype == "bfloat16" else dtype


def check_probabilities(
    function: InferenceFunction, argument: str, named: Collection[str] | None = None
) -> None:
    """Raise a clear error where an output of a model is not class probabilities.

    named: the outputs that have to be, None for all.

    Raises:
        ValueError: naming the output, for the argument that needs them.
    """
    if named is not None and not named:
        return
    nothing = "False" if named is None else "None"
    given: Any = True if named is None else f"one for {sorted(named)}"
    _, _, outputs = next(trial_inputs(function))
    for name, values in outputs.items():
        if named is not None and name not in named:
            continue
        numbers = values.astype("float64")
        sums = numbers.sum(axis=-1) if numbers.ndim > 1 else numbers
        one_unit = numbers.ndim > 1 and numbers.shape[-1] == 1
        inside = (numbers >= 0.0).all() and (numbers <= 1.001).all()
        if numbers.ndim < 2 or not inside or not (one_unit or (abs(sums - 1.0) < 1e-2).all()):
            raise invalid(
                argument,
                f"{nothing} where an output is not class probabilities along its last axis",
                given,
                f"Output {name!r} is not; give the model a softmax or sigmoid.",
            )
