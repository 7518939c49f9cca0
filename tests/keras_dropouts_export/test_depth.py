"""Tests of how many functions of this package lie between an export and the written file."""

import inspect
from pathlib import Path

import pytest
import tensorflow as tf

import keras_dropouts_export as kde
from keras_dropouts_export.formats.onnx import onnx_writer
from served import dense_model

HOME = Path(inspect.getfile(kde)).parent
WRITERS = {"m.onnx": (onnx_writer, "write"), "m": (tf.saved_model, "save")}


@pytest.mark.parametrize("samples", [None, 2])
@pytest.mark.parametrize(
    ("export", "name"), [(kde.export_onnx, "m.onnx"), (kde.export_saved_model, "m")]
)
def test_four_functions_of_ours_lead_to_the_file(export, name, samples, tmp_path, monkeypatch):
    module, function = WRITERS[name]
    write, seen = getattr(module, function), []

    def noted(*args, **kwargs):
        files = [(Path(each.filename), each.function) for each in inspect.stack()]
        seen.append([called for file, called in files if file.is_relative_to(HOME)][::-1])
        return write(*args, **kwargs)

    monkeypatch.setattr(module, function, noted)
    export(dense_model(), tmp_path / name, samples)
    assert len(seen) == 1
    assert seen[0][0] == export.__name__
    assert len(seen[0]) <= 4, seen[0]
