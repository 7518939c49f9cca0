"""Tests that the examples of docs/scoring.md run as they stand there."""

import re
import shlex
from pathlib import Path

import keras
import numpy as np
import pyarrow.parquet as pq
import pytest

from command_line import run
from scored_models import export, rows, write_csv, write_parquet

PAGE = Path(__file__).parents[3] / "docs" / "scoring.md"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    layers = [keras.Input((4,), name="features"), keras.layers.Dropout(0.5)]
    model = keras.Sequential([*layers, keras.layers.Dense(2, name="score")])
    export(model, tmp_path / "model.onnx")
    np.savez("data.npz", features=rows(250))
    write_parquet(tmp_path / "data.parquet", rows(250))
    write_csv(tmp_path / "data.csv", rows(250))
    return tmp_path


def blocks(kind):
    found = re.findall(r"<!-- test: (\w+) -->\n```(\w+)\n(.*?)```", PAGE.read_text(), re.S)
    assert [name for name, _, _ in found] == ["scorer", "command"]
    return next(code for _, language, code in found if language == kind)


def test_the_arrays_are_scored(folder, capsys):
    names = {}
    exec(blocks("python"), names)
    assert capsys.readouterr().out == "['score_mean', 'score_std'] (50, 2)\n"
    for name, x in names["whole"].items():
        np.testing.assert_allclose(names["last"][name], x[200:], rtol=1e-6, atol=1e-6)


def test_the_commands_score(folder, capsys):
    for line in blocks("sh").splitlines():
        program, *words = shlex.split(line)
        assert program == "keras-dropouts"
        status, _, complained = run(capsys, *words)
        assert (status, complained) == (0, "")
    assert pq.read_table("scores.parquet").column_names == [
        *("name", "features", "score_mean", "score_std")
    ]
    head = Path("scores.csv").read_text().splitlines()[0]
    assert head == "score_mean_0,score_mean_1,score_std_0,score_std_1"
