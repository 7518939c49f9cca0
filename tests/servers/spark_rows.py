"""Asks an MLflow model in Spark for every row of an .npz file, and prints the answers as JSON.

python spark_rows.py MODEL ROWS TYPE: the rows go to three partitions, in Arrow batches of seven.
"""

import json
import sys

import mlflow
import numpy as np
from pyspark.sql import SparkSession

model, rows, kind = sys.argv[1:]
data = np.load(rows)
settings = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "7",
    "spark.ui.enabled": "false",
}
builder = SparkSession.builder.master("local[2]")
for key, value in settings.items():
    builder = builder.config(key, value)
spark = builder.getOrCreate()
table = spark.createDataFrame(
    [
        (number, x.reshape(-1).tolist(), int(seed))
        for number, (x, seed) in enumerate(zip(data["x"], data["seeds"], strict=True))
    ],
    "number int, image array<float>, seed long",
).repartition(3)
answer = mlflow.pyfunc.spark_udf(spark, model, result_type=kind, env_manager="local")
found = table.select("number", answer("image", "seed").alias("answer")).collect()
ordered = [row["answer"].asDict() for row in sorted(found, key=lambda row: row["number"])]
spark.stop()
print(json.dumps(ordered))
