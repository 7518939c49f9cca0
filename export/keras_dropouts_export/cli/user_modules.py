"""Imports the modules that a user names with --import, which register the layers of a model."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module, util
from pathlib import Path
from types import ModuleType

import click

_named: list[str] = []  # as given on the command line; imported when a model is read


def remember(_: click.Context, __: click.Parameter, names: Sequence[str]) -> None:
    """Keep what --import was given: a callback of click."""
    _named[:] = names


def import_named() -> None:
    """Import what --import was given: modules, and files that end in .py.

    Raises:
        ValueError: if one cannot be imported.
    """
    from keras_dropouts.arguments import invalid  # imports Keras, and `remember` must not

    names = list(dict.fromkeys(_named))
    _named.clear()  # they are imported once, and are no part of the next command in this process
    for name in names:
        try:
            _import(name)
        except Exception as error:  # whatever a user's module raises when it runs
            reason = str(error).strip() or type(error).__name__
            expected = "a module that can be imported, or a .py file"
            raise invalid("--import", expected, name, f"It cannot: {reason}") from error


def _import(name: str) -> ModuleType:
    here = str(Path.cwd())
    if not name.endswith(".py"):
        if here not in sys.path:  # where `python -m` would look, too
            sys.path.insert(0, here)
        return import_module(name)
    path = Path(name).resolve()
    if path.stem in sys.modules:
        return sys.modules[path.stem]
    spec = util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError("there is no such file")
    module = util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[path.stem]
        raise
    return module
