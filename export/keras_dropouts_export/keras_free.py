"""Imports modules of `keras_dropouts` that need no Keras without the package, which imports Keras.

Scoring runs with onnxruntime and NumPy alone, and still takes the seeds of rows and the checks of
arguments from the one place where they are written.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path


def prepare(name: str) -> None:
    """Import the module `name` of `keras_dropouts` from its file, under its own name.

    Python runs `keras_dropouts/__init__.py`, which imports Keras, before it imports a module of
    that package; a module that is imported already it takes as it is. So an ordinary import of its
    names works after this without Keras, and if `keras_dropouts` itself is imported later, it finds
    this same module. The module must import nothing that needs Keras, and of the package only what
    was prepared before.
    """
    if name in sys.modules:
        return
    package, *inside = name.split(".")
    found = find_spec(package)  # it runs nothing
    if found is None or found.origin is None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)
    path = Path(found.origin).parent.joinpath(*inside).with_suffix(".py")
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
