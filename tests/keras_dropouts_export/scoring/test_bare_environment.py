"""Tests that onnxruntime and NumPy alone are enough to score, from the wheel."""

import json

import numpy as np
import pytest

import environments
import keras_dropouts as kd
import keras_dropouts_export as kde
from environments import PIP, done, run
from scored_models import export, rows, table_model, write_csv

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("package")]

SCRIPT = """
import json, sys
from importlib.util import find_spec
import numpy as np
import keras_dropouts_export as kde
scorer = kde.scoring.OnnxScorer("model.onnx", seed=7)
np.savez("there.npz", **scorer({"features": np.load("x.npy")}, first=5))
messages = []
for name in ("export_onnx", "scoring"):
    try:
        getattr(getattr(kde, name), "score_file", None)
    except ModuleNotFoundError as error:
        messages.append(str(error))
names = ("keras", "tensorflow", "pyarrow", "click", "onnx")
print(json.dumps({
    "messages": messages,
    "found": [name for name in names if find_spec(name)],
    "loaded": [name for name in (*names, "keras_dropouts") if name in sys.modules],
}))
"""


def install(wheel, folder, *names):
    scripts = environments.environment(folder, *names)
    pip = [*PIP, scripts / "python", "install", "--quiet", "--no-deps", "--no-index", wheel]
    done(run(*pip, cwd=folder))
    return scripts


def test_onnxruntime_and_numpy_alone_score(wheel, tmp_path):
    path = export(table_model(), tmp_path / "model.onnx")
    np.save(tmp_path / "x.npy", rows(30))
    scripts = install(wheel, tmp_path / "environment", "onnxruntime", "numpy")
    found = json.loads(done(run(scripts / "python", "-c", SCRIPT, cwd=tmp_path)))
    assert found["found"] == found["loaded"] == []
    assert found["messages"] == [
        "keras_dropouts_export and the command keras-dropouts need tensorflow, tf2onnx, onnx, "
        "rich, click. Install what is missing: pip install 'keras-dropouts[export]'",
        "keras_dropouts_export.scoring.score_file needs pyarrow. Install what is missing: "
        "pip install 'keras-dropouts[score]'",
    ]
    here = kde.scoring.OnnxScorer(path, 7)({"features": rows(30)}, first=5)
    with np.load(tmp_path / "there.npz") as there:
        for name, x in here.items():
            np.testing.assert_array_equal(there[name], x)


def test_the_extra_is_enough_for_the_command(wheel, tmp_path):
    export(table_model(), tmp_path / "model.onnx")
    write_csv(tmp_path / "data.csv", rows(30))
    names = ("onnxruntime", "numpy", "pyarrow", "rich", "click")
    scripts = install(wheel, tmp_path / "environment", *names)
    words = ("score", "data.csv", "-o", "out.csv", "--model", "model.onnx")
    printed = done(run(scripts / "keras-dropouts", *words, cwd=tmp_path))
    assert printed.startswith("out.csv: 30 rows with the outputs risk_mean,")
    np.savez(tmp_path / "data.npz", features=rows(30), y=np.arange(30) % 3)
    words = ("evaluate", "model.onnx", "data.npz", "--output", "kinds")
    printed = done(run(scripts / "keras-dropouts", *words, cwd=tmp_path))
    assert printed.startswith("classification: 30 rows of 3 classes\n")
    wanted = kde.scoring.OnnxScorer(tmp_path / "model.onnx")({"features": rows(30)})
    report = kd.uncertainty.evaluate(wanted, np.arange(30) % 3, output="kinds")
    assert printed.split()[:11] == str(report).split()[:11]
    result = run(scripts / "keras-dropouts", *words, "--plot", "report.png", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    assert "--plot` needs matplotlib. Install what is missing: pip inst" in result.stderr
    result = run(scripts / "keras-dropouts", "inspect", "model.keras", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(
        "Error: keras_dropouts_export and the command keras-dropouts need tensorflow, tf2onnx, onnx"
    )
