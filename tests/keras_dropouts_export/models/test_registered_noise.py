"""Noise of keras_hub and of classes that users made known is stripped, frozen and exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_dropouts as kd
import keras_dropouts_export as kde
from tests.keras_dropouts.surgery import test_register_noise as kinds
from tests.keras_dropouts.surgery.test_always_on import AlwaysOn

registered = kinds.registered


def _x() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(8, 4, 4, 2)).astype("float32")


def _model(layer: Any) -> keras.Model:
    layers = [keras.Input((4, 4, 2)), keras.layers.Dense(4), layer, keras.layers.Flatten()]
    return keras.Sequential([*layers, keras.layers.Dense(2)])


def _never_drops(model: Any, x: np.ndarray) -> None:
    """Check that a model gives in training what it gives at inference."""
    trained = keras.ops.convert_to_numpy(model(x, training=True))
    np.testing.assert_array_equal(trained, keras.ops.convert_to_numpy(model(x, training=False)))


@pytest.mark.parametrize(
    ("kind", "rate", "what"),
    [
        (kinds.DropBlock2D, 0.25, "removed"),
        (kinds.KeepingDropPath, 0.75, "removed"),
        (kinds.VariableDrop, 0.25, "silenced"),
        (kinds.Block, 0.25, "silenced"),
        (kinds.ScaledDrop, 0.25, "silenced"),  # it does more than to drop
    ],
    ids=lambda x: getattr(x, "__name__", x),
)
@pytest.mark.usefixtures("registered")
def test_strip_takes_registered_noise_away(kind: Any, rate: float, what: str) -> None:
    model = _model(kind(rate, name="noise"))
    new = kde.strip_dropout(model)
    (row,) = kde.strip_report(new).rows
    assert (row.path, row.what) == ("noise", what)
    assert row.rate == pytest.approx(0.25)
    assert ("noise" in {layer.name for layer in new.layers}) == (what == "silenced")
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(new(_x())), keras.ops.convert_to_numpy(model(_x()))
    )
    _never_drops(new, _x())
    assert kd.inspect_dropout(model)[0].rate == pytest.approx(0.25)


@pytest.mark.usefixtures("registered")
def test_strip_reaches_registered_noise_inside_wrappers() -> None:
    each = keras.layers.TimeDistributed(kinds.DropBlock2D(0.25, name="noise"), name="each")
    inputs = keras.Input((3, 4, 4, 2))
    model = keras.Model(inputs, keras.layers.Dense(2)(each(inputs)))
    new = kde.strip_dropout(model)
    assert kd.inspect_dropout(new) == ()
    _never_drops(new, np.ones((2, 3, 4, 4, 2), "float32"))


@pytest.mark.usefixtures("registered")
def test_freeze_keeps_registered_noise() -> None:
    new = kde.freeze_dropout(_model(kinds.DropBlock2D(0.25, name="noise")))
    assert [(row.layer, row.rate, row.what) for row in kde.strip_report(new).rows] == [
        ("DropBlock2D", 0.25, "kept")
    ]


@pytest.mark.parametrize("function", [kde.strip_dropout, kde.freeze_dropout, kde.doctor])
def test_what_looks_like_dropout_is_warned_of(function: Any) -> None:
    with pytest.warns(UserWarning, match="look like dropout and are not known") as caught:
        function(_model(kinds.DropBlock2D(0.25)))
    (warning,) = [each for each in caught if "look like dropout" in str(each.message)]
    assert warning.filename == __file__


@pytest.mark.usefixtures("registered")
def test_exports_leave_registered_noise_out_or_sample_it(tmp_path: Path) -> None:
    model = _model(kinds.DropBlock2D(0.25, name="noise"))
    report = kde.export_onnx(model, tmp_path / "plain.onnx")
    assert report.parity.ok
    sampled = kde.export_onnx(model, tmp_path / "sampled.onnx", samples=4)
    assert sampled.parity.ok


def test_doctor_finds_what_is_always_on() -> None:
    report = kde.doctor(_model(AlwaysOn(keras.layers.Dropout(0.5, name="drop"), name="it")))
    assert [(each.path, each.problem) for each in report.findings] == [("it/drop", "trains")]


@pytest.mark.filterwarnings("ignore::UserWarning")  # keras_hub's own, of masks that it drops
@pytest.mark.parametrize("name", ["MiT", "SwinTransformer", "DINOV2", "DINOV3"])
def test_drop_paths_of_keras_hub_are_known(name: str) -> None:
    pytest.importorskip("keras_hub")
    from tests import zoo_hub

    if f"hub_{name}" in zoo_hub.LACKING:
        pytest.skip(f"this keras_hub has no {name}")
    model = zoo_hub.ZOO[f"hub_{name}"]()
    sources = [row for row in kd.inspect_dropout(model) if "DropPath" in row.layer]
    assert any(row.rate > 0.0 for row in sources)
    new = kde.strip_dropout(model)
    assert all(row.rate == 0.0 for row in kd.inspect_dropout(new))
    assert {row.path for row in sources} <= {row.path for row in kde.strip_report(new).rows}
    x = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype("float32")
    x = keras.tree.map_structure(lambda _: x, new.input)
    first, second = (keras.tree.flatten(new(x, training=flag)) for flag in (True, False))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(a), keras.ops.convert_to_numpy(b))
