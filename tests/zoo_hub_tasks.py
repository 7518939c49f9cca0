"""Every task of keras_hub on the tiny backbones of `zoo_hub.py` and `zoo_hub_composed.py`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import keras
import keras_hub

import zoo_hub
import zoo_hub_composed

Make = Callable[[], keras.Model]

# What a task needs beside its backbone, by the end of its name.
_ARGUMENTS: dict[str, dict[str, Any]] = {
    "Classifier": {"num_classes": 3},
    "ImageSegmenter": {"num_classes": 3},
    "DepthEstimator": {"depth_estimation_type": "relative"},
    "ObjectDetector": {"num_classes": 3, "bounding_box_format": "xyxy"},
}
# Tasks of a backbone whose outputs are their own, which take nothing more.
_AS_IT_IS = ("SAMImageSegmenter", "BASNetImageSegmenter")

# It asks its preprocessor for a tokenizer when it is made.
NOT_WITHOUT_A_TOKENIZER = ("PARSeqCausalLM",)


def _backbones() -> dict[type, tuple[str, Make]]:
    """Return what makes a tiny backbone, by its class; the first that has the class."""
    found: dict[type, tuple[str, Make]] = {}
    composed = {**zoo_hub_composed.ZOO, **zoo_hub_composed.LARGE}
    plain = {name.replace("_", "").lower(): make for name, make in composed.items()}
    plain |= {name.replace("_", "").lower(): make for name, make in zoo_hub.ZOO.items()}
    for name, kind in vars(keras_hub.models).items():
        key = f"hub{name.removesuffix('Backbone').lower()}".replace("_", "")
        if name.endswith("Backbone") and key in plain and kind not in found:
            found[kind] = name, plain[key]
    return found


def task(kind: type, backbone: Make) -> keras.Model:
    """Return a task on a tiny backbone, with random weights."""
    arguments: dict[str, Any] = {}
    if kind.__name__ not in _AS_IT_IS:
        for end, given in _ARGUMENTS.items():
            if kind.__name__.endswith(end):
                arguments = given
    return kind(backbone=backbone(), preprocessor=None, **arguments)


def _tasks() -> dict[str, Make]:
    made = _backbones()
    found: dict[type, str] = {}
    for name, kind in vars(keras_hub.models).items():
        is_task = inspect.isclass(kind) and issubclass(kind, keras_hub.models.Task)
        # Older names of a class are not its `__name__`.
        if (
            name not in NOT_WITHOUT_A_TOKENIZER
            and is_task
            and kind.backbone_cls in made
            and name == kind.__name__
        ):
            found[kind] = name
    return {
        f"hub_{name}": functools.partial(task, kind, made[kind.backbone_cls][1])
        for kind, name in sorted(found.items(), key=lambda pair: pair[1])
    }


ZOO: dict[str, Make] = {name: make for name, make in _tasks().items() if name not in zoo_hub.ZOO}
