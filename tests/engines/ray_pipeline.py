"""Scores rows with Ray Data on two workers, in an order that is shuffled; run by test_adapters.py.

Its argument is a folder with model.onnx and rows.parquet; it writes ray.parquet there.
"""

import sys
from pathlib import Path

import pyarrow.parquet as pq
import ray

import keras_dropouts_export as kde

folder = Path(sys.argv[1])
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
dataset = ray.data.read_parquet(str(folder / "rows.parquet")).repartition(5).random_shuffle(seed=1)
scored = dataset.map_batches(
    kde.scoring.RayScorer,
    fn_constructor_kwargs={"path": str(folder / "model.onnx"), "seed": 7, "row_numbers": "id"},
    batch_format="numpy",
    batch_size=37,
    concurrency=2,
    num_cpus=0.5,  # two scorers with one each would leave none of two to read the data
)
found = scored.to_pandas()
for name in found.columns:  # arrays of Ray become lists
    found[name] = [each.tolist() if hasattr(each, "tolist") else each for each in found[name]]
found.to_parquet(folder / "ray.parquet")
print(pq.read_metadata(folder / "ray.parquet").num_rows, "keras" in sys.modules)
