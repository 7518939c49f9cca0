"""An ONNX file carries a self-test, which finds a runtime that answers wrongly."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from keras import layers
from onnx.reference import ReferenceEvaluator

import keras_dropouts as kd
import keras_dropouts_export as kde
from keras_dropouts_export.checks.self_test import values_of

Run = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]


def _onnxruntime(path: Path) -> Run:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(names, inputs), strict=True))


def _reference(path: Path) -> Run:
    evaluator = ReferenceEvaluator(onnx.load(path))
    return lambda inputs: dict(
        zip(evaluator.output_names, evaluator.run(None, inputs), strict=True)
    )


def _openvino(path: Path) -> Run:
    from keras_dropouts_export.formats.openvino.openvino_runtime import openvino

    hints = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino().Core().compile_model(str(path), "CPU", hints)
    ports = {port.get_any_name(): port for port in compiled.outputs}
    return lambda inputs: {name: compiled(inputs)[port] for name, port in ports.items()}


def _dense() -> keras.Model:
    rows = [keras.Input((6,), name="x"), layers.Dense(40), layers.Dropout(0.5)]
    return keras.Sequential([*rows, layers.Dense(3, name="y")])


def _tokens() -> keras.Model:
    words, more = keras.Input((None,), dtype="int32", name="words"), keras.Input((2,), name="more")
    x = layers.LSTM(5)(layers.Embedding(50, 4, mask_zero=True)(words))
    x = layers.Dropout(0.4)(layers.Concatenate()([x, more]))
    return keras.Model({"words": words, "more": more}, {"y": layers.Dense(3, name="y")(x)})


def _image() -> keras.Model:
    inputs = keras.Input((None, None, 3), name="x")
    x = kd.SpatialDropout(0.3)(layers.Conv2D(8, 3)(inputs))
    return keras.Model(inputs, [x, layers.Dense(2, name="y")(layers.GlobalAveragePooling2D()(x))])


def _logarithm() -> keras.Model:
    inputs = keras.Input((4,), name="x")
    return keras.Model(
        inputs, layers.Dense(2, name="y")(layers.Dropout(0.5)(keras.ops.log(inputs)))
    )


MODELS = {"dense": _dense, "tokens": _tokens, "image": _image, "logarithm": _logarithm}


@pytest.mark.parametrize(
    "options", [{}, {"samples": 3}, {"samples": 3, "fixed_masks": True}], ids=str
)
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_runtimes_that_are_right_pass(make: Any, options: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    kde.export_onnx(make(), path, **options)
    # The reference evaluator of onnx does not run the Loop of a masked recurrent layer.
    for runtime in (_onnxruntime,) if make is _tokens else (_onnxruntime, _reference):
        report = kde.self_test(path, runtime(path))
        assert report, str(report)
        assert report.ok
        assert json.loads(report.to_json())["ok"]
        assert max(row.max_abs_error for row in report.rows) < 1e-4


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_a_runtime_that_is_silently_wrong_fails(make: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    kde.export_onnx(make(), path, samples=3, reduce=None)
    right = _onnxruntime(path)

    def other_seed(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return right({**inputs, "seed": inputs["seed"] & 0x7FFFFFFF})  # as of 32 bits

    def one_mask(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        answers = right(inputs)
        name = min(answers)
        changed = answers[name].copy()
        changed.reshape(len(changed), 3, -1)[-1, -1] *= 1.5  # of the last row, the last sample
        return {**answers, name: changed}

    for wrong in (other_seed, one_mask):
        report = kde.self_test(path, wrong)
        assert not report.ok, wrong.__name__
        assert "FAILED" in str(report)


def test_openvino_computes_the_masks_wrongly_and_is_found(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    kde.export_onnx(_dense(), path)
    assert kde.self_test(path, _openvino(path))
    kde.export_onnx(_dense(), path, samples=8, overwrite=True)
    assert not kde.self_test(path, _openvino(path))


@pytest.mark.parametrize("chosen", [False, True])
def test_seeds_need_more_than_32_bits_and_are_exact_in_doubles(
    chosen: bool, tmp_path: Path
) -> None:
    path = tmp_path / "m.onnx"
    rows = {"sample_inputs": np.full((3, 6), 0.3, "float32")} if chosen else {}
    kde.export_onnx(_dense(), path, samples=3, reduce=None, **rows)
    properties = {each.key: each.value for each in onnx.load(path).metadata_props}
    seeds = json.loads(properties["keras_dropouts.self_test"])["inputs"]["seed"]["values"]
    assert seeds[:2] == [2**40 + 5, -3][: len(seeds)]
    assert all(int(float(seed)) == seed for seed in seeds)
    right = _onnxruntime(path)
    for bits in (0xFFFFFFFF, 0x7FFFFFFF):
        wrong = kde.self_test(path, lambda x, bits=bits: right({**x, "seed": x["seed"] & bits}))
        assert not wrong.ok


def test_the_formula_of_the_docs(tmp_path: Path) -> None:
    found = values_of({"dtype": "float32", "shape": [2, 3], "offset": -0.5})
    assert found.dtype == np.float32
    wanted = [(i * 40503 % 65536) / 65536 - 0.5 for i in range(6)]
    assert found.reshape(-1).tolist() == wanted  # exact in float32


def test_a_test_is_small(tmp_path: Path) -> None:
    inputs = keras.Input((96, 96, 3), name="x")
    kde.export_onnx(keras.Model(inputs, layers.Conv2D(4, 3)(inputs)), tmp_path / "m.onnx")
    properties = {each.key: each.value for each in onnx.load(tmp_path / "m.onnx").metadata_props}
    assert len(properties["keras_dropouts.self_test"]) < 20_000


def test_chosen_inputs_are_those_of_the_test(tmp_path: Path) -> None:
    x = np.full((5, 6), 0.3, "float32")
    kde.export_onnx(_dense(), tmp_path / "m.onnx", sample_inputs=x)
    seen: list[Any] = []

    def run(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        seen.append(inputs["x"])
        return _onnxruntime(tmp_path / "m.onnx")(inputs)

    assert kde.self_test(tmp_path / "m.onnx", run)
    np.testing.assert_array_equal(seen[0], x[: len(seen[0])])


def test_what_cannot_be_tested(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    kde.export_onnx(_dense(), path, samples=2, rng="native")
    with pytest.raises(ValueError, match=r"`path`\. Expected an .onnx file that holds a self-test"):
        kde.self_test(path, _onnxruntime(path))
    kde.export_onnx(_dense(), path, overwrite=True)
    with pytest.raises(ValueError, match=r"`run`\. Expected a function from a dict"):
        kde.self_test(path, "run")
    with pytest.raises(ValueError, match=r"`run`\. Expected a function that returns the outputs"):
        kde.self_test(path, lambda inputs: {})
    report = kde.self_test(path, lambda inputs: {"y": np.zeros((1, 3), "float32")})
    assert not report.ok
    with pytest.raises((ValueError, FileNotFoundError), match=r"missing\.onnx"):
        kde.self_test(tmp_path / "missing.onnx", _onnxruntime(path))


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"inputs": {"x": {}}, "outputs": {}}', '{"inputs": 3}']
)
def test_a_damaged_test_is_one_sentence(text: str, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    kde.export_onnx(_dense(), path)
    file = onnx.load(path)
    properties = {each.key: each.value for each in file.metadata_props}
    onnx.helper.set_model_props(file, {**properties, "keras_dropouts.self_test": text})
    onnx.save(file, path)
    with pytest.raises(ValueError, match="self-test"):
        kde.self_test(path, lambda inputs: {})
