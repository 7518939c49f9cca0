"""Scores rows with Spark on two workers, by a UDF and by mapInPandas; run by test_adapters.py.

Its argument is a folder with model.onnx and rows.parquet; it writes udf.parquet and map.parquet.
"""

import os
import sys
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

import keras_dropouts_export as kde

folder = Path(sys.argv[1])
model = str(folder / "model.onnx")
os.environ["PYSPARK_PYTHON"] = sys.executable
builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
spark = builder.config("spark.sql.execution.arrow.maxRecordsPerBatch", "53").getOrCreate()
rows = spark.read.parquet(str(folder / "rows.parquet")).repartition(5)

score = kde.scoring.spark_udf(model, seed=7, batch_size=37)
scored = rows.withColumn("scores", score(F.col("features"), F.col("id"))).select("id", "scores.*")
scored.toPandas().to_parquet(folder / "udf.parquet")

function = kde.scoring.spark_map_function(model, seed=7, row_numbers="id")
schema = kde.scoring.spark_result_schema(rows.schema, model)
rows.mapInPandas(function, schema).toPandas().to_parquet(folder / "map.parquet")
print(rows.count(), "keras" in sys.modules)
spark.stop()
