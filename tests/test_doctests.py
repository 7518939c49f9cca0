"""Tests that every public name has an example in its docstring that runs as it stands there."""

from __future__ import annotations

import doctest
import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import keras_dropouts as kd
import keras_dropouts_export as kde

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
PARSER = doctest.DocTestParser()
# They need Spark or Beam; docs/scoring.md shows them, and `make test-engines` runs that.
OF_ENGINES = {"BeamModelHandler", "spark_result_schema", "spark_udf"}


def public_objects() -> dict[str, Any]:
    """Return what the packages offer by `__all__`, by its full name."""
    found = {}
    for module in (kd, kd.schedules, kd.uncertainty, kde, kde.scoring):
        for name in sorted(set(module.__all__) - OF_ENGINES):
            value = getattr(module, name)
            if not isinstance(value, ModuleType):
                found[f"{module.__name__}.{name}"] = value
    return found


def public_members(cls: type) -> Iterator[tuple[str, str]]:
    """Yield the name and docstring of each public method and property that a class defines."""
    for name, value in vars(cls).items():
        function = getattr(value, "__func__", value)  # of a class method
        is_code = inspect.isfunction(function) or isinstance(function, property)
        if is_code and not name.startswith("_") and function.__doc__:
            yield name, function.__doc__


def code_of(docstring: str | None) -> str:
    """Return the code of all examples in a docstring."""
    return "".join(example.source for example in PARSER.get_examples(docstring or ""))


OBJECTS = public_objects()
MEMBERS = {
    f"{cls}.{name}": docstring
    for cls, value in OBJECTS.items()
    if inspect.isclass(value)
    for name, docstring in public_members(value)
}
WITH_EXAMPLES = {
    **{name: value.__doc__ for name, value in OBJECTS.items() if code_of(value.__doc__)},
    **{name: docstring for name, docstring in MEMBERS.items() if code_of(docstring)},
}


@pytest.mark.parametrize("name", OBJECTS)
def test_each_public_name_has_an_example(name):
    assert code_of(OBJECTS[name].__doc__)


def test_each_public_method_is_shown_by_an_example():
    everything = "".join(code_of(docstring) for docstring in WITH_EXAMPLES.values())
    missing = [name for name in MEMBERS if f".{name.rsplit('.', 1)[-1]}" not in everything]
    assert not missing


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_example_runs_as_it_stands(name, tmp_path, monkeypatch):
    docstring = WITH_EXAMPLES[name]
    assert "+SKIP" not in docstring
    monkeypatch.chdir(tmp_path)
    test = PARSER.get_doctest(docstring, {"__name__": "__main__"}, name, name, 0)
    printed: list[str] = []
    result = doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=printed.append)
    assert result.attempted > 0
    assert result.failed == 0, "".join(printed)
