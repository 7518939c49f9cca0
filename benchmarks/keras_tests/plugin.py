"""A plugin of pytest that puts the layers and exports of this package into Keras's own tests."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import expectations
import keras
import pytest
from keras.src import layers as keras_layers
from keras.src.testing.test_case import TestCase

import keras_dropouts as kd

RESULTS = Path(os.environ["KERAS_TESTS_RESULTS"])
OURS = {
    "Dropout": kd.ScheduledDropout,
    "SpatialDropout1D": kd.SpatialDropout,
    "SpatialDropout2D": kd.SpatialDropout,
    "SpatialDropout3D": kd.SpatialDropout,
    "GaussianDropout": kd.GaussianDropout,
}

_rows: dict[str, dict[str, Any]] = {}
_now: dict[str, Any] = {}  # the row of the test that runs


def pytest_configure() -> None:
    """Put ours in place, before a test is imported."""
    for name, ours in OURS.items():
        setattr(keras_layers, name, _noted(ours))
    _change_expectations()
    if keras.backend.backend() == "tensorflow":
        _route_exports()


def _noted(layer: Any) -> Any:
    """Return a layer's class that notes that it was made."""
    made = layer.__init__

    def init(self: Any, *arguments: Any, **named: Any) -> None:
        _now["ours"] = True
        made(self, *arguments, **named)

    layer.__init__ = init
    return layer


def _change_expectations() -> None:
    run_layer_test, assert_raises = TestCase.run_layer_test, TestCase.assertRaisesRegex

    def run(self: Any, layer: Any, *arguments: Any, **named: Any) -> Any:
        for name, (value, _) in expectations.ARGUMENTS.items():
            if layer in OURS.values() and named.get(name, value) != value:
                named[name] = value
                _now["changed"].append(f"{name}: {expectations.ARGUMENTS[name][1]}")
        return run_layer_test(self, layer, *arguments, **named)

    def raises(self: Any, kind: Any, text: str, *arguments: Any, **named: Any) -> Any:
        if text in expectations.TEXTS:
            text = expectations.TEXTS[text]
            _now["changed"].append(expectations.WORDS)
        return assert_raises(self, kind, text, *arguments, **named)

    TestCase.run_layer_test, TestCase.assertRaisesRegex = run, raises


def _route_exports() -> None:
    from keras.src.export import onnx, saved_model

    import keras_dropouts_export as kde

    def to_onnx(model: Any, filepath: str, verbose: Any = None, input_signature: Any = None,
                opset_version: int | None = None) -> None:  # fmt: skip
        """Take the arguments of Keras's `export_onnx`, whose files need no suffix."""
        _now["ours"] = True
        path = Path(f"{filepath}.onnx")
        options = {} if opset_version is None else {"opset": opset_version}
        given = _signature(input_signature)
        kde.export_onnx(model, path, input_signature=given, overwrite=True, **options)
        shutil.move(path, filepath)

    def to_saved_model(model: Any, filepath: str, verbose: Any = None,
                       input_signature: Any = None, **named: Any) -> None:  # fmt: skip
        """Take the arguments of Keras's `export_saved_model`."""
        _now["ours"] = True
        given = _signature(input_signature)  # Keras replaces what is there
        kde.export_saved_model(model, filepath, input_signature=given, overwrite=True)

    def export(self: Any, filepath: str, format: str = "tf_saved_model", verbose: Any = None,
               input_signature: Any = None, **named: Any) -> None:  # fmt: skip
        chosen = {"tf_saved_model": to_saved_model, "onnx": to_onnx}[format]
        chosen(self, filepath, input_signature=input_signature)

    onnx.export_onnx, saved_model.export_saved_model = to_onnx, to_saved_model
    keras.Model.export = export


def _signature(given: Any) -> Any:
    """Return as one argument what Keras takes as a list of the model's arguments."""
    if given is None:
        return None
    arguments = list(given)
    return arguments[0] if len(arguments) == 1 else tuple(arguments)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Note which test runs."""
    name = "::".join((item.path.stem, *item.nodeid.split("::")[1:]))
    _now.clear()
    _now.update(test=name, ours=False, changed=[], outcome="passed", said="")
    _rows[item.nodeid] = _now
    yield
    _rows[item.nodeid] = dict(_now)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note how a test ended."""
    if report.outcome != "passed":
        _now["outcome"] = report.outcome
    if report.failed:
        lines = str(report.longrepr).strip().splitlines()
        said = [line[1:].strip() for line in lines if line.startswith("E ")]
        _now["said"] = " ".join(said or lines[-1:])[:400]


def pytest_sessionfinish() -> None:
    """Write what came of the tests."""
    RESULTS.write_text(json.dumps(list(_rows.values())))
