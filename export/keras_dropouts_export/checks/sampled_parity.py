"""Compares an artifact of Monte-Carlo dropout with its model: by one seed, and by another one."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_dropouts.types import Tensor
from keras_dropouts_export.checks.artifact_process import Runtime
from keras_dropouts_export.checks.largest_error import largest_error
from keras_dropouts_export.checks.parity import (
    ParityReport,
    ParityRow,
    compare,
    decided_rows,
)
from keras_dropouts_export.checks.tolerances import allowed_for, lowest_precision
from keras_dropouts_export.checks.trial_inputs import trial_inputs
from keras_dropouts_export.formats import format_at
from keras_dropouts_export.formats.format import Arrays, Exported, Run
from keras_dropouts_export.options import Comparison, MonteCarlo
from keras_dropouts_export.tracing.inference_function import InferenceFunction

# How many times its expected size the difference of two means may have: with few samples and few
# independent units it is spread widely around that.
_ALLOWED = 6.0


def compare_samples(
    exported: Exported,
    path: Path,
    comparison: Comparison,
    shown: str | None = None,
    runtime: Runtime | None = None,
) -> ParityReport:
    """Compare an artifact of Monte-Carlo dropout with its functions.

    With the same seed the outputs have to be equal. With another seed some have to differ, and
    the means may differ by what sqrt(2 / samples) times the standard deviation lets expect.

    Args:
        shown: The path to name in the report, where that is not `path`.
        runtime: What runs the artifact, None for its format, in this process.

    Raises:
        ValueError: if the artifact cannot be loaded, or has other inputs or outputs.
    """
    function, sampling = exported.sampled, exported.sampling
    if function is None or sampling is None:
        raise ValueError("The export has no samples to compare.")
    rows: tuple[ParityRow, ...] = ()
    home = runtime or format_at(path)
    if home.keeps_plain_function:
        rows += compare(exported.plain, path, comparison, runtime=home).rows
    if sampling.seeded:
        rows += compare(function, path, comparison, runtime=home).rows
    else:
        rows += compare_models(exported.plain, comparison)
        function = without_seed(function)
    other = _other_seed(function, home.runs(path, function), sampling, comparison)
    return ParityReport(path=shown or str(path), rows=rows, other_seed=tuple(other))


def compare_models(function: InferenceFunction, comparison: Comparison) -> tuple[ParityRow, ...]:
    """Compare the model with the one that it was handed from, where there is one, in no artifact.

    For artifacts whose outputs are drawn without a seed.
    """
    if function.elsewhere is None:
        return ()
    rows = []
    precision = lowest_precision(function.model)
    for batch, inputs, expected in trial_inputs(function, comparison.seed):
        for name, wanted in function.elsewhere(inputs).items():
            error = largest_error(expected[name], wanted)
            allowed = allowed_for(wanted, comparison, precision)
            row = ParityRow(name, batch, "TensorFlow", error, allowed, repeatable=True)
            rows.append(replace(row, model_on=function.backend_elsewhere))
    return tuple(rows)


def without_seed(function: InferenceFunction) -> InferenceFunction:
    """Return a function whose artifact takes no seed; it draws by one seed itself."""

    def seeded(tensors: list[Tensor]) -> list[Tensor]:
        return function.eager([*tensors, tf.zeros([tf.shape(tensors[0])[0]], tf.int64)])

    return replace(function, inputs=function.inputs[:-1], eager=seeded, takes_seeds=False)


def _other_seed(
    function: InferenceFunction, runs: dict[str, Run], sampling: MonteCarlo, comparison: Comparison
) -> list[ParityRow]:
    """Return a row for each output whose mean can be told or that is decided, and runtime."""
    *_, (batch, inputs, expected) = trial_inputs(function, comparison.seed)
    found, differ, decided = [], False, []
    for runtime, run in runs.items():
        same, changed = run(inputs), run(_with_other_seed(function, sampling, inputs))
        label = f"{runtime}, other seed"
        decided += decided_rows(function, (changed, changed), comparison, batch, label)
        differ |= any(not np.array_equal(same[name], changed[name]) for name in same)
        for name, (mean, std) in _moments(expected).items():
            other, _ = _moments(changed)[name]
            error = float(np.sqrt(np.mean((other - mean) ** 2)))
            spread = float(np.sqrt(np.mean(std**2)))
            bound = math.inf
            if sampling.samples > 1:  # the variance of one sample from that over all of them
                bound = _ALLOWED * spread * math.sqrt(2.0 / (sampling.samples - 1)) + 1e-6
            found.append(ParityRow(name, batch, label, error, bound, repeatable=True))
    return [*(found if differ else [replace(row, allowed=-1.0) for row in found]), *decided]


def _with_other_seed(function: InferenceFunction, sampling: MonteCarlo, inputs: Arrays) -> Arrays:
    if not sampling.seeded:
        return inputs
    name = function.inputs[-1].name
    return {**inputs, name: inputs[name] + 1_000_003}


def _moments(outputs: Arrays) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return mean and standard deviation over the samples, by the name of the output."""
    found = {}
    for name, values in outputs.items():
        if name.endswith("_samples"):
            numbers = values.astype("float64")
            found[name] = (numbers.mean(axis=1), numbers.std(axis=1))
        elif name.endswith("_mean"):
            std = outputs[f"{name.removesuffix('_mean')}_std"]
            found[name] = (values.astype("float64"), std.astype("float64"))
    return found
