"""No error of another library reaches a user raw: every stage of an export is made to fail."""

import itertools

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
from keras import layers, ops

import keras_dropouts_export as kde
from keras_dropouts_export.errors import said_by
from keras_dropouts_export.formats.onnx import onnx_file, onnx_writer
from keras_dropouts_export.formats.onnx.tf2onnx import adapter
from keras_dropouts_export.formats.openvino import openvino_writer
from keras_dropouts_export.formats.saved_model import saved_model_runtime
from keras_dropouts_export.layer_names import layer_named_in
from keras_dropouts_export.tracing import freezing
from keras_dropouts_export.tracing.inference_function import inference_function
from runtimes import answers
from served import data, dense_model

EXPORTS = {
    "m.onnx": kde.export_onnx,
    "m": kde.export_saved_model,
    "m.tflite": kde.export_litert,
    "m.xml": kde.export_openvino,
}
_NODE = "Cannot do it {{node small_1/hidden_1/MatMul}}"
# Where a stage calls another library, what that library raises, and for which artifacts.
STAGES = {
    "freeze": (freezing, "convert_variables_to_constants_v2", ("m.onnx",)),
    "tf2onnx": (adapter.tf2onnx.convert, "from_function", ("m.onnx",)),
    "lift": (onnx.version_converter, "convert_version", ("m.onnx",)),
    "onnx names": (onnx_writer, "name_interface", ("m.onnx",)),
    "onnx write": (onnx_writer, "write", ("m.onnx",)),
    "onnx read": (onnx_file, "_without_weights", ("m.onnx",)),
    "onnxruntime": (onnxruntime, "InferenceSession", ("m.onnx",)),
    "saved_model save": (tf.saved_model, "save", ("m", "m.tflite", "m.xml")),
    "saved_model load": (tf.saved_model, "load", ("m",)),
    "litert": (tf.lite.TFLiteConverter, "from_saved_model", ("m.tflite",)),
    "openvino": (openvino_writer, "_named", ("m.xml",)),
}
RAISED = {
    "of TensorFlow": tf.errors.InvalidArgumentError(None, None, _NODE),
    "a value": ValueError(_NODE),
    "a key": KeyError("small_1/hidden_1/MatMul"),
    "an assertion": AssertionError(_NODE),
    "of the runtime": RuntimeError(_NODE),
}


# Every stage with one kind of error, and one stage with every kind.
_CASES = [
    (stage, name, kind)
    for (stage, (_, _, names)), kind in zip(STAGES.items(), itertools.cycle(RAISED))
    for name in names
]


@pytest.mark.parametrize(
    ("stage", "name", "raised"), [*_CASES, *(("onnx names", "m.onnx", kind) for kind in RAISED)]
)
def test_each_stage(stage, name, raised, tmp_path, monkeypatch):
    owner, function, _ = STAGES[stage]

    def fail(*args, **kwargs):
        raise RAISED[raised]

    monkeypatch.setattr(owner, function, fail)
    options = {"opset": 21} if stage == "lift" else {}
    with pytest.raises(kde.ExportError) as error:
        EXPORTS[name](dense_model(), tmp_path / name, **options)
    assert "hidden" in str(error.value)
    assert list(tmp_path.iterdir()) == []


class CTC(layers.Layer):
    """Adds the loss that a model for handwriting is trained with."""

    def call(self, labels, predicted):
        ones = ops.ones((ops.shape(labels)[0],), "int32")
        lengths = [ops.cast(ops.shape(x)[1], "int32") * ones for x in (labels, predicted)]
        self.add_loss(ops.mean(ops.ctc_loss(labels, predicted, *lengths)))
        return predicted


def handwriting():
    image = keras.Input((20, 8), name="image")
    labels = keras.Input((None,), dtype="int32", name="labels")
    x = layers.Bidirectional(layers.LSTM(4, return_sequences=True, dropout=0.2))(image)
    x = layers.Dense(11, activation="softmax")(x)
    return keras.Model([image, labels], CTC(name="ctc")(labels, x))


