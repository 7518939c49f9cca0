"""The option `--inputs`: an .npz file of inputs that the model is tried with."""

import json

import keras
import numpy as np
import pytest

from command_line import run
from served import data


@pytest.fixture
def saved(tmp_path):
    ids = keras.Input((), dtype="int32", name="ids")
    x = keras.Input((4,), name="x")
    table = keras.layers.Embedding(9, 4)(ids)
    model = keras.Model([ids, x], keras.layers.Dropout(0.5)(table + x))
    model.save(tmp_path / "model.keras")
    return tmp_path / "model.keras"


@pytest.fixture
def inputs(tmp_path):
    path = tmp_path / "inputs.npz"
    np.savez(path, ids=np.array([3, 8, 5, 1]), x=data(4, 4))
    return path


def test_every_command_takes_them(capsys, saved, inputs, tmp_path):
    out = tmp_path / "m.onnx"
    status, text, _ = run(capsys, "export", saved, out, "--inputs", inputs, "--json")
    assert status == 0
    assert {row["batch"] for row in json.loads(text)["parity"]["rows"]} == {1, 2, 4}
    status, text, _ = run(capsys, "verify", saved, out, "--inputs", inputs)
    assert (status, "equal" in text) == (0, True)
    for command in ("strip", "freeze"):
        made = tmp_path / f"{command}.keras"
        status, _, _ = run(capsys, command, saved, made, "--inputs", inputs)
        assert (status, made.exists()) == (0, True)
    status, _, _ = run(capsys, "doctor", saved, "--inputs", inputs)
    assert status == 0


def _missing(path):
    pass


def _text(path):
    path.write_text("ids, x")


def _one_array(path):
    with path.open("wb") as file:
        np.save(file, data(4, 4))


def _objects(path):
    np.savez(path, ids=np.array([None, 1], dtype=object))


def _cut_off(path):
    np.savez(path, ids=np.arange(4), x=data(4, 4))
    path.write_bytes(path.read_bytes()[:200])


def _empty(path):
    np.savez(path)


def _folder(path):
    path.mkdir()


def _growing(path):
    np.savez_compressed(path, ids=np.zeros(2**28 + 1, np.int8), x=data(4, 4))


def _wrong_key(path):
    np.savez(path, ids=np.arange(4), y=data(4, 4))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_missing, "`inputs`. Expected an .npz file of arrays, as numpy.savez writes it, that"),
        (_text, "It cannot be read"),
        (_one_array, "It is an .npy file, of one array"),
        (_objects, "It cannot be read: Object arrays cannot be loaded"),
        (_cut_off, "It cannot be read"),
        (_empty, "It holds no arrays"),
        (_folder, "It is no file"),
        (_growing, "bytes, and would grow to"),
        (_wrong_key, "as a dict with the keys ['ids', 'x']"),
    ],
)
def test_bad_files(capsys, saved, tmp_path, make, message):
    path, out = tmp_path / "bad.npz", tmp_path / "m.onnx"
    make(path)
    status, _, complaint = run(capsys, "export", saved, out, "--inputs", path)
    assert status == 1
    assert message in complaint
    assert "Traceback" not in complaint
    assert not out.exists()
