"""Scores rows with Beam's RunInference in batches that Beam makes; run by test_adapters.py.

Its argument is a folder with model.onnx and rows.parquet; it writes beam.parquet there.
"""

import json
import sys
from pathlib import Path

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.ml.inference.base import RunInference
from apache_beam.options.pipeline_options import PipelineOptions

import keras_dropouts_export as kde

folder = Path(sys.argv[1])
table = pq.read_table(folder / "rows.parquet").to_pylist()
rows = [(each["id"], {"features": np.array(each["features"], "float32")}) for each in table]
handler = kde.scoring.BeamModelHandler(
    str(folder / "model.onnx"), seed=7, min_batch_size=5, max_batch_size=37
)


def as_line(result):
    """Return the number of a row and its outputs as JSON."""
    outputs = {name: x.tolist() for name, x in result.inference.items()}
    return json.dumps({"id": result.example[0], **outputs})


options = PipelineOptions([], allow_unsafe_triggers=True)  # it does not look for Prism then
with beam.Pipeline("DirectRunner", options) as pipeline:
    scored = pipeline | beam.Create(rows) | beam.Reshuffle() | RunInference(handler)
    _ = scored | beam.Map(as_line) | beam.io.WriteToText(str(folder / "lines"))
lines = [line for each in folder.glob("lines*") for line in each.read_text().splitlines()]
pq.write_table(pa.Table.from_pylist([json.loads(line) for line in lines]), folder / "beam.parquet")
print(len(lines), "keras" in sys.modules)
