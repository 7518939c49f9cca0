"""Checks where the private parts of Keras and the backends may be used, and how long files are."""

from __future__ import annotations

import ast
import functools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_dropouts_export import formats

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "keras_dropouts"
EXPORT = ROOT / "export" / "keras_dropouts_export"
INTERNALS = PACKAGE / "keras_internals"
BACKENDS = PACKAGE / "backends"
FILES = sorted(path for folder in (PACKAGE, EXPORT) for path in folder.rglob("*.py"))
OUTSIDE = [path for path in FILES if INTERNALS not in path.parents]

LONGEST_FILE = 250
LONGEST_FUNCTION = 50


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _dotted(node: ast.AST) -> str:
    """Return `a.b.c` for such an expression, "" for another."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (owner := _dotted(node.value)):
        return f"{owner}.{node.attr}"
    return ""


def _imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, name of the module) for each import, those inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            yield node.lineno, module
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def _keras_private() -> frozenset[str]:
    """Return the names with one underscore that Keras's classes and their objects have."""
    inputs = keras.Input((4,))
    dense = keras.layers.Dense(2)
    functional = keras.Model(inputs, dense(inputs))
    sequential = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.5)])
    attention = keras.layers.MultiHeadAttention(2, 2)
    attention(np.zeros((1, 3, 4), "float32"), np.zeros((1, 3, 4), "float32"))
    recurrent = keras.layers.LSTM(2, dropout=0.5, recurrent_dropout=0.5)
    recurrent(np.zeros((1, 3, 4), "float32"), training=True)
    things = [
        *(functional, sequential, dense, inputs, dense.kernel, attention, recurrent),
        *(recurrent.cell, keras.metrics.Mean(), keras.layers.Lambda(lambda x: x)),
        functional.get_layer(dense.name)._inbound_nodes[0],
    ]
    names = {"_keras_mask", "_keras_history"}
    for thing in things:
        names |= set(vars(thing))
        for kind in type(thing).__mro__:
            if kind.__module__.startswith("keras."):
                names |= set(vars(kind))
    return frozenset(name for name in names if _is_private(name))


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


KERAS_PRIVATE = _keras_private()


def _own_names(tree: ast.AST) -> set[str]:
    """Return the names that a module defines for its own classes: methods and attributes."""
    own: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for part in ast.walk(node):
                if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    own.add(part.name)
                elif isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store):
                    if _dotted(part.value) in ("self", "cls"):
                        own.add(part.attr)
                elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                    own.add(part.id)
    return own


