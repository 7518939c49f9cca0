"""Tests that public names are found when they are used, and are known to type checkers."""

import ast
import importlib
import inspect
import subprocess
import sys

import pytest

import keras_dropouts_export as kde


def test_dir_shows_the_public_names_only():
    assert dir(kde) == sorted(kde.__all__)


@pytest.mark.parametrize("name", kde.__all__)
def test_each_public_name_is_what_its_module_defines(name):
    public = getattr(kde, name)
    assert not inspect.ismodule(public)
    assert public is getattr(importlib.import_module(public.__module__), name)


def test_type_checkers_see_each_name_in_the_module_that_it_comes_from():
    (block,) = (
        node
        for node in ast.parse(inspect.getsource(kde)).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    seen = {
        alias.name: node.module.removeprefix("keras_dropouts_export.")
        for node in block.body
        for alias in node.names
    }
    assert seen == kde._MODULES
    assert sorted(seen) == sorted(kde.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'export_tflite'"):
        _ = kde.export_tflite


def test_no_module_hides_the_function_of_its_name():
    module = importlib.import_module("keras_dropouts_export.doctor")
    assert kde.doctor is module.doctor


@pytest.mark.slow
def test_the_import_registers_the_layers_so_that_saved_models_load():
    script = """
import keras_dropouts_export
import keras
print(keras.saving.get_registered_object("keras_dropouts>ScheduledDropout").__name__)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "ScheduledDropout\n", done.stderr
