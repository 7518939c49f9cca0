"""Tests that the pipelines in docs/scoring.md run as they stand there."""

import re

import keras
import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import keras_dropouts_export as kde
from engines.running import PYTHON, ROOT, running
from scored_models import export, rows

BLOCKS = dict(
    re.findall(
        r"<!-- engine: (\w+) -->\n```python\n(.*?)```",
        (ROOT / "docs" / "scoring.md").read_text(),
        re.S,
    )
)
ROWS = 60
# What the page leaves to the reader: where the data is, and that there is one machine.
BEFORE = "import os, sys\nos.chdir({folder!r})\nmodel_path = {model!r}\n"
BEFORE += "os.environ['PYSPARK_PYTHON'] = sys.executable\n"
SETTINGS = {
    "ray": "import ray\nray.init(num_cpus=2, include_dashboard=False)\n",
    "spark": "",
    # Without a network Beam cannot download Prism, which it would try first.
    "beam": "sys.argv.append('--allow_unsafe_triggers')\n",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    layers = [keras.Input((4,), name="features"), keras.layers.Dropout(0.5)]
    model = keras.Sequential([*layers, keras.layers.Dense(2, name="score")])
    path = export(model, folder / "model.onnx")
    features = pa.array(rows(ROWS).tolist(), pa.list_(pa.float32()))
    pq.write_table(pa.table({"id": np.arange(ROWS), "features": features}), folder / "rows.parquet")
    return folder, kde.scoring.OnnxScorer(path, 7)({"features": rows(ROWS)})["score_mean"]


def found_of(folder, engine):
    """Yield (name, numbers of the rows, their scores) for each result of an example."""
    if engine == "beam":
        lines = [x for each in folder.glob("beam_scores*") for x in each.read_text().splitlines()]
        pairs = [line.split(" ", 1) for line in lines]
        yield "beam", [int(n) for n, _ in pairs], [eval(scores) for _, scores in pairs]
        return
    for name in {"ray": ["ray_scores"], "spark": ["udf_scores", "map_scores"]}[engine]:
        table = ds.dataset(folder / name, format="parquet").to_table()
        if "scores" in table.column_names:
            table = table.flatten().rename_columns(
                [each.removeprefix("scores.") for each in table.flatten().column_names]
            )
        yield name, table["id"].to_pylist(), table["score_mean"].to_pylist()


@pytest.mark.parametrize("engine", ["ray", "spark", "beam"])
def test_the_example_of_an_engine_scores_each_row(made, engine, tmp_path):
    folder, wanted = made
    before = BEFORE.format(folder=str(folder), model=str(folder / "model.onnx"))
    script = tmp_path / "example.py"
    script.write_text(before + SETTINGS[engine] + BLOCKS[engine])
    with running(PYTHON, script) as run:
        status, _, complained = run.result()
    assert status == 0, complained
    for name, numbers, scores in found_of(folder, engine):
        assert sorted(numbers) == list(range(ROWS)), name
        np.testing.assert_allclose(np.array(scores), wanted[numbers], rtol=1e-6, atol=1e-6)
