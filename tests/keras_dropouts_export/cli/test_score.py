"""Tests of `keras-dropouts score`: what it prints, refuses and leaves, and what it imports."""

import json
import os
import pty
import signal
import subprocess
import sys
import time

import click
import numpy as np
import pytest

import keras_dropouts_export as kde
from command_line import run
from keras_dropouts_export.cli import score_command
from keras_dropouts_export.scoring import engines
from scored_models import export, rows, table_model, write_csv, write_parquet

ROWS = 250
SCRIPT = """
import json, sys
sys.argv = ["keras-dropouts", *json.loads(sys.argv[1])]
from keras_dropouts_export.cli.__main__ import main
try:
    main()
finally:
    names = ("keras", "keras_dropouts", "tensorflow", "onnx", "tf2onnx", "ray", "pyspark")
    print([name for name in names if name in sys.modules])
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return export(table_model(), tmp_path_factory.mktemp("score") / "model.onnx")


@pytest.fixture
def data(tmp_path):
    write_csv(tmp_path / "data.csv", rows(ROWS))
    return write_parquet(tmp_path / "data.parquet", rows(ROWS))


def test_the_result_is_said_in_one_line_and_is_that_of_the_scorer(data, model, capsys):
    out = data.with_name("out.npz")
    arguments = ("score", data, "-o", out, "--model", model, "--seed", -3, "--partition-size", 64)
    status, printed, complained = run(capsys, *arguments)
    assert (status, complained) == (0, "")
    assert printed == (
        f"{out}: 250 rows with the outputs risk_mean, risk_std, kinds_mean, kinds_std\n"
    )
    whole = kde.scoring.OnnxScorer(model, -3)({"features": rows(ROWS)})
    with np.load(out) as found:
        for name, x in whole.items():
            wanted = x.reshape(found[name].shape)
            np.testing.assert_allclose(found[name], wanted, rtol=1e-6, atol=2e-6)


def test_json_says_the_same(data, model, capsys):
    out = data.with_name("out.csv")
    arguments = ("score", data, "-o", out, "--model", model, "--json", "--outputs-only")
    status, printed, _ = run(capsys, *arguments)
    assert status == 0
    assert json.loads(printed) == {
        "path": str(out),
        "rows": ROWS,
        "outputs": ["risk_mean", "risk_std", "kinds_mean", "kinds_std"],
        "ranges": 1,
        "reused": 0,
    }
    assert out.read_text().startswith("risk_mean,risk_std,kinds_mean_0,")


def test_the_command_imports_neither_keras_nor_tensorflow(data, model):
    words = ["score", str(data), "-o", str(data.with_name("out.csv")), "--model", str(model)]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(words)], capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert (done.returncode, done.stderr) == (0, "")


def test_the_engines_that_it_offers_are_those_that_there_are():
    assert score_command.ENGINES == engines.NAMES


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--engine", "dask"], "'dask' is not one of 'local', 'ray', 'spark', 'beam'"),
        (["--workers", "2"], "--workers is for the engines ray, spark and beam."),
        (["--seed", "x"], "'x' is not a valid integer"),
    ],
)
def test_a_wrong_command_line_is_status_2(data, model, capsys, options, message):
    arguments = ("score", data, "-o", data.with_name("out.csv"), "--model", model, *options)
    status, printed, complained = run(capsys, *arguments)
    assert (status, printed) == (2, "")
    assert message in complained


@pytest.mark.parametrize("engine", ["ray", "spark", "beam"])
def test_an_engine_that_is_not_installed_says_what_to_install(data, model, capsys, engine):
    arguments = ("score", data, "-o", data.with_name("out.csv"), "--model", model)
    status, _, complained = run(capsys, *arguments, "--engine", engine)
    package = engines.named.__globals__["_TABLE"][engines.NAMES.index(engine)].package
    assert (status, complained) == (
        1,
        f"Error: The engine '{engine}' needs {package}. Install what is missing: "
        f"pip install 'keras-dropouts[score,{engine}]'\n",
    )


def test_errors_are_one_line_and_what_was_there_stays(data, model, capsys):
    out = data.with_name("out.csv")
    out.write_text("mine")
    bad = data.with_name("bad.csv")
    bad.write_text("features_0,features_1\n1,2\n")
    cut = data.with_name("cut.parquet")
    cut.write_bytes(data.read_bytes()[:-10])
    cases = [
        (data, (), "already exists. Pass `overwrite=True` (on the command line, `--overwrite`)"),
        (data.with_name("none.csv"), ("--overwrite",), "Expected a file that exists"),
        (bad, ("--overwrite",), "a column 'features', or columns 'features_0' to 'features_3',"),
        (cut, ("--overwrite",), "as if it was cut off or damaged"),
        (data, ("--overwrite", "--batch-size", 0), "`batch_size`. Expected an integer"),
        (data, ("--overwrite", "--model", bad), "an .onnx file that onnxruntime loads"),
    ]
    for source, options, message in cases:
        arguments = ("score", source, "-o", out, "--model", model, *options)
        status, printed, complained = run(capsys, *arguments)
        assert (status, printed) == (1, "")
        assert complained.startswith("Error: ")
        assert message in complained
        assert complained.count("\n") == 1
    assert out.read_text() == "mine"


def test_ctrl_c_says_what_stays_and_the_same_command_goes_on(data, model, capsys):
    out = data.with_name("out.csv")
    words = ["score", data, "-o", out, "--model", model, "--partition-size", 1]
    words = [str(word) for word in words]
    script = [sys.executable, "-m", "keras_dropouts_export.cli", *words]
    parts = data.with_name("out.csv.parts")
    with subprocess.Popen(script, stdout=-1, stderr=-1, text=True) as process:
        while len(list(parts.rglob("*.done"))) < 20:
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        printed, complained = process.communicate()
    assert (process.returncode, printed) == (1, "")
    assert complained.strip() == (
        f"Error: interrupted. What was scored stays in '{parts}'; the same command goes on there."
    )
    assert not out.exists()
    kept = len(list(parts.rglob("*-*-*.npz")))
    assert 20 <= kept < ROWS
    status, printed, _ = run(capsys, *words)
    assert status == 0
    assert printed.endswith(f"; {kept} of 250 parts were there from an earlier run\n")
    assert not parts.exists()


def test_a_terminal_sees_how_far_it_is(data, model):
    leader, follower = pty.openpty()
    words = ["score", data, "-o", data.with_name("out.csv"), "--model", model]
    script = [sys.executable, "-m", "keras_dropouts_export.cli", *map(str, words)]
    settings = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    done = subprocess.run(script, stdout=subprocess.PIPE, stderr=follower, env=settings)
    os.close(follower)
    shown = os.read(leader, 2**16).decode()
    os.close(leader)
    assert done.returncode == 0
    assert "scoring" in shown
    assert "250 of 250 rows" in shown


def test_the_help_names_every_option(capsys):
    status, printed, _ = run(capsys, "score", "--help")
    assert status == 0
    context = click.Context(score_command.score)
    for parameter in score_command.score.get_params(context):
        if isinstance(parameter, click.Option):
            assert parameter.opts[-1] in printed
