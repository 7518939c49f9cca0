"""Counts the functions of this package between the call of a layer and the random generator."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

import keras
import numpy as np
import pytest

import keras_dropouts as kd
from keras_dropouts import backends
from subjects import SUBJECTS, Subject

HOME = Path(kd.__file__).parent
MASKS = ("ScheduledDropout", "SpatialDropout", "DropBlock2D")

if keras.backend.backend() != "tensorflow":
    pytest.skip("the depth is counted on TensorFlow", allow_module_level=True)

from keras_dropouts.backends import draws_tensorflow  # noqa: E402 - it imports TensorFlow


def _way(frame: FrameType | None) -> list[tuple[str, str]]:
    """Return (file, function) of this package from the `call` of a layer down to a frame."""
    way: list[tuple[str, str]] = []
    begin = 0
    while frame is not None:
        code = frame.f_code
        path = Path(code.co_filename)
        # Until Python 3.12 a comprehension has a frame of its own, which is no function.
        if HOME in path.parents and not code.co_name.endswith("comp>"):
            way.append((str(path.relative_to(HOME)), code.co_name))
        if path.parent == HOME / "layers" and code.co_name == "call":
            begin = len(way)
        frame = frame.f_back
    return way[:begin][::-1]  # from the outermost `call`: that of a layer may call its parent's


@contextmanager
def _ways() -> Iterator[list[list[tuple[str, str]]]]:
    """Note the way to the generator each time that TensorFlow's operation is called."""
    found: list[list[tuple[str, str]]] = []
    original: Callable[..., Any] = draws_tensorflow._philox

    def draw(**arguments: Any) -> Any:
        found.append(_way(sys._getframe(1)))
        return original(**arguments)

    with mock.patch.object(draws_tensorflow, "_philox", draw):
        yield found


def _subjects() -> list[Any]:
    return [pytest.param(each, id=each.name) for each in SUBJECTS]


def _found(subject: Subject, sampled: bool) -> list[list[tuple[str, str]]]:
    model, x = subject.model(0.5), subject.data(4)
    with _ways() as found:
        if sampled:
            kd.mc_predict(model, x, samples=2, seed=1, verbose=False)
        else:
            model(x, training=True)
    assert found
    assert all(found)
    return found


@pytest.mark.parametrize("subject", _subjects())
def test_a_training_mask_passes_at_most_six_functions(subject: Subject) -> None:
    for way in _found(subject, sampled=False):
        assert len(way) <= 6, way


@pytest.mark.parametrize("subject", _subjects())
def test_a_draw_of_a_sample_passes_at_most_seven_functions(subject: Subject) -> None:
    for way in _found(subject, sampled=True):
        assert len(way) <= 7, way


@pytest.mark.parametrize("sampled", [False, True], ids=["in training", "in mc_predict"])
@pytest.mark.parametrize(
    "subject", [each for each in SUBJECTS if each.name in MASKS], ids=lambda each: each.name
)
def test_a_draw_goes_back_to_no_file(subject: Subject, sampled: bool) -> None:
    for way in _found(subject, sampled):
        files = [file for file, _ in way]
        visited = [file for i, file in enumerate(files) if i == 0 or file != files[i - 1]]
        assert len(visited) == len(set(visited)), way
        assert visited[-1] == "backends/draws_tensorflow.py"


def test_the_functions_are_those_of_the_backend() -> None:
    assert backends.decisions is draws_tensorflow.decisions
    x = np.ones((2, 3), "float32")
    with _ways() as found:
        kd.ScheduledDropout(0.5)(x, training=True)
    assert found == [
        [
            ("layers/base.py", "call"),
            ("layers/base.py", "drop"),
            ("noise/stream.py", "keep"),
            ("backends/draws_tensorflow.py", "decisions"),
            ("backends/draws_tensorflow.py", "_pairs"),
        ]
    ]
