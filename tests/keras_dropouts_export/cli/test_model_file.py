"""Model files that are hostile: no file at all, and archives that grow without bound."""

import json
import os
import zipfile

import keras
import numpy as np
import pytest

from keras_dropouts_export.cli.archive_limits import check_archive
from keras_dropouts_export.cli.model_file import read_model


def saved(tmp_path):
    path = tmp_path / "m.keras"
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="y")]).save(path)
    return path


def rewritten(path, name, content):
    """Put one file of an archive anew, deflated."""
    with zipfile.ZipFile(path) as old:
        members = {each: old.read(each) for each in old.namelist()}
    members[name] = content
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as new:
        for each, data in members.items():
            new.writestr(each, data)


def test_a_fifo_is_no_model(tmp_path):
    os.mkfifo(tmp_path / "m.keras")
    with pytest.raises(ValueError, match=r"argument `model`\. Expected a \.keras file"):
        read_model(tmp_path / "m.keras")


@pytest.mark.parametrize("name", ["model.weights.h5", "assets/large"])
def test_an_archive_that_grows_without_bound(name, tmp_path):
    path = saved(tmp_path)
    rewritten(path, name, bytes(2**28 + 1))
    with pytest.raises(ValueError, match=r"argument `model`.*when it is unpacked.*would grow to"):
        read_model(path)


def test_a_configuration_that_grows_without_bound(tmp_path):
    path = saved(tmp_path)
    rewritten(path, "config.json", b" " * (2**26 + 1))
    with pytest.raises(ValueError, match=r"argument `model`.*whose config\.json has at most"):
        read_model(path)


def test_arrays_that_grow_without_bound(tmp_path):
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros(2**28 + 1, np.int8))
    with pytest.raises(ValueError, match=r"argument `inputs`.*would grow to"):
        check_archive(tmp_path / "x.npz", "inputs")
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros(1000))
    check_archive(tmp_path / "x.npz", "inputs")
    (tmp_path / "x.npz").write_text("no archive")
    check_archive(tmp_path / "x.npz", "inputs")


def test_a_model_of_a_large_size_in_a_small_file_fills_no_memory(tmp_path):
    path = saved(tmp_path)
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    dense = config["config"]["layers"][1]
    dense["config"]["units"] = 2**31
    rewritten(path, "config.json", json.dumps(config).encode())
    with pytest.raises(ValueError, match=r"a whole \.keras file of known layers"):
        read_model(path)


def test_a_compressed_model_of_zeros_is_read(tmp_path):
    path = tmp_path / "m.keras"
    layers = [keras.Input((4,)), keras.layers.Dense(1000, kernel_initializer="zeros")]
    keras.Sequential(layers).save(path)
    with zipfile.ZipFile(path) as archive:
        weights = archive.read("model.weights.h5")
    rewritten(path, "model.weights.h5", weights)
    assert read_model(path).count_params() == 5000
