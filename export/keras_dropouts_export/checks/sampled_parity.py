"""An artifact with Monte-Carlo dropout against its model: equal with a seed, alike without."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_dropouts.arguments import invalid
from keras_dropouts_export.checks import onnx_file
from keras_dropouts_export.checks.parity import ParityReport, ParityRow, compare
from keras_dropouts_export.checks.trial_inputs import trial_inputs
from keras_dropouts_export.formats.onnx.onnx_runtime import load_saved_model, runners
from keras_dropouts_export.monte_carlo.sampled_function import (
    METADATA,
    MonteCarlo,
    monte_carlo_function,
)
from keras_dropouts_export.tracing.inference_function import InferenceFunction, inference_function

Arrays = dict[str, np.ndarray]

# How many times its expected size the difference of two means may have: with few samples and few
# independent units it is spread widely around that.
_ALLOWED = 6.0


def comparison(
    options: MonteCarlo, plain: Callable[[], InferenceFunction] | None = None
) -> Callable[..., ParityReport]:
    """Return what compares an artifact of Monte-Carlo dropout with its function, as `compare` does.

    With the same seed the outputs have to be equal. With another seed some have to differ, and
    the means may differ by what sqrt(2 / samples) times the standard deviation lets expect.

    `plain` returns the deterministic function, where the artifact holds that, too.
    """

    def compared(function: InferenceFunction, path: Any, **arguments: Any) -> ParityReport:
        rows = compare(plain(), path, **arguments).rows if plain else ()
        if options.rng == "native":
            function = _without_seed(function)
        else:
            rows += compare(function, path, **arguments).rows
        other = _other_seed(function, Path(path), options, arguments.get("seed", 0))
        shown = str(arguments.get("shown") or path)
        return ParityReport(path=shown, rows=rows, other_seed=tuple(other))

    return compared


def verify_samples(
    model: keras.Model, path: Path, signature: Any, **arguments: Any
) -> ParityReport | None:
    """Compare an artifact with Monte-Carlo dropout; return None where there is none in it."""
    options = _options_in(path)
    if options is None:
        return None
    plain = inference_function(model, signature)
    function = monte_carlo_function(model, options, deterministic=plain)
    both = (lambda: plain) if path.is_dir() else None
    return comparison(options, both)(function, path, **arguments)


def _options_in(path: Path) -> MonteCarlo | None:
    """Return how an artifact samples, None where it does not.

    Raises:
        ValueError: if the artifact cannot be read.
    """
    if path.is_dir():
        text = _text_in_saved_model(path)
    else:
        properties = {each.key: each.value for each in onnx_file.load(path).metadata_props}
        text = properties.get(METADATA)
    try:
        return None if text is None else MonteCarlo(**json.loads(text))
    except (TypeError, json.JSONDecodeError) as error:
        expected = "an artifact whose metadata this version of keras_dropouts can read"
        raise invalid("path", expected, str(path), f"It says {text!r}.") from error


def _text_in_saved_model(path: Path) -> str | None:
    loaded = load_saved_model(path)
    return loaded.monte_carlo().numpy().decode() if hasattr(loaded, "monte_carlo") else None


def _without_seed(function: InferenceFunction) -> InferenceFunction:
    """Return a function whose artifact takes no seed, to be asked for names and inputs."""
    seed = function.inputs[-1].name
    shown = replace(function, inputs=function.inputs[:-1])
    original = function

    class Seeded(InferenceFunction):
        """Runs with one seed."""

        def __call__(self, inputs: Arrays) -> Arrays:
            return original({**inputs, seed: np.array(0, np.int64)})

    return Seeded(**vars(shown))


def _other_seed(
    function: InferenceFunction, path: Path, options: MonteCarlo, seed: int
) -> list[ParityRow]:
    """Return a row for each output whose mean can be told, and runtime."""
    batch, inputs = list(trial_inputs(function, seed))[-1][:2]
    expected = function(inputs)
    found, differ = [], False
    for runtime, run in runners(path, function).items():
        same, changed = run(inputs), run(_with_other_seed(function, inputs))
        differ |= any(not np.array_equal(same[name], changed[name]) for name in same)
        for name, (mean, std) in _moments(expected).items():
            other, _ = _moments(changed)[name]
            error = float(np.sqrt(np.mean((other - mean) ** 2)))
            spread = float(np.sqrt(np.mean(std**2)))
            bound = math.inf
            if options.samples > 1:  # the variance of one sample from that over all of them
                bound = _ALLOWED * spread * math.sqrt(2.0 / (options.samples - 1)) + 1e-6
            found.append(
                ParityRow(name, batch, f"{runtime}, other seed", error, bound, repeatable=True)
            )
    return found if differ else [replace(row, allowed=-1.0) for row in found]


def _with_other_seed(function: InferenceFunction, inputs: Arrays) -> Arrays:
    name = function.inputs[-1].name
    if function.inputs[-1].dtype != "int64" or function.inputs[-1].shape != ():
        return inputs  # of an artifact whose runtime seeds itself
    return {**inputs, name: np.array(inputs[name] + 1_000_003, np.int64)}


def _moments(outputs: Arrays) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return mean and standard deviation over the samples, by the name of the output."""
    found = {}
    for name, values in outputs.items():
        if name.endswith("_samples"):
            numbers = values.astype("float64")
            found[name] = (numbers.mean(axis=0), numbers.std(axis=0))
        elif name.endswith("_mean"):
            std = outputs[f"{name.removesuffix('_mean')}_std"]
            found[name] = (values.astype("float64"), std.astype("float64"))
    return found