@pytest.mark.parametrize("name", EXPORTS)
def test_a_loss_by_add_loss_is_left_out(name, tmp_path):
    model = handwriting()
    report = EXPORTS[name](model, tmp_path / name)
    assert [each.name for each in report.outputs] == ["ctc"]
    if name in ("m.onnx", "m"):
        # Labels with which the loss itself could not be computed.
        inputs = {"image": data(3, 20, 8), "labels": np.full((3, 2), 99, "int32")}
        got = answers(report.path, inputs)["ctc"]
        labels = np.ones((3, 2), "int32")
        np.testing.assert_allclose(got, model([inputs["image"], labels]), atol=1e-5, rtol=1e-4)
    else:
        assert kde.verify(model, report.path).ok


def test_the_loss_is_not_in_the_traced_function():
    model = handwriting()
    kinds = [each.type for each in inference_function(model).concrete.graph.get_operations()]
    assert kinds.count("While") == 2  # of the two LSTM; the loss has two more
    assert kde.doctor(model).findings


def test_a_write_beside_a_loss_is_still_found(tmp_path):
    class Counts(layers.Layer):
        def build(self, shape):
            self.count = self.add_weight(shape=(), initializer="zeros", trainable=False)

        def call(self, inputs):
            self.count.assign_add(1.0)
            return inputs

    image, labels = keras.Input((20, 11)), keras.Input((4,), dtype="int32")
    model = keras.Model([image, labels], CTC()(labels, Counts(name="counts")(image)))
    with pytest.raises(kde.ExportError, match=r"AssignVariableOp 'functional.*counts"):
        kde.export_saved_model(model, tmp_path / "m")


def test_samples_without_the_loss(tmp_path):
    report = kde.export_onnx(handwriting(), tmp_path / "m.onnx", samples=3)
    assert [each.name for each in report.outputs] == ["ctc_mean", "ctc_std"]


def test_verify_of_an_artifact_that_does_not_run(tmp_path, monkeypatch):
    model = dense_model()
    kde.export_saved_model(model, tmp_path / "m")
    monkeypatch.setattr(
        saved_model_runtime.tf, "constant", lambda *_, **__: tf.zeros((3, 9)), raising=True
    )
    with pytest.raises(ValueError, match="a SavedModel that TensorFlow runs"):
        saved_model_runtime.signature_run(tmp_path / "m", inference_function(model))(
            {"features": 0}
        )


@pytest.mark.parametrize(
    ("text", "layer"),
    [
        ("at {{node images_1/first_1/BiasAdd}} here", "first"),
        ("at {{function_node f}}{{node images/inner_2/first/BiasAdd}}", "inner/first"),
        ("Node: 'images/first/BiasAdd' failed", "first"),
        ("running Conv node. Name:'images/first/Conv2D' Status", "first"),
        ("in 'images_3/first_3/Conv2D'", "first"),
        ("in other/first/Conv2D and 'a/b'", ""),
        ("nothing", ""),
    ],
)
def test_the_layer_in_a_message(text, layer):
    assert layer_named_in(text, "images") == layer


def test_what_an_error_says():
    assert said_by(KeyError("x")) == "KeyError 'x'"
    assert said_by(ValueError()) == "ValueError"
    assert said_by(ValueError("\x1b[1mbold\x1b[0m\n  and more")) == "bold and more"
    assert len(said_by(ValueError("a b" * 5000))) < 700
    assert said_by(ValueError("a list [[1, 2], [3]] and {x}")) == "a list [[1, 2], [3]] and {x}"
    called = "calling A.call().\n\nNo such size.\n\nArguments received by A.call():\n  • x=1"
    assert said_by(ValueError(called)) == "calling A.call(). No such size."


def test_the_last_problem_of_sizes_is_told_without_the_insides_of_tensorflow(tmp_path):
    """Where no size is taken, the error says what is wrong and not where libraries made it."""
    image, mask = keras.Input((9, 9, 2)), keras.Input((None, None, 2))
    joined = layers.Concatenate()([image, layers.AveragePooling2D(4)(mask)])
    model = keras.Model([image, mask], joined)
    tried = r"took none of the inputs.*The last problem"
    with pytest.raises(kde.ExportError, match=tried) as raised:
        kde.export_onnx(model, tmp_path / "m.onnx")
    said = str(raised.value)
    assert "Dimension 1 in both shapes must be equal" in said
    for inside in ("File ", "Detected at node", "{{", "[Op:", "Graph execution error"):
        assert inside not in said, said
    assert "\n" not in said
