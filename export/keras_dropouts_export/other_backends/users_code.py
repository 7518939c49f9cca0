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
from types import ModuleType
from typing import Any

import keras

from keras_dropouts_export.errors import ExportError, said_by

_KNOWN_PACKAGES = ("builtins", "keras", "keras_dropouts")
_MAIN = "__main__"
_IMPORTED_MAIN = "__mp_main__"  # as multiprocessing calls it
_WAY_OUT = (
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
            f"{_WAY_OUT}"
        )


def definitions_in(config: Any, model: str) -> tuple[Definition, ...]:
    """Return what the config of a saved model needs of the user's classes and functions.

    Raises:
        ExportError: if one of them is in a script, or a session, that cannot be imported.
    """
    found = {each.key: each for each in _named_in(config)}
    for each in found.values():
        if each.module == _MAIN and (reason := _why_main_cannot(each.file)):
            raise each.missing(model, reason)
    return tuple(found.values())


def _named_in(config: Any) -> Iterator[Definition]:
    if isinstance(config, (list, tuple)):
        for each in config:
            yield from _named_in(each)
    if not isinstance(config, dict):
        return
    module, name = config.get("module"), config.get("class_name")
    if isinstance(module, str) and isinstance(name, str) and not _is_known(module):
        if name == "function":
            key = str(config.get("config"))
            yield _definition(key, module, key.rpartition(">")[2], "function")
        else:
            yield _definition(config.get("registered_name") or name, module, name, "class")
    for each in config.values():
        yield from _named_in(each)


def _is_known(module: str) -> bool:
    return module.split(".")[0] in _KNOWN_PACKAGES


def _definition(key: str, module: str, name: str, kind: str) -> Definition:
    """Return where the object is that Keras would take in this process."""
    found = keras.saving.get_registered_object(key)
    if found is None:
        found = getattr(sys.modules.get(module), name, None)
    if hasattr(found, "__qualname__"):
        module, name = str(found.__module__), str(found.__qualname__)
    return Definition(key, module, name, file_of(module), kind)


def definition_of(kind: type) -> Definition:
    """Return where a class is defined."""
    module = kind.__module__
    return Definition(kind.__name__, module, kind.__qualname__, file_of(module))


def file_of(module: str) -> str | None:
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
    if _IMPORTED_MAIN in sys.modules:
        return sys.modules[_IMPORTED_MAIN]
    module = _from_file(_IMPORTED_MAIN, str(file))
    sys.modules[_MAIN] = module
    return module


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
