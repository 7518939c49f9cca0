"""Tests that an artifact's path is checked first, kept on failure, and left clean."""

import os
import stat
import subprocess
import sys

import pytest

import keras_dropouts_export as kde
from keras_dropouts_export import pipeline
from keras_dropouts_export.destination import path_checks, renames, work_folder
from keras_dropouts_export.formats.onnx import onnx_writer
from keras_dropouts_export.formats.saved_model import saved_model_writer
from served import dense_model

EXPORTS = [(kde.export_onnx, "m.onnx"), (kde.export_saved_model, "m")]
both = pytest.mark.parametrize(("export", "name"), EXPORTS, ids=["onnx", "saved_model"])


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@both
def test_an_existing_target_is_an_error_unless_asked_for(export, name, tmp_path):
    model = dense_model()
    export(model, tmp_path / name)
    before = contents(tmp_path)
    model.get_layer("score").bias.assign([1.0, 2.0])
    with pytest.raises(FileExistsError, match=r"already exists\. Pass `overwrite=True`"):
        export(model, tmp_path / name)
    assert contents(tmp_path) == before
    export(model, tmp_path / name, overwrite=True)
    assert kde.verify(model, tmp_path / name).ok
    assert [each.name for each in tmp_path.iterdir()] == [name]


@both
def test_a_missing_folder_and_a_file_for_a_folder(export, name, tmp_path):
    with pytest.raises(FileNotFoundError, match="Expected a path in an existing folder"):
        export(dense_model(), tmp_path / "none" / name)
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotADirectoryError, match="Expected a path in a folder"):
        export(dense_model(), tmp_path / "file" / name)


@both
def test_a_folder_that_is_not_writable(export, name, tmp_path, monkeypatch):
    monkeypatch.setattr(path_checks.os, "access", lambda *_: False)
    with pytest.raises(PermissionError, match="Expected a path in a writable folder"):
        export(dense_model(), tmp_path / name)
    monkeypatch.undo()

    def refuse(**_):
        raise PermissionError

    monkeypatch.setattr(work_folder.tempfile, "mkdtemp", refuse)
    with pytest.raises(PermissionError, match="Expected a path in a writable folder"):
        export(dense_model(), tmp_path / name)


@both
def test_paths_that_are_none(export, name, tmp_path):
    for bad in (None, 3, ["m"]):
        with pytest.raises(ValueError, match=r"argument `path`\. Expected a path"):
            export(dense_model(), bad)
    with pytest.raises(ValueError, match="Invalid value for argument `overwrite`"):
        export(dense_model(), tmp_path / name, overwrite=1)


def test_wrong_suffixes(tmp_path):
    for bad in ("m", "m.pb", "m.keras"):
        with pytest.raises(ValueError, match=r"Expected a file name that ends in \.onnx"):
            kde.export_onnx(dense_model(), tmp_path / bad)


def test_what_is_no_artifact_is_never_overwritten(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(ValueError, match="Expected a SavedModel folder to overwrite"):
        kde.export_saved_model(dense_model(), tmp_path / "mine", overwrite=True)
    (tmp_path / "m.onnx").mkdir()
    with pytest.raises(ValueError, match="Expected a file to overwrite"):
        kde.export_onnx(dense_model(), tmp_path / "m.onnx", overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "x"


WRITERS = {
    kde.export_onnx: (onnx_writer, "write_onnx"),
    kde.export_saved_model: (saved_model_writer, "write_saved_model"),
}


@both
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
@pytest.mark.parametrize("when", ["write", "verify", "place"])
def test_what_was_there_stays_on_any_failure(export, name, error, when, tmp_path, monkeypatch):
    export(dense_model(), tmp_path / name)
    before = contents(tmp_path)
    module, function = {
        "write": WRITERS[export],
        "verify": (pipeline, "compare"),
        "place": (renames, "exchange"),
    }[when]

    def fail(*args, **_):
        if when == "write":
            (tmp_path / "half").mkdir(exist_ok=True)
        raise error

    monkeypatch.setattr(module, function, fail)
    with pytest.raises(type(error) if isinstance(error, OSError) else error):
        export(dense_model(), tmp_path / name, overwrite=True)
    monkeypatch.undo()
    if when == "write":
        (tmp_path / "half").rmdir()
    assert contents(tmp_path) == before
    assert [each.name for each in tmp_path.iterdir()] == [name]


@both
def test_the_current_folder_may_change_meanwhile(export, name, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    report = export(dense_model(), name, progress=lambda _: os.chdir(tmp_path / "there"))
    assert report.path == name
    assert [each.name for each in (tmp_path / "here").iterdir()] == [name]
    assert list((tmp_path / "there").iterdir()) == []


@both
def test_two_exports_to_one_path(export, name, tmp_path):
    """The slower of the two does not take the other's place."""

    def meanwhile(step):
        if step == "place":
            export(dense_model(), tmp_path / name)

    with pytest.raises(FileExistsError, match="already exists"):
        export(dense_model(), tmp_path / name, progress=meanwhile)
    assert [each.name for each in tmp_path.iterdir()] == [name]
    assert kde.audit(tmp_path / name).ok


def test_an_artifact_has_the_permissions_of_any_new_file(tmp_path):
    kde.export_onnx(dense_model(), tmp_path / "m.onnx")
    kde.export_saved_model(dense_model(), tmp_path / "m")
    (tmp_path / "plain").write_text("")
    (tmp_path / "folder").mkdir()
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}
    assert modes["m.onnx"] == modes["plain"]
    assert modes["m"] == modes["folder"]


FULL = """
import resource, sys
from pathlib import Path
import keras
import keras_dropouts_export as kde
from keras_dropouts_export.cli.model_file import write_verified

model = keras.Sequential([keras.Input((100,)), keras.layers.Dense(1000, name="y")])
home = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
writers = {
    "m": kde.export_saved_model,
    "m.onnx": kde.export_onnx,
    "m.tflite": kde.export_litert,
    "m.xml": kde.export_openvino,
    "m.keras": lambda model, path, overwrite: write_verified(model, model, path, overwrite),
}
for name, write in writers.items():
    try:
        write(model, home / name, overwrite=True)
    except OSError as error:
        print(error)
"""


@pytest.mark.slow
def test_a_disk_that_is_full_is_an_error_that_says_so_and_what_was_there_stays(tmp_path):
    """A limit on the size of files stands for it, as the kernel answers at the same place."""
    (tmp_path / "m.onnx").write_text("before")
    command = [sys.executable, "-c", FULL, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 5, done.stdout
    for line, name in zip(lines, ("m", "m.onnx", "m.tflite", "m.xml", "m.keras"), strict=True):
        assert f"Nothing was written at '{tmp_path / name}': File too large" in line
    assert contents(tmp_path) == {"m.onnx": b"before"}
