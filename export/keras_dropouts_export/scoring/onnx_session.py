"""Opens ONNX files in onnxruntime for scoring, and says what each takes and returns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from keras_dropouts.arguments import invalid
from keras_dropouts_export.errors import said_by
from keras_dropouts_export.options import METADATA, MonteCarlo
from keras_dropouts_export.scoring.model_values import ModelValue


class OnnxSession:
    """A session of onnxruntime, and what its file says of itself.

    inputs: those of the file without the seeds; seed: the name of the input of seeds, "" where
    there is none; sampling: how the file samples, None without dropout; rows_at_once: how many
    rows it takes, None for any number.

    Raises:
        FileNotFoundError, ValueError: if there is no such file, or onnxruntime does not load it,
            or it cannot be scored row by row.
    """

    def __init__(self, path: str, providers: Sequence[str], threads: int | None) -> None:
        self.path = path
        if not Path(self.path).is_file():
            expected = "an .onnx file that exists"
            raise FileNotFoundError(str(invalid("path", expected, self.path)))
        self.session = _session(path, providers, threads)
        found = self.session.get_modelmeta().custom_metadata_map.get(METADATA)
        self.sampling = None if found is None else self._sampling(found)
        inputs = [ModelValue.of(each, self.path) for each in self.session.get_inputs()]
        # The seeds are the last input, which has another name where the model has a "seed".
        self.seed = inputs.pop().name if self.sampling is not None and inputs else ""
        self.inputs = tuple(inputs)
        self.outputs = tuple(ModelValue.of(x, self.path) for x in self.session.get_outputs())
        batches = {value.batch for value in self.inputs} - {None}
        if not self.inputs or batches - {1}:
            expected = "an .onnx file that takes any number of rows, or one"
            sizes = f"It takes {sorted(filter(None, batches))} rows." if batches else ""
            raise invalid("path", expected, self.path, sizes or "It has no inputs.")
        self.rows_at_once = 1 if batches else None

    def _sampling(self, text: str) -> MonteCarlo:
        sampling = MonteCarlo.from_json(text, self.path)
        if not sampling.seeded:
            expected = "an .onnx file whose dropout takes seeds"
            way_out = f"It says {json.loads(text)['rng']!r}: export it without `rng`."
            raise invalid("path", expected, self.path, way_out)
        return sampling

    def run(self, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the outputs for arrays that fit.

        Raises:
            ValueError: if onnxruntime fails, or an output has no row for each row.
        """
        names = [value.name for value in self.outputs]
        rows = len(next(iter(arrays.values())))
        try:
            found = dict(zip(names, self.session.run(names, arrays), strict=True))
        except Exception as error:  # onnxruntime's own errors share no public base class
            expected = "an .onnx file that onnxruntime runs"
            raise invalid("path", expected, self.path, f"It does not: {said_by(error)}") from error
        for name, x in found.items():
            if x.shape[:1] != (rows,):
                expected = "an .onnx file whose outputs have a row for each row of the inputs"
                shown = f"{name!r} has shape {x.shape} for {rows} rows."
                raise invalid("path", expected, self.path, shown)
        return found


def _session(path: str, providers: Sequence[str], threads: int | None) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors alone
    options.use_deterministic_compute = True
    if threads is not None:
        options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(path, options, list(providers))
    except Exception as error:  # onnxruntime's own errors share no public base class
        expected = "an .onnx file that onnxruntime loads"
        raise invalid("path", expected, path, f"It does not: {said_by(error)}") from error
