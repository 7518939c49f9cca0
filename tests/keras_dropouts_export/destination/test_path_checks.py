"""Tests of the path of an artifact: what may go there, and what --overwrite must not take away."""

import os
import socket
import stat

import numpy as np
import onnx
import pytest

from keras_dropouts_export.cli.model_file import KerasFile
from keras_dropouts_export.destination import check_destination
from keras_dropouts_export.formats.onnx.onnx_format import OnnxFormat
from keras_dropouts_export.formats.openvino.openvino_format import OpenVINOFormat
from keras_dropouts_export.formats.saved_model.saved_model_format import SavedModelFormat

FILES = [(OnnxFormat(), "m.onnx"), (OpenVINOFormat(), "m.xml"), (KerasFile(), "m.keras")]
files = pytest.mark.parametrize(("layout", "name"), FILES, ids=["onnx", "openvino", "keras"])


def onnx_file(path, external=None):
    tensor = onnx.numpy_helper.from_array(np.ones(2, np.float32), "w")
    if external:
        onnx.external_data_helper.set_external_data(tensor, external, 0, 8)
    value = onnx.helper.make_tensor_value_info("y", 1, [2])
    node = onnx.helper.make_node("Identity", ["w"], ["y"])
    graph = onnx.helper.make_graph([node], "g", [], [value], [tensor])
    path.write_bytes(onnx.helper.make_model(graph).SerializeToString())


def saved_model(path):
    (path / "variables").mkdir(parents=True)
    (path / "saved_model.pb").write_bytes(b"")
    (path / "variables" / "variables.index").write_bytes(b"")
    (path / "variables" / "variables.data-00000-of-00001").write_bytes(b"")


def refused(path, layout, message, error=ValueError):
    before = sorted(os.listdir(path.parent))
    with pytest.raises(error, match=message):
        check_destination(path, layout, True)
    assert sorted(os.listdir(path.parent)) == before


@files
def test_what_is_no_file_is_never_replaced(layout, name, tmp_path):
    target = tmp_path / name
    os.mkfifo(target)
    refused(target, layout, "It is a fifo, which is never replaced")
    target.unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(target))
        refused(target, layout, "It is a socket, which is never replaced")
    target.unlink()
    (tmp_path / "elsewhere").write_text("precious")
    target.symlink_to(tmp_path / "elsewhere")
    refused(target, layout, "It is a symbolic link, which is never replaced")
    with pytest.raises(FileExistsError):
        check_destination(target, layout, False)
    target.unlink()
    target.symlink_to(tmp_path / "missing")
    refused(target, layout, "It is a symbolic link, which is never replaced")
    target.unlink()
    target.mkdir()
    refused(target, layout, "A folder has that name")


def test_a_device_is_never_replaced(tmp_path):
    (tmp_path / "m.onnx").symlink_to("/dev/null")
    with pytest.raises(ValueError, match="a symbolic link"):
        check_destination(tmp_path / "m.onnx", OnnxFormat(), True)
    with pytest.raises(ValueError, match="It is a device, which is never replaced"):
        check_destination("/dev/null", SavedModelFormat(), True)


@files
def test_a_read_only_file_is_never_replaced(layout, name, tmp_path):
    (tmp_path / name).write_text("precious")
    (tmp_path / name).chmod(0o444)
    refused(tmp_path / name, layout, "that is not read-only", PermissionError)


@pytest.mark.parametrize("inner", ["", "variables", "saved_model.pb"])
def test_a_folder_that_is_read_only_or_holds_what_is(inner, tmp_path):
    saved_model(tmp_path / "m")
    place = tmp_path / "m" / inner
    mode = stat.S_IMODE(place.stat().st_mode)
    place.chmod(mode & 0o555)
    refused(tmp_path / "m", SavedModelFormat(), "that is not read-only", PermissionError)
    place.chmod(mode)
    check_destination(tmp_path / "m", SavedModelFormat(), True)


@pytest.mark.parametrize(
    "foreign",
    [
        "thesis.txt",
        "variables/thesis.txt",
        "assets/thesis.txt",
        "1/saved_model.pb",
        "assets.extra/x",
    ],
)
def test_a_folder_with_foreign_files_stays(foreign, tmp_path):
    saved_model(tmp_path / "m")
    (tmp_path / "m" / foreign).parent.mkdir(exist_ok=True)
    (tmp_path / "m" / foreign).write_text("precious")
    refused(tmp_path / "m", SavedModelFormat(), f"No part of it: .*{foreign.split('/')[0]}")
    assert (tmp_path / "m" / foreign).read_text() == "precious"


def test_a_folder_with_links_stays(tmp_path):
    saved_model(tmp_path / "m")
    (tmp_path / "data").write_text("precious")
    (tmp_path / "m" / "fingerprint.pb").symlink_to(tmp_path / "data")
    refused(tmp_path / "m", SavedModelFormat(), "No part of it")


def test_an_empty_folder_may_be_replaced(tmp_path):
    (tmp_path / "m").mkdir()
    assert check_destination(tmp_path / "m", SavedModelFormat(), True) == tmp_path / "m"


@pytest.mark.parametrize("external", [None, "other.data"])
def test_a_file_of_weights_that_the_onnx_file_does_not_name_stays(external, tmp_path):
    (tmp_path / "m.onnx.data").write_text("precious")
    refused(tmp_path / "m.onnx", OnnxFormat(), r"No part of it: .*m\.onnx\.data")
    onnx_file(tmp_path / "m.onnx", external)
    refused(tmp_path / "m.onnx", OnnxFormat(), r"No part of it: .*m\.onnx\.data")
    (tmp_path / "m.onnx").write_text("damaged")
    refused(tmp_path / "m.onnx", OnnxFormat(), r"No part of it: .*m\.onnx\.data")
    onnx_file(tmp_path / "m.onnx", "m.onnx.data")
    check_destination(tmp_path / "m.onnx", OnnxFormat(), True)


def test_a_bin_file_without_an_xml_file_of_openvino_stays(tmp_path):
    (tmp_path / "m.bin").write_text("precious")
    refused(tmp_path / "m.xml", OpenVINOFormat(), r"No part of it: .*m\.bin")
    (tmp_path / "m.xml").write_text("<page/>")
    refused(tmp_path / "m.xml", OpenVINOFormat(), r"No part of it: .*m\.bin")
    (tmp_path / "m.xml").write_text("<net><layers/></net>")
    check_destination(tmp_path / "m.xml", OpenVINOFormat(), True)


def test_a_relative_path_is_resolved_once(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    target = check_destination("m.onnx", OnnxFormat(), False)
    monkeypatch.chdir(tmp_path / "there")
    assert target == tmp_path / "here" / "m.onnx"


@pytest.mark.parametrize("bad", [".", "..", "/", "m/..", "a\0b.onnx", b"m.onnx", ""])
def test_paths_without_a_name(bad):
    class Bytes:
        def __fspath__(self):
            return bad

    with pytest.raises(ValueError, match=r"argument `path`\. Expected a path"):
        check_destination(Bytes() if isinstance(bad, bytes) else bad, SavedModelFormat(), True)
