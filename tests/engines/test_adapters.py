"""Tests of the adapters in pipelines of Ray Data, Spark and Beam, in orders that these choose."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import keras_dropouts_export as kde
from engines.running import PYTHON, running
from scored_models import expected, export, rows, table_model

HERE = Path(__file__).parent
ROWS = 250
SEED = 7  # the one in the scripts
OUTPUTS = ("risk_mean", "risk_std", "kinds_mean", "kinds_std")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return (folder with the file and the rows, the model's samples, the scores of one call)."""
    folder, model = tmp_path_factory.mktemp("adapters"), table_model()
    path = export(model, folder / "model.onnx")
    features = pa.array(rows(ROWS).tolist(), pa.list_(pa.float32()))
    pq.write_table(pa.table({"id": np.arange(ROWS), "features": features}), folder / "rows.parquet")
    local = kde.scoring.OnnxScorer(path, SEED)({"features": rows(ROWS)})
    return folder, expected(model, rows(ROWS), SEED, ROWS), local


@pytest.mark.parametrize(
    ("script", "results", "flat"),
    [
        ("ray", ["ray"], True),
        ("spark", ["udf", "map"], True),
        ("beam", ["beam"], False),
    ],
)
def test_an_engine_gives_each_row_what_one_call_gives(made, script, results, flat):
    folder, samples, local = made
    with running(PYTHON, HERE / f"{script}_pipeline.py", folder) as run:
        status, printed, complained = run.result()
    assert status == 0, complained
    assert printed.splitlines()[-1] == f"{ROWS} False"  # Keras was not imported
    for result in results:
        table = pq.read_table(folder / f"{result}.parquet").sort_by("id")
        assert table["id"].to_pylist() == list(range(ROWS))
        for name in OUTPUTS:
            found = np.array(table[name].to_pylist())
            wanted = local[name].reshape(found.shape) if flat else local[name]
            largest = float(np.abs(wanted).max())
            error = float(np.abs(found - wanted).max())
            print(f"{result} {name}: error {error:.2e} of {largest:.2e}")
            np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6 * largest)
        kinds = np.array(table["kinds_mean"].to_pylist())
        np.testing.assert_allclose(kinds, samples.mean[1], rtol=1e-5, atol=1e-6)
