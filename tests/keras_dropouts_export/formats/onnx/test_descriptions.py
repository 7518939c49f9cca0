"""An ONNX file says what it is, in words and in its metadata, and nothing of the tracer is left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import onnx
import onnxruntime
import pytest
from keras import layers

import keras_dropouts as kd
import keras_dropouts_export as kde
from keras_dropouts_export.formats.onnx.graph_edits import subgraphs


def _classifier() -> keras.Model:
    softmax = layers.Dense(3, activation="softmax", name="digit")
    rows = [keras.Input((6,), name="image"), layers.Dense(4), layers.Dropout(0.5), softmax]
    return keras.Sequential(rows, name="reader")


def _texts(path: Path) -> tuple[onnx.ModelProto, dict[str, str]]:
    file = onnx.load(path)
    onnx.checker.check_model(file, full_check=True)
    values = (*file.graph.input, *file.graph.output)
    return file, {each.name: each.doc_string for each in values}


def test_a_plain_file(tmp_path: Path) -> None:
    labels = ["cat", "dog", "bird"]
    kde.export_onnx(_classifier(), tmp_path / "m.onnx", labels=labels)
    file, texts = _texts(tmp_path / "m.onnx")
    assert (file.producer_name, file.producer_version) == ("keras-dropouts", kd.__version__)
    assert file.doc_string == "Keras model 'reader' at inference, without dropout."
    assert texts == {
        "image": "Input 'image' of the model.",
        "digit": "Output 'digit' of the model. Classes along the last axis: cat, dog, bird.",
    }
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    found = session.get_modelmeta().custom_metadata_map["keras_dropouts.labels"]
    assert json.loads(found) == {"digit": labels}


def test_a_file_with_samples(tmp_path: Path) -> None:
    kde.export_onnx(_classifier(), tmp_path / "m.onnx", samples=8, uncertainty=True)
    file, texts = _texts(tmp_path / "m.onnx")
    assert file.doc_string.endswith("at inference, with 8 samples of dropout.")
    assert all(texts.values())
    assert texts["seed"].startswith("A seed for each row, any integer of 64 bits.")
    assert texts["digit_mean"] == "The mean of 8 samples of output 'digit'."
    assert "nats" in texts["digit_mutual_information"]
    kde.export_onnx(
        _classifier(), tmp_path / "m.onnx", 8, reduce=None, fixed_masks=True, overwrite=True
    )
    _, texts = _texts(tmp_path / "m.onnx")
    assert "(batch, samples, ...)" in texts["digit_samples"]
    assert "the first one's seed" in texts["seed"]


def _with_loops() -> keras.Model:
    inputs = keras.Input((None, 4), name="x")
    masked = layers.Masking()(inputs)
    x = layers.Bidirectional(layers.GRU(3, recurrent_dropout=0.2, return_sequences=True))(masked)
    return keras.Model(inputs, layers.Dense(2)(layers.Dropout(0.3)(x)))


@pytest.mark.parametrize("samples", [None, 4])
def test_nothing_of_the_tracer_is_left(samples: Any, tmp_path: Path) -> None:
    kde.export_onnx(_with_loops(), tmp_path / "m.onnx", samples=samples)
    file, _ = _texts(tmp_path / "m.onnx")
    data = (tmp_path / "m.onnx").read_bytes()
    for leftover in (b"__inference", b"unk__", b"StatelessRandom", b"tf2onnx", b"PartitionedCall"):
        place = data.find(leftover)
        assert place < 0 or b"keras_dropouts.versions" in data[place - 200 : place], data[
            max(place - 40, 0) : place + 60
        ]
    assert not any(node.doc_string for graph in subgraphs(file.graph) for node in graph.node)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a", "b"], r"one for each of the 3 classes of output 'digit'"),
        ([1, 2, 3], "a list of strings"),
        ("abc", "a list of strings"),
        ({"letter": ["a", "b", "c"]}, r"names of outputs, which are \['digit'\]"),
    ],
)
def test_wrong_labels(labels: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"`labels`\. Expected .*{message}"):
        kde.export_onnx(_classifier(), tmp_path / "m.onnx", labels=labels)
    assert not list(tmp_path.iterdir())


def test_labels_of_several_outputs(tmp_path: Path) -> None:
    inputs = keras.Input((4,))
    outputs = [layers.Dense(2, name="sex")(inputs), layers.Dense(1, name="age")(inputs)]
    model = keras.Model(inputs, outputs)
    with pytest.raises(ValueError, match=r"`labels`\. Expected a dict by the outputs"):
        kde.export_onnx(model, tmp_path / "m.onnx", labels=["f", "m"])
    kde.export_onnx(model, tmp_path / "m.onnx", labels={"sex": ["f", "m"]})
    _, texts = _texts(tmp_path / "m.onnx")
    assert texts["sex"].endswith("Classes along the last axis: f, m.")
    assert texts["age"] == "Output 'age' of the model."
