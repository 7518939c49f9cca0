"""Tests of the one error for a Keras that lacks a private part, and of what is found where."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
import pytest

import keras_dropouts as kd
from keras_dropouts.keras_internals import padding_masks, versions
from keras_dropouts.keras_internals.graphs import graph_of, nodes_in_order
from keras_dropouts.keras_internals.layers import parts
from keras_dropouts.keras_internals.patching import replaced_in_thread
from keras_dropouts.keras_internals.versions import TESTED, first_of, private, unsupported


def told(needs: str) -> str:
    """Return the pattern of the error for a Keras of version 9.9.0 that lacks something."""
    oldest, newest = TESTED
    return re.escape(
        f"{needs}, which Keras 9.9.0 does not have. keras_dropouts is tested with Keras {oldest} "
        f"to {newest}: install one of these, or a newer keras_dropouts."
    )


@pytest.fixture(autouse=True)
def unknown_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras, "__version__", "9.9.0")


def model() -> keras.Model:
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), kd.ScheduledDropout(0.5)])


def test_the_error_names_the_function_the_version_and_the_range() -> None:
    with pytest.raises(RuntimeError, match=told("`f` needs `g`")):
        raise unsupported("`f` needs `g`")


def test_an_attribute_that_is_not_there() -> None:
    with pytest.raises(RuntimeError, match=told("`parts` needs `Dense._nothing`")):
        private(keras.layers.Dense(3), "_nothing", "parts")
    with pytest.raises(RuntimeError, match=told("`parts` needs `Layer._nothing`")):
        private(keras.layers.Layer, "_nothing", "parts")


def test_the_first_place_in_which_a_thing_is() -> None:
    places = ("keras.src.nowhere:Layer", "keras.layers:Nothing", "keras.layers:Layer")
    assert first_of("f", *places) is keras.layers.Layer
    with pytest.raises(RuntimeError, match=told("`f` needs `keras.src.nowhere.Layer`")):
        first_of("f", *places[:2])


def test_the_parts_of_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    built = model()
    monkeypatch.delattr(keras.layers.Layer, "_flatten_layers")
    with pytest.raises(RuntimeError, match=told("`parts` needs `Sequential._flatten_layers`")):
        parts(built)
    with pytest.raises(RuntimeError, match=told("`parts` needs `Sequential._flatten_layers`")):
        kd.mc_predict(built, np.ones((2, 4), "float32"), samples=2)


def test_the_graph_of_a_model() -> None:
    built = model()
    graph = graph_of(built)
    object.__delattr__(graph, "_nodes_by_depth")
    expected = "`nodes_in_order` needs `Functional._nodes_by_depth`"
    with pytest.raises(RuntimeError, match=told(expected)):
        nodes_in_order(built)


def test_a_patched_function() -> None:
    expected = told("`replaced_in_thread` needs `Layer._nothing`")
    with (
        pytest.raises(RuntimeError, match=expected),
        replaced_in_thread(keras.layers.Layer, "_nothing", lambda original: original),
    ):
        pass


def test_a_layer_is_not_made_without_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(keras.layers.Layer, "_build_at_init")
    expected = "`build_at_init` needs `ScheduledDropout._build_at_init`"
    with pytest.raises(RuntimeError, match=told(expected)):
        kd.ScheduledDropout(0.5)


@pytest.mark.parametrize("name", ["get_keras_mask", "set_keras_mask"])
def test_a_function_that_moved_is_found(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    masking: Any = importlib.import_module("keras.src.backend.common.masking")
    backend: Any = importlib.import_module("keras.src.backend")
    function = f"{'set_' if name.startswith('set') else ''}padding_mask"

    def found() -> Any:
        return getattr(importlib.reload(padding_masks), f"_{name}")

    original = getattr(masking, name)
    with monkeypatch.context() as patch:
        if hasattr(backend, name):  # up to Keras 3.15
            patch.delattr(backend, name)
        assert found() is original
        patch.delattr(masking, name)
        expected = f"`{function}` needs `keras.src.backend.common.masking.{name}`"
        with pytest.raises(RuntimeError, match=told(expected)):
            found()
    assert found() is original


def test_the_range_is_that_of_the_package() -> None:
    assert isinstance(versions, ModuleType)
    oldest, newest = (tuple(map(int, version.split("."))) for version in TESTED)
    assert oldest < newest


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_a_missing_backend_is_named(backend: str, tmp_path: Path) -> None:
    # A package of the name that is not there: what an interpreter without it does.
    script = f"""
import sys
sys.modules[{backend!r}] = None
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == {backend!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name={backend!r})
del sys.modules[{backend!r}]
sys.meta_path.insert(0, Missing())
import keras_dropouts
"""
    home = Path(kd.__file__).parents[1]
    result = subprocess.run(
        [sys.executable, "-c", script],
        env={"KERAS_BACKEND": backend, "PYTHONPATH": str(home), "PATH": "", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr.rstrip().splitlines()[-1] == (
        f"ModuleNotFoundError: Keras is set to run on the backend {backend!r}, which is not "
        f"installed: run `pip install {backend}`, or set the environment variable KERAS_BACKEND "
        f"to a backend that is, one of tensorflow, jax, torch."
    )
