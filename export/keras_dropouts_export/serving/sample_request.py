"""Runs an artifact on the inputs of its own self-test, which makes a sample request with answers.

It also finds out whether a server may put the rows of several requests together.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_dropouts_export.checks.self_test import self_test
from keras_dropouts_export.errors import ExportError
from keras_dropouts_export.formats.format import Arrays
from keras_dropouts_export.formats.interface import Interface


@dataclass(frozen=True)
class Sample:
    """Inputs and outputs of one call, by name.

    alone: None where a row gets the same answer whatever stands beside it, or else the reason why
    requests must not be put together.
    """

    inputs: Arrays
    outputs: Arrays
    alone: str | None


def sample_request(path: Path, interface: Interface) -> Sample:
    """Return a request that was run on the artifact at `path`, which passed its self-test.

    Raises:
        ValueError: if the artifact holds no self-test, or does not run.
        ExportError: if it does not pass.
    """
    seen: list[tuple[Arrays, Arrays]] = []

    def run(inputs: Arrays) -> Arrays:
        outputs = interface.run(inputs)
        seen.append((inputs, outputs))
        return outputs

    report = self_test(path, run)
    if not report.ok:
        raise ExportError(f"Nothing was written: the artifact fails its own self-test.\n{report}")
    ((inputs, outputs),) = seen
    allowed = {row.output: row.allowed for row in report.rows}
    return Sample(inputs, outputs, _why_alone(interface, inputs, outputs, allowed))


def _why_alone(
    interface: Interface, inputs: Arrays, outputs: Arrays, allowed: dict[str, float]
) -> str | None:
    for each in (*interface.inputs, *interface.outputs):
        if not each.shape or each.shape[0] is not None:
            return f"{each.name!r} has a fixed number of rows"
    counts = {len(x) for x in (*inputs.values(), *outputs.values())}
    if len(counts) > 1:
        return "inputs and outputs have different numbers of rows"
    for row in range(*counts):
        try:
            answers = interface.run({name: x[row : row + 1] for name, x in inputs.items()})
        except ValueError:
            return "it does not run on one row alone"
        for name, x in answers.items():
            if not np.allclose(
                x, outputs[name][row : row + 1], rtol=0.0, atol=allowed[name], equal_nan=True
            ):
                return f"rows of {name!r} depend on the rows beside them"
    return None
