"""Tests of `keras-dropouts evaluate`: its report, what it refuses, and what it imports."""

import json
import subprocess
import sys

import keras
import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import keras_dropouts as kd
import keras_dropouts_export as kde
from command_line import run
from scored_models import export, rows, table_model, write_csv

ROWS = 60
CLASSES = 3
SCRIPT = """
import json, sys
sys.argv = ["keras-dropouts", *json.loads(sys.argv[1])]
from keras_dropouts_export.cli.__main__ import main
try:
    main()
finally:
    names = ("keras", "keras_dropouts", "tensorflow", "onnx", "tf2onnx", "matplotlib")
    print([name for name in names if name in sys.modules])
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return export(table_model(), tmp_path_factory.mktemp("evaluate") / "model.onnx")


@pytest.fixture(scope="module")
def labels():
    return np.random.default_rng(1).integers(0, CLASSES, ROWS)


@pytest.fixture
def data(tmp_path, labels):
    np.savez(tmp_path / "data.npz", features=rows(ROWS), y=labels, risk_true=rows(ROWS)[:, 0])
    return tmp_path / "data.npz"


def expected(model, labels, seed=0, **options):
    outputs = kde.scoring.OnnxScorer(model, seed, batch_size=256)({"features": rows(ROWS)})
    return kd.uncertainty.evaluate(outputs, labels, **options)


def test_the_report_is_that_of_the_outputs_of_the_file(model, data, labels, capsys):
    arguments = ("evaluate", model, data, "--output", "kinds")
    status, printed, complained = run(capsys, *arguments)
    assert (status, complained) == (0, "")
    wanted = expected(model, labels, output="kinds")
    assert printed == f"{wanted}\n"
    assert printed.startswith("classification: 60 rows of 3 classes\naccuracy ")
    assert max(map(len, printed.splitlines())) <= 60


def test_json_seed_and_intervals(model, data, labels, capsys):
    arguments = ("evaluate", model, data, "--output", "kinds", "--json")
    options = ("--seed", 5, "--bootstrap", 20, "--level", 0.8, "--bins", 10)
    status, printed, _ = run(capsys, *arguments, *options)
    wanted = expected(model, labels, 5, output="kinds", bootstrap=20, level=0.8, bins=10)
    assert (status, json.loads(printed)) == (0, wanted.to_dict())
    other = expected(model, labels, 6, output="kinds", bootstrap=20, level=0.8, bins=10)
    assert other.to_dict() != wanted.to_dict()


def test_numbers_and_a_named_column(model, data, capsys):
    arguments = ("evaluate", model, data, "--output", "risk", "--labels", "risk_true")
    status, printed, _ = run(capsys, *arguments, "--noise", 0.5, "--json")
    wanted = expected(model, rows(ROWS)[:, 0], output="risk", noise=0.5)
    assert wanted.kind == "regression"
    assert (status, json.loads(printed)) == (0, wanted.to_dict())


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_tables_of_every_kind_give_the_same(model, tmp_path, labels, kind, capsys):
    path = tmp_path / f"data.{kind}"
    if kind == "csv":
        write_csv(path, rows(ROWS))
        first, *lines = path.read_text().splitlines()
        lines = [f"{line},{label}" for line, label in zip(lines, labels, strict=True)]
        path.write_text("\n".join([f"{first},label", *lines]) + "\n")
    else:
        features = pa.array(list(rows(ROWS)), pa.list_(pa.float32()))
        pq.write_table(pa.table({"features": features, "label": labels}), path, row_group_size=7)
    status, printed, _ = run(capsys, "evaluate", model, path, "--output", "kinds", "--json")
    found, wanted = json.loads(printed), expected(model, labels, output="kinds").to_dict()
    assert (status, found.keys()) == (0, wanted.keys())
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-6, atol=1e-6, err_msg=name)


def test_labels_of_several_numbers_are_columns(tmp_path, capsys):
    x = keras.Input((4,), name="features")
    plain = keras.Model(x, keras.layers.Dense(2, name="pair")(x))
    kde.export_onnx(plain, tmp_path / "pair.onnx")
    y = np.arange(6.0).reshape(3, 2)
    names = ",".join([*(f"features_{n}" for n in range(4)), "y_0", "y_1"])
    lines = [",".join(map(str, [*row, *each])) for row, each in zip(rows(3), y, strict=True)]
    (tmp_path / "data.csv").write_text("\n".join([names, *lines]) + "\n")
    arguments = ("evaluate", tmp_path / "pair.onnx", tmp_path / "data.csv", "--json")
    status, printed, _ = run(capsys, *arguments)
    error = plain.predict(rows(3), verbose=0) - y
    assert status == 0
    assert list(json.loads(printed)) == ["rows", "rmse", "mae"]
    assert json.loads(printed)["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-5)


def served_model(path):
    """Write a file with the outputs that a calibration adds, for logits of features."""
    x = onnx.helper.make_tensor_value_info("features", onnx.TensorProto.FLOAT, ["batch", 2])
    number, flag = onnx.TensorProto.FLOAT, onnx.TensorProto.BOOL
    make = onnx.helper.make_tensor_value_info
    outputs = [
        make("p", number, ["batch", 2]),
        make("p_set", flag, ["batch", 2]),
        make("p_accept", flag, ["batch"]),
    ]
    node = onnx.helper.make_node
    nodes = [
        node("Softmax", ["features"], ["p"], axis=1),
        node("Greater", ["p", "low"], ["p_set"]),
        node("ReduceMax", ["p", "axes"], ["most"], keepdims=0),
        node("Greater", ["most", "high"], ["p_accept"]),
    ]
    constants = [
        onnx.numpy_helper.from_array(np.float32(0.3), "low"),
        onnx.numpy_helper.from_array(np.float32(0.75), "high"),
        onnx.numpy_helper.from_array(np.array([1], "int64"), "axes"),
    ]
    graph = onnx.helper.make_graph(nodes, "served", [x], outputs, constants)
    opset = [onnx.helper.make_opsetid("", 18)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=9), path)


def test_sets_and_acceptances_of_a_file_are_measured(tmp_path, capsys):
    served_model(tmp_path / "served.onnx")
    x = np.array([[2.0, 0], [0, 2.0], [0.2, 0], [0, 0.2], [2.0, 0]], "float32")
    np.savez(tmp_path / "data.npz", features=x, labels=[0, 1, 1, 1, 1])
    arguments = ("evaluate", tmp_path / "served.onnx", tmp_path / "data.npz")
    status, printed, _ = run(capsys, *arguments, "--json")
    found = json.loads(printed)
    assert status == 0
    served = {"set_coverage": 0.8, "set_size": 1.4, "accepted": 0.6, "accepted_risk": 1 / 3}
    assert {name: found[name] for name in served} == pytest.approx(served)


def test_an_export_with_calibrations_is_measured_as_it_is_served(tmp_path, capsys):
    random = np.random.default_rng(8)
    x, y = random.normal(size=(300, 4)).astype("float32"), random.integers(0, 3, 300)
    inputs = keras.Input((4,), name="features")
    hidden = keras.layers.Dropout(0.3)(keras.layers.Dense(16, activation="relu")(inputs))
    net = keras.Model(inputs, keras.layers.Dense(3, activation="softmax", name="kind")(hidden))
    prediction = kd.mc_predict(net, x, samples=8, seed=0)
    decisions = [
        kd.uncertainty.calibrate(prediction, y=y, method="temperature"),
        kd.uncertainty.conformal(net, x, y, coverage=0.8, samples=8),
        kd.uncertainty.evaluate(prediction, y).threshold(risk=0.9),
    ]
    path = tmp_path / "served.onnx"
    kde.export_onnx(net, path, samples=8, calibration=decisions)
    np.savez(tmp_path / "data.npz", features=x, y=y)
    outputs = kde.scoring.OnnxScorer(path)({"features": x})
    capsys.readouterr()  # what Keras shows of its own predictions
    for name in ("kind", "kind_calibrated"):
        arguments = ("evaluate", path, tmp_path / "data.npz", "--output", name, "--json")
        status, printed, complained = run(capsys, *arguments)
        assert (status, complained) == (0, "")
        wanted = kd.uncertainty.evaluate(outputs, y, output=name).to_dict()
        found = json.loads(printed)
        assert found.keys() == wanted.keys() >= {"set_coverage", "set_size", "accepted"}
        for key, value in wanted.items():
            np.testing.assert_allclose(found[key], value, rtol=1e-6, atol=1e-6, err_msg=key)
    sets = outputs["kind_set"][np.arange(300), y]
    assert found["set_coverage"] == sets.mean() >= 0.8  # the data that it was fitted to


def test_the_picture_is_written_and_replaced_only_when_asked(model, data, capsys):
    picture = data.with_name("report.png")
    arguments = ("evaluate", model, data, "--output", "kinds", "--plot", picture)
    status, printed, _ = run(capsys, *arguments)
    assert status == 0
    assert printed.startswith("classification")
    assert picture.read_bytes().startswith(b"\x89PNG")
    status, printed, complained = run(capsys, *arguments)
    assert (status, printed) == (1, "")
    assert "already exists. Pass `overwrite=True` (on the command line, `--ov" in complained
    assert run(capsys, *arguments, "--overwrite")[0] == 0
    assert sorted(path.name for path in data.parent.iterdir()) == ["data.npz", "report.png"]


def test_the_command_imports_neither_keras_nor_tensorflow(model, data):
    words = ["evaluate", str(model), str(data), "--output", "kinds", "--json"]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(words)], capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert (done.returncode, done.stderr) == (0, "")


def test_errors_are_one_line(model, data, labels, capsys):
    folder = data.parent
    np.savez(folder / "bare.npz", features=rows(ROWS))
    np.savez(folder / "long.npz", features=rows(ROWS), y=np.append(labels, 0))
    np.savez(folder / "wide.npz", features=rows(ROWS), y=np.ones((ROWS, 2)))
    np.savez(folder / "none.npz", features=rows(0), y=labels[:0])
    np.savez(folder / "high.npz", features=rows(ROWS), y=labels + 1)
    np.savez(folder / "other.npz", feature=rows(ROWS), y=labels)
    (folder / "text.csv").write_text("features_0,features_1,features_2,features_3,y\n1,2,3,4,a\n")
    kinds = ("--output", "kinds")
    cases = [
        (data, (), "`output`. Expected the name of one output, out of ['kinds', 'risk']"),
        (data, ("--output", "x"), "out of ['kinds', 'risk']. Received: output='x'"),
        (folder / "bare.npz", kinds, "labels in a column 'y' or 'label' or 'labels'"),
        (data, (*kinds, "--labels", "z"), "a table with the labels in a column 'z'. Received"),
        (data, (*kinds, "--labels", "features"), "a column that the model does not take"),
        (folder / "long.npz", kinds, "an .npz file of arrays of the same number of rows"),
        (folder / "wide.npz", kinds, "a class for each prediction, of shape (60,)"),
        (folder / "none.npz", kinds, "a table with at least one row"),
        (folder / "high.npz", kinds, "classes, whole numbers from 0 to 2. Received: y=3"),
        (folder / "other.npz", kinds, "a column 'features', or columns 'features_0'"),
        (folder / "text.csv", kinds, "Expected numbers in column 'y'"),
        (folder / "no.npz", kinds, "Expected a file that exists"),
        (folder / "no.txt", kinds, "a file name that ends in .parquet, .csv, .npz"),
        (data, (*kinds, "--level", 2), "`level`. Expected a number above 0 and below 1"),
        (data, (*kinds, "--plot", folder / "a.txt"), "ends in .png or .pdf or .svg"),
    ]
    for source, options, message in cases:
        status, printed, complained = run(capsys, "evaluate", model, source, *options)
        assert (status, printed) == (1, ""), message
        assert complained.startswith("Error: ")
        assert message in complained
        assert complained.count("\n") == 1
    status, _, complained = run(capsys, "evaluate", folder / "no.onnx", data)
    assert (status, "an .onnx file that exists" in complained) == (1, True)
    status, _, complained = run(capsys, "evaluate", model, data, "--overwrite")
    assert (status, "--overwrite is for --plot" in complained) == (2, True)
