"""Tests of renames: after each one an artifact is whole, and an error or a kill loses nothing."""

import os
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from keras_dropouts_export.cli.model_file import KerasFile
from keras_dropouts_export.destination import journal, placing, put_in_place, recover, renames
from keras_dropouts_export.formats.onnx.onnx_format import OnnxFormat
from keras_dropouts_export.formats.saved_model.saved_model_format import SavedModelFormat


def make_onnx(path, value, apart):
    """Write an ONNX file whose only weight is `value`, in a second file or not."""
    weight = np.full(1000, value, np.float32)
    tensor = onnx.numpy_helper.from_array(weight, "w")
    output = onnx.helper.make_tensor_value_info("y", 1, [1000])
    node = onnx.helper.make_node("Identity", ["w"], ["y"])
    graph = onnx.helper.make_graph([node], "g", [], [output], [tensor])
    model = onnx.helper.make_model(graph)
    location = f"{path.name}.data"
    onnx.save(model, str(path), save_as_external_data=apart, location=location, size_threshold=0)


def read_onnx(path):
    values = onnx.numpy_helper.to_array(onnx.load(str(path)).graph.initializer[0])
    assert len(set(values.tolist())) == 1
    return values[0]


def make_folder(path, value):
    (path / "variables").mkdir(parents=True)
    (path / "saved_model.pb").write_text(str(value))
    (path / "variables" / "variables.index").write_text(str(value))


def read_folder(path):
    texts = {each.read_text() for each in path.rglob("*") if each.is_file()}
    assert len(texts) == 1
    return float(texts.pop())


def make_keras(path, value):
    path.write_text(str(value))


def read_keras(path):
    return float(path.read_text())


def onnx_maker(apart):
    return lambda path, value: make_onnx(path, value, apart)


CASES = {
    "file": (KerasFile(), "m.keras", make_keras, make_keras, read_keras),
    "folder": (SavedModelFormat(), "m", make_folder, make_folder, read_folder),
    "one to two": (OnnxFormat(), "m.onnx", onnx_maker(False), onnx_maker(True), read_onnx),
    "two to one": (OnnxFormat(), "m.onnx", onnx_maker(True), onnx_maker(False), read_onnx),
    "two to two": (OnnxFormat(), "m.onnx", onnx_maker(True), onnx_maker(True), read_onnx),
}
STEPS = ("replace", "rename_new", "exchange", "second_name")


class Stopped(BaseException):
    """Stands for SIGKILL: what would clean up is switched off with it."""


@pytest.fixture(params=CASES)
def case(request, tmp_path):
    layout, name, make_old, make_new, read = CASES[request.param]
    target, work = tmp_path / name, tmp_path / f".{name}.abcdefgh.export"
    work.mkdir()
    (work / "owner").write_text("1")
    make_old(target, 1.0)
    make_new(work / name, 2.0)
    return layout, target, work / name, read


@pytest.fixture(params=["with the system call", "without it"])
def system_call(request, monkeypatch):
    if request.param == "without it":
        monkeypatch.setattr(renames, "_system_call", lambda: None)
    return request.param == "with the system call"


def stopping(monkeypatch, number, before, killed):
    """Raise at rename `number`, before or after it; where `killed`, nothing is undone."""
    calls = []

    def wrap(original):
        def step(*arguments):
            calls.append(original.__name__)
            mine = len(calls)
            if mine == number and before:
                raise Stopped
            found = original(*arguments)
            if mine == number and not before:
                raise Stopped
            return found

        return step

    for name in STEPS:
        monkeypatch.setattr(renames, name, wrap(getattr(renames, name)))
    if killed:
        monkeypatch.setattr(placing, "_undone", lambda _: None)
        monkeypatch.setattr(journal, "forget", lambda _: None)
        monkeypatch.setattr(placing, "_in_two_steps", _two_steps)
    return calls


def _two_steps(source, final):
    renames.replace(final, source.with_name("before"))
    renames.replace(source, final)
    return (source, final)


