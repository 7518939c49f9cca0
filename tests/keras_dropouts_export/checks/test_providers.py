"""Artifacts are verified on the execution providers of onnxruntime that are asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import onnxruntime
import pytest

import keras_dropouts_export as kde
from command_line import run


def dense() -> keras.Model:
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="y")])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    kde.export_onnx(dense(), tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


@pytest.mark.parametrize("providers", [["CPUExecutionProvider"], ["cpu"], "CPU"])
@pytest.mark.parametrize("time_limit", [None, 120.0])
def test_a_provider_is_named_in_the_report(
    providers: Any, time_limit: float | None, tmp_path: Path
) -> None:
    model, path = dense(), tmp_path / "m.onnx"
    kde.export_onnx(model, path)
    report = kde.verify(model, path, providers=providers, time_limit=time_limit)
    assert report.ok
    assert {row.runtime for row in report.rows} == {"onnxruntime CPU", "onnxruntime CPU plain"}


def test_a_provider_that_is_not_there_is_an_error(path: Path) -> None:
    known = ", ".join(onnxruntime.get_available_providers())
    message = rf"`providers`\. Expected execution providers that this onnxruntime has: {known}\."
    with pytest.raises(ValueError, match=message):
        kde.verify(dense(), path, providers=["cuda"])


@pytest.mark.parametrize("providers", [[], [3], 7])
def test_what_is_no_list_of_names_is_an_error(providers: Any, path: Path) -> None:
    with pytest.raises(ValueError, match=r"`providers`\. Expected None, or names of execution"):
        kde.verify(dense(), path, providers=providers)


def test_other_formats_have_no_providers(tmp_path: Path) -> None:
    model = dense()
    kde.export_saved_model(model, tmp_path / "saved")
    with pytest.raises(ValueError, match=r"`providers`\. Expected None for a SavedModel"):
        kde.verify(model, tmp_path / "saved", providers=["cpu"])


def test_the_command_line_takes_providers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = dense()
    model.save(tmp_path / "m.keras")
    kde.export_onnx(model, tmp_path / "m.onnx")
    files = (tmp_path / "m.keras", tmp_path / "m.onnx")
    status, said, _ = run(capsys, "verify", *files, "--provider", "cpu", "--json")
    assert status == 0
    assert {row["runtime"] for row in json.loads(said)["rows"]} == {
        "onnxruntime CPU",
        "onnxruntime CPU plain",
    }
    status, _, complaint = run(capsys, "verify", *files, "--provider", "cuda")
    assert status == 1
    assert "execution providers that this onnxruntime has" in complaint
