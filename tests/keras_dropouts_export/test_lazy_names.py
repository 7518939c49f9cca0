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


@pytest.mark.parametrize("name", sorted(kde._MODULES))
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
    assert {name: seen.pop(name) for name in kde._PACKAGES} == dict.fromkeys(
        kde._PACKAGES, "keras_dropouts_export"
    )
    assert seen == kde._MODULES
    assert sorted([*seen, *kde._PACKAGES]) == sorted(kde.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'export_tflite'"):
        _ = kde.export_tflite


def test_no_module_hides_the_function_of_its_name():
    module = importlib.import_module("keras_dropouts_export.doctor")
    assert kde.doctor is module.doctor


@pytest.mark.slow
def test_the_import_after_keras_registers_the_layers_so_that_saved_models_load():
    script = """
import keras
import keras_dropouts_export
print(keras.saving.get_registered_object("keras_dropouts>ScheduledDropout").__name__)
"""
    assert ran(script) == "ScheduledDropout\n"


@pytest.mark.slow
def test_the_first_name_that_needs_keras_registers_the_layers():
    script = """
import sys
import keras_dropouts_export as kde
assert "keras" not in sys.modules
_ = kde.ExportError
import keras
print(keras.saving.get_registered_object("keras_dropouts>ScheduledDropout").__name__)
import keras_dropouts as kd
from keras_dropouts import arguments
from keras_dropouts.noise import row_seeds
print(arguments is sys.modules["keras_dropouts.arguments"], kd.row_seeds is row_seeds.row_seeds)
"""
    assert ran(script) == "ScheduledDropout\nTrue True\n"


def test_the_import_and_that_of_scoring_import_no_keras():
    script = """
import sys
import keras_dropouts_export as kde
print(kde.scoring.__name__)
print([name for name in ("keras", "keras_dropouts", "tensorflow") if name in sys.modules])
"""
    assert ran(script) == "keras_dropouts_export.scoring\n[]\n"


def test_what_is_missing_is_said_when_a_name_that_needs_it_is_used():
    script = """
import sys
find = sys.meta_path[-1].find_spec
class Without:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return None if name == "tensorflow" else find(name, path, target)
sys.meta_path[-1] = Without
import keras_dropouts_export as kde
kde.scoring
try:
    from keras_dropouts_export import export_onnx
except ModuleNotFoundError as error:
    print(error)
"""
    assert ran(script) == (
        "keras_dropouts_export and the command keras-dropouts need tensorflow. "
        "Install what is missing: pip install 'keras-dropouts[export]'\n"
    )


def ran(script):
    """Return what a script prints in a process of its own."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