def _private_uses(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, name) where a private attribute of Keras is used on anything but self."""
    own = _own_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            on_self = _dotted(node.value) in ("self", "cls") or _is_super(node.value)
            if node.attr in KERAS_PRIVATE and not on_self and node.attr not in own:
                yield node.lineno, node.attr
        elif isinstance(node, ast.Call) and _dotted(node.func) in ("getattr", "hasattr", "setattr"):
            name = node.args[1]
            if isinstance(name, ast.Constant) and name.value in KERAS_PRIVATE:
                yield node.lineno, str(name.value)


def _is_super(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and _dotted(node.func) == "super"


def test_the_private_names_of_keras_are_known() -> None:
    assert {
        *("_layers", "_flatten_layers", "_losses", "_called", "_tracker", "_functional"),
        *("_nodes_by_depth", "_inbound_nodes", "_keras_mask", "_keras_history", "_kernel"),
        *("_output_dense", "_dropout_layer", "_call_has_training_arg", "_inputs_struct"),
    } <= KERAS_PRIVATE


@pytest.mark.parametrize("path", OUTSIDE, ids=_name)
def test_keras_src_is_used_in_keras_internals_only(path: Path) -> None:
    tree = _tree(path)
    found = [f"line {line}: import of {name}" for line, name in _imports(tree) if _is_src(name)]
    found += [
        f"line {node.lineno}: {_dotted(node)}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and _dotted(node) == "keras.src"
    ]
    assert not found, found


def _is_src(name: str) -> bool:
    return name == "keras.src" or name.startswith("keras.src.")


@pytest.mark.parametrize("path", OUTSIDE, ids=_name)
def test_private_attributes_of_keras_are_used_in_keras_internals_only(path: Path) -> None:
    found = [f"line {line}: {name}" for line, name in _private_uses(_tree(path))]
    assert not found, found


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if PACKAGE in path.parents and BACKENDS not in path.parents],
    ids=_name,
)
def test_backends_are_imported_in_their_own_files_only(path: Path) -> None:
    backends = {"jax", "torch", "tensorflow"}
    found = [
        f"line {line}: {name}"
        for line, name in _imports(_tree(path))
        if name.split(".")[0] in backends
    ]
    assert not found, found


@pytest.mark.parametrize("backend", ["jax", "torch", "tensorflow"])
def test_a_backend_imports_no_other_one(backend: str) -> None:
    others = {"jax", "torch", "tensorflow"} - {backend}
    files = [BACKENDS / f"{prefix}{backend}.py" for prefix in ("", "draws_", "calls_")]
    modules = {name.split(".")[0] for path in files for _, name in _imports(_tree(path))}
    assert not modules & others


@pytest.mark.parametrize(("prefix", "count"), [("", 9), ("draws_", 4), ("calls_", 7)])
def test_backends_have_the_same_functions(prefix: str, count: int) -> None:
    public = {
        backend: {
            node.name: [argument.arg for argument in node.args.args]
            for node in _tree(BACKENDS / f"{prefix}{backend}.py").body
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
        }
        for backend in ("jax", "torch", "tensorflow")
    }
    assert public["jax"] == public["torch"] == public["tensorflow"]
    assert len(public["jax"]) == count


def test_no_two_files_have_the_same_name() -> None:
    counts = Counter(path.name for path in FILES if path.name != "__init__.py")
    twice = [_name(path) for path in FILES if counts[path.name] > 1]
    assert not twice, twice


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_files_and_functions_are_short(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= LONGEST_FILE, f"{lines} lines"
    for node in ast.walk(_tree(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert _length(node) <= LONGEST_FUNCTION, f"{node.name}: {_length(node)} lines"


def _length(function: Any) -> int:
    """Return the number of lines of a function from its first statement after the docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return int(function.end_lineno - body[0].lineno + 1) if body else 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x._layers", ["_layers"]),
        ("getattr(x, '_keras_mask', None)", ["_keras_mask"]),
        ("hasattr(x, '_functional')", ["_functional"]),
        ("self._layers", []),
        ("x.layers", []),
        ("x._asdict()", []),
        ("class Own:\n    def _kernel(self): ...\n\nOwn()._kernel", []),
    ],
)
def test_what_counts_as_a_private_attribute(text: str, expected: list[str]) -> None:
    assert [name for _, name in _private_uses(ast.parse(text))] == expected


FORMATS = EXPORT / "formats"
FORMAT_WORDS = {word for row in formats.TABLE for word in (row.name, *row.suffixes)}


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if EXPORT in path.parents and FORMATS not in path.parents],
    ids=_name,
)
def test_only_the_formats_ask_which_format_it_is(path: Path) -> None:
    found = []
    for node in ast.walk(_tree(path)):
        if not isinstance(node, ast.Compare):
            continue
        sides = [node.left, *node.comparators]
        words = {
            each.value
            for side in sides
            for each in ast.walk(side)
            if isinstance(each, ast.Constant) and isinstance(each.value, str)
        }
        is_none = any(isinstance(side, ast.Constant) and side.value is None for side in sides)
        of_opset = is_none and _dotted(node.left).split(".")[-1] == "opset"
        if words & FORMAT_WORDS or (of_opset and "cli" not in path.parts):
            found.append(node.lineno)
    assert not found
