"""Finds the packages of peers, and imports of them no more than the layer that is wanted."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
import types
from typing import Any


@functools.cache
def peer(name: str, *packages: str) -> Any:
    """Return a module of a peer, or None where the peer is not installed.

    The packages around it are not run: they import what is not needed here and may not install,
    as the compiled operations of torchvision.
    """
    top = importlib.util.find_spec(packages[0])
    if top is None or top.submodule_search_locations is None:
        return None
    if packages[0] == "keras_hub":
        return importlib.import_module(name)
    root = top.submodule_search_locations[0]
    for package in packages:
        stub = types.ModuleType(package)
        stub.__path__ = ["/".join([root, *package.split(".")[1:]])]
        sys.modules[package] = stub
    return importlib.import_module(name)
