"""An audit names what a runtime refuses of a file or computes wrongly, as the runtime shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import pytest
from keras import layers
from onnx.reference import ReferenceEvaluator

import keras_dropouts_export as kde
from keras_dropouts_export.formats.onnx.runtime_limits import RUNTIMES
from keras_dropouts_export.formats.openvino.openvino_runtime import openvino

Arrays = dict[str, np.ndarray]


def _dense() -> keras.Model:
    rows = [keras.Input((6,), name="x"), layers.Dense(8), layers.Dropout(0.5)]
    return keras.Sequential([*rows, layers.Dense(3, name="y")])


def _masked() -> keras.Model:
    words = keras.Input((None,), dtype="int32", name="words")
    x = layers.LSTM(5)(layers.Embedding(50, 4, mask_zero=True)(words))
    return keras.Model(words, layers.Dense(3, name="y")(x))


def _in_openvino(path: Path) -> Any:
    hints = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino().Core().compile_model(str(path), "CPU", hints)
    names = [port.get_any_name() for port in compiled.outputs]
    return lambda x: {name: compiled(x)[name] for name in names}


def _in_reference(path: Path) -> Any:
    evaluator = ReferenceEvaluator(onnx.load(path))
    names = evaluator.output_names
    return lambda x: dict(zip(names, evaluator.run(None, x), strict=True))


RUN = {"openvino": _in_openvino, "onnx-reference": _in_reference}
FILES = {
    "plain": (_dense, {}),
    "samples": (_dense, {"samples": 3}),
    "masked": (_masked, {}),
}


@pytest.mark.parametrize("runtime", RUN)
@pytest.mark.parametrize("name", FILES)
def test_the_verdict_is_what_the_runtime_does(name: str, runtime: str, tmp_path: Path) -> None:
    make, options = FILES[name]
    path = tmp_path / "m.onnx"
    kde.export_onnx(make(), path, **options)
    try:
        right = bool(kde.self_test(path, RUN[runtime](path)))
    except RuntimeError:  # OpenVINO does not load it
        right = False
    report = kde.audit(path, runtime=runtime)
    assert report.ok == right
    assert report.runtime == runtime
    assert bool(report.runtime_ops) != right
    assert kde.audit(path).ok


def test_the_report_says_which_operation_and_what_happens(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    kde.export_onnx(_dense(), path, samples=3)
    report = kde.audit(path, runtime="openvino")
    text = str(report)
    assert "limits of openvino: 1" in text
    assert "in the main graph: is wrong without a word: OpenVINO computes it in int32" in text
    assert "OpenVINO 2026.4.1" in text
    found = json.loads(report.to_json())
    assert found["ok"] is False
    assert found["runtime"] == "openvino"
    assert found["runtime_ops"][0]["finding"]["op"] == "Cast"
    assert kde.audit(path, ["Cast"], runtime="openvino").ok
    for runtime in ("onnxruntime", "onnxruntime-node", "onnxruntime-web-wasm"):
        good = kde.audit(path, runtime=runtime)
        assert good.ok
        assert f"limits of {runtime}: none known" in str(good)


def test_operations_inside_a_loop_are_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    kde.export_onnx(_masked(), path)
    (found,) = kde.audit(path, runtime="opencv").runtime_ops
    assert found.op == "Loop"
    assert "may be wrong without a word, or end the process" in str(found)
    assert [each.op for each in kde.audit(path, runtime="tract-fixed-shapes").runtime_ops] == [
        "Loop"
    ]


def test_float16_needs_an_adapter_that_has_it(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    x = keras.Input((4,), name="x", dtype="float16")
    kde.export_onnx(keras.Model(x, layers.Dense(2, name="y", dtype="float16")(x)), path)
    (found,) = kde.audit(path, runtime="onnxruntime-web-webgpu").runtime_ops
    assert found.op == "MatMul"
    assert "shader-f16" in found.reason


@pytest.mark.parametrize("runtime", ["OpenVINO", "", 3, ["openvino"]])
def test_a_runtime_that_is_not_known_is_an_error_with_all_that_are(
    runtime: Any, tmp_path: Path
) -> None:
    path = tmp_path / "m.onnx"
    kde.export_onnx(_dense(), path)
    with pytest.raises(ValueError, match=r"`runtime`\. Expected None, or one of") as caught:
        kde.audit(path, runtime=runtime)
    assert all(repr(name) in str(caught.value) for name in RUNTIMES)


def test_another_format_has_no_limits_of_runtimes(tmp_path: Path) -> None:
    kde.export_litert(_dense(), tmp_path / "m.tflite")
    message = r"`runtime`\. Expected None for a .tflite file"
    with pytest.raises(ValueError, match=message):
        kde.audit(tmp_path / "m.tflite", runtime="openvino")
