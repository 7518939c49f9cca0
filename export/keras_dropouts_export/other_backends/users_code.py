"""Names the classes and functions of a user that a model needs, and imports them elsewhere."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import keras

from keras_dropouts.keras_internals.layers import parts
from keras_dropouts_export.errors import ExportError, said_by

_KNOWN_PACKAGES = ("builtins", "keras", "keras_dropouts")
_NAMES = ("registered_name", "class_name")  # in the config of an object
_MAIN = "__main__"
_IMPORTED_MAIN = "__mp_main__"  # as multiprocessing calls it
IN_A_MODULE = (
    "Put it into a module that can be imported, a .py file beside the script for instance, and "
    "register it there with `@keras.saving.register_keras_serializable()`."
)


@dataclass(frozen=True)
class Definition:
    """Where a class or function of the user is defined.

    key: the name by which Keras asks for it; module, name: of the definition; file: of the module,
    None where it has none; is_module: whether a module `__main__` was started by its name.
    """

    key: str
    module: str
    name: str
    file: str | None
    kind: str = "class"

    def missing(self, model: str, reason: str) -> ExportError:
        """Return the error for a definition that cannot be imported; the caller raises it."""
        return ExportError(
            f"Model {model!r} cannot be handed to TensorFlow, which exports it: {self.kind} "
            f"{self.name!r} of module {self.module!r} cannot be imported there, as {reason}. "
            f"{IN_A_MODULE}"
        )


def definitions_in(model: keras.Model, config: Any) -> tuple[Definition, ...]:
    """Return what a saved model needs of the user's classes and functions.

    config: of the saved model, which names what is registered, or given by a
    `custom_object_scope`; what is not is found as the class or an attribute of a layer.

    Raises:
        ExportError: if one of them is in a script, or a session, that cannot be imported.
    """
    held = {keras.saving.get_registered_name(each): each for each in _held_by(model)}
    named = {
        key: keras.saving.get_registered_object(key) or held.get(key) for key in _keys_in(config)
    }
    found = [definition_of(each, key) for key, each in named.items() if _is_users(each)]
    for each in found:
        if each.module == _MAIN and (reason := _why_main_cannot(each.file)):
            raise each.missing(model.name, reason)
    return tuple(found)


def _held_by(model: keras.Model) -> Iterator[Any]:
    """Yield the classes of the layers, and the functions and classes of what they hold."""
    for part in parts(model):
        yield type(part)
        for value in list(vars(part).values()):
            for each in value if isinstance(value, (list, tuple)) else [value]:
                yield each if isinstance(each, FunctionType) else type(each)


def _keys_in(config: Any) -> Iterator[str]:
    """Yield the names by which Keras would ask for classes and functions."""
    if isinstance(config, dict):
        if config.get("class_name") == "function":
            yield str(config.get("config"))
        else:
            yield from (config[key] for key in _NAMES if isinstance(config.get(key), str))
        for each in config.values():
            yield from _keys_in(each)
    elif isinstance(config, (list, tuple)):
        for each in config:
            yield from _keys_in(each)


def _is_users(found: Any) -> bool:
    """Return whether a class or function is one that Keras has to be told of."""
    module = getattr(found, "__module__", None) or "builtins"
    if module.split(".")[0] in _KNOWN_PACKAGES or found.__name__ == "<lambda>":
        return False
    return isinstance(found, FunctionType) or hasattr(found, "get_config")


def definition_of(found: Any, key: str) -> Definition:
    """Return where a class or function is defined, for which Keras asks by `key`."""
    module = found.__module__
    kind = "function" if isinstance(found, FunctionType) else "class"
    return Definition(key, module, found.__qualname__, _file_of(module), kind)


def _file_of(module: str) -> str | None:
    """Return the file of a module of this process."""
    file = getattr(sys.modules.get(module), "__file__", None)
    return None if file is None else str(Path(file).absolute())


def _why_main_cannot(file: str | None) -> str:
    """Return why the script that runs cannot be imported, "" where it can."""
    if file is None or not Path(file).is_file():
        return "it is defined in a notebook or an interactive session"
    try:
        tree = ast.parse(Path(file).read_bytes())
    except (SyntaxError, ValueError) as error:
        return f"its script {file!r} is no Python source ({error})"
    if any(isinstance(each, ast.If) and _asks_for_main(each.test) for each in tree.body):
        return ""
    return (
        f"it is defined in the script {file!r}, and an import would run the whole script once "
        f"more (what it does may also stand under `if __name__ == '__main__':`)"
    )


def _asks_for_main(test: ast.expr) -> bool:
    if not isinstance(test, ast.Compare):
        return False
    sides = [test.left, *test.comparators]
    names = [each.id for each in sides if isinstance(each, ast.Name)]
    values = [each.value for each in sides if isinstance(each, ast.Constant)]
    return names == ["__name__"] and values == [_MAIN]


_importing: list[str] = []  # the modules of the user that are being imported


def check_not_importing() -> None:
    """Raise a clear error where an export is asked for by a module that is being imported for one.

    Raises:
        ExportError: if it is.
    """
    if _importing:
        raise ExportError(
            f"Module {_importing[-1]!r} is imported for the classes in it, and it exports or "
            f"examines a model while it is. Put that under `if __name__ == '__main__':`, or the "
            f"classes into a module of their own."
        )


def imported(definitions: Sequence[Definition], model: str) -> dict[str, Any]:
    """Import the modules of definitions, and return what they define, by the keys of Keras.

    What is defined inside a function is left out: its module may have registered it.

    Raises:
        ExportError: if something cannot be imported or is not there.
    """
    found = {}
    for each in definitions:
        value: Any = _module(each, model)
        if "<locals>" in each.name:
            if keras.saving.get_registered_object(each.key) is None:
                where = each.name.split(".<locals>")[0]
                raise each.missing(model, f"it is defined inside of {where!r}")
            continue
        for part in each.name.split("."):
            value = getattr(value, part, None)
        if value is None:
            raise each.missing(model, "the module does not define it when it is imported")
        found[each.key] = value
    return found


def _module(definition: Definition, model: str) -> ModuleType:
    name, file = definition.module, definition.file
    _importing.append(name)
    try:
        if name == _MAIN:
            return _main(file)
        try:
            return import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name or file is None or not file.endswith(".py"):
                raise
            return _from_file(name, file)  # loaded from its file in the first process, too
    except ExportError:
        raise
    except (Exception, SystemExit) as error:
        raise definition.missing(model, f"the import ends in {said_by(error)!r}") from error
    finally:
        _importing.pop()


def _main(file: str | None) -> ModuleType:
    """Return the script of the first process as a module, imported by the rule of "spawn"."""
    if sys.modules[_MAIN].__name__ != _IMPORTED_MAIN:
        sys.modules[_MAIN] = _from_file(_IMPORTED_MAIN, str(file))
    return sys.modules[_MAIN]


def _from_file(name: str, file: str) -> ModuleType:
    loader = SourceFileLoader(name, file)
    spec = spec_from_loader(name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        with suppress(KeyError):
            del sys.modules[name]
        raise
    return module