def test_the_new_artifact_is_in_place(case, system_call):
    layout, target, made, read = case
    put_in_place(made, target, layout, overwrite=True)
    assert read(target) == 2.0
    shutil.rmtree(made.parent)
    assert read(target) == 2.0
    assert_nothing_else_is_there(layout, target)
    assert layout.foreign(target) == ()


def stopped_at_each_rename(case, monkeypatch, before, killed):
    """Put the artifact in place again and again, stopped at each rename in turn.

    Yields (the number of the rename, the calls so far) after each, from the same files each time.
    """
    layout, target, made, _ = case
    backup = target.parent.with_name(f"{target.parent.name} backup")
    shutil.copytree(target.parent, backup, copy_function=shutil.copy2)
    number = 0
    while True:
        number += 1
        _again(backup, target.parent)
        with monkeypatch.context() as patched:
            calls = stopping(patched, number, before, killed)
            try:
                put_in_place(made, target, layout, overwrite=True)
            except Stopped:
                pass
            else:
                break
        yield number, calls
    assert number > 1


def _again(backup, folder):
    """Fill a folder with what the backup holds."""
    for each in list(folder.iterdir()):
        shutil.rmtree(each) if each.is_dir() else each.unlink()
    shutil.copytree(backup, folder, dirs_exist_ok=True)


def assert_nothing_else_is_there(layout, target):
    wanted = {each.name for each in layout.files(target) if each.exists()}
    assert {each.name for each in target.parent.iterdir()} == wanted


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_killed_at_each_rename(case, system_call, before, monkeypatch):
    layout, target, _, read = case
    for number, calls in stopped_at_each_rename(case, monkeypatch, before, killed=True):
        two_steps = target.is_dir() is False and layout.is_folder
        assert not (two_steps and system_call)
        if not two_steps:
            assert read(target) in (1.0, 2.0), (number, calls)
        with pytest.warns(UserWarning, match="was killed before it ended"):
            recover(target)
        assert read(target) in (1.0, 2.0), (number, calls)
        assert_nothing_else_is_there(layout, target)
        assert not layout.foreign(target)


def test_an_error_at_each_rename_brings_back_what_was_there(case, system_call, monkeypatch):
    layout, target, made, read = case
    for _ in stopped_at_each_rename(case, monkeypatch, before=True, killed=False):
        shutil.rmtree(made.parent)
        assert read(target) == 1.0
        assert_nothing_else_is_there(layout, target)


def test_an_artifact_that_came_meanwhile_stays(case, system_call):
    layout, target, made, read = case
    with pytest.raises(FileExistsError, match="already exists"):
        put_in_place(made, target, layout, overwrite=False)
    assert read(target) == 1.0


def test_a_rename_to_a_path_where_something_is(tmp_path, system_call):
    for make in (Path.touch, Path.mkdir):
        one, other = tmp_path / "one", tmp_path / "other"
        make(one)
        make(other)
        with pytest.raises(FileExistsError):
            renames.rename_new(one, other)
        for each in (one, other):
            each.rmdir() if each.is_dir() else each.unlink()


def test_an_exchange_of_what_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        renames.exchange(tmp_path / "one", tmp_path / "other")


def test_a_file_system_without_links_copies(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "one").write_text("x")
    renames.second_name(tmp_path / "one", tmp_path / "other")
    assert (tmp_path / "other").read_text() == "x"
    with pytest.raises(FileExistsError):
        renames.second_name(tmp_path / "one", tmp_path / "other")


def test_what_somebody_put_there_after_a_kill_stays(tmp_path, monkeypatch):
    """The note of a killed export is not followed where others have been at the path since."""
    layout, name, make_old, make_new, read = CASES["two to two"]
    target, work = tmp_path / name, tmp_path / f".{name}.abcdefgh.export"
    work.mkdir()
    (work / "owner").write_text("1")
    make_old(target, 1.0)
    make_new(work / name, 2.0)
    with monkeypatch.context() as patched:
        stopping(patched, 3, before=True, killed=True)
        with pytest.raises(Stopped):
            put_in_place(work / name, target, layout, overwrite=True)
    for each in layout.files(target):
        each.unlink()
    make_onnx(target, 3.0, apart=True)
    with pytest.warns(UserWarning, match="was killed"):
        recover(target)
    assert read(target) == 3.0
