"""Gives the reference each docstring as the package has it, with its examples as code."""

from __future__ import annotations

import ast
import inspect
import re
from typing import Any

import griffe

_SECTION = re.compile(r"^[A-Z][\w ]*:$")


class SharedDocstrings(griffe.Extension):
    """Rewrites every docstring of a package once it was read."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Do so; called by griffe."""
        _rewrite(pkg)


def _rewrite(thing: Any) -> None:
    for member in list(thing.members.values()):
        if member.is_alias:
            continue
        if member.docstring is not None:
            if member.is_class:
                _add_shared(member)
            member.docstring.value = _with_examples(member.docstring.value)
        if member.is_module or member.is_class:
            _rewrite(member)


def _add_shared(cls: Any) -> None:
    """Add `_SHARED_DOCSTRING` of the module, which the decorator `_documented` adds at import."""
    decorator = next((str(d.value) for d in cls.decorators if "_documented(" in str(d.value)), "")
    shared = cls.module.members.get("_SHARED_DOCSTRING")
    if not decorator or shared is None:
        return
    call: Any = ast.parse(decorator, mode="eval").body
    shape, example = (ast.literal_eval(argument) for argument in call.args)
    text = ast.literal_eval(str(shared.value))
    text = text.format(name=cls.name, shape=shape, example=example)
    cls.docstring.value = inspect.cleandoc(cls.docstring.value + text)


def _with_examples(text: str) -> str:
    """Return a docstring whose `Example:` is the section that griffe shows as code."""
    lines, inside, indented = [], False, False
    for line in text.splitlines():
        if line in ("Example:", "Examples:"):
            lines += ["Examples:"]
            inside, indented = True, False
            continue
        if inside and _SECTION.match(line):
            inside = False
        if inside and line and not indented and not line.startswith(" "):
            line = f"    {line}"
        elif inside and line:
            indented = True
        if inside and not line and lines[-1] == "Examples:":
            continue
        lines.append(line)
    return "\n".join(lines)
