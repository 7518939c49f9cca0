"""Lists the layers of each kind that the report compares: ours, and those of peers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops
from peers import peer

import keras_dropouts as kd
from subjects import Subject

BLOCK = 3
OURS = "keras_dropouts"
SHAPES = {
    "units": (6, 10),
    "channels": (5, 7, 6),
    "blocks": (14, 14, 8),
    "paths": (4, 3),
    "Gaussian noise": (6, 10),
}


def contenders() -> dict[str, dict[str, Subject]]:
    """Return for each kind of dropout its subjects by package, ours first."""
    makers: dict[str, dict[str, Callable[..., Any]]] = {
        "units": {OURS: kd.ScheduledDropout, "keras": keras.layers.Dropout},
        "channels": {OURS: kd.SpatialDropout, "keras": keras.layers.SpatialDropout2D},
        "blocks": {OURS: lambda **kwargs: kd.DropBlock2D(block_size=BLOCK, **kwargs)},
        "paths": {OURS: kd.DropPath},
        "Gaussian noise": {OURS: kd.GaussianDropout, "keras": keras.layers.GaussianDropout},
    }
    hub = peer("keras_hub.src.models.mit.mit_layers", "keras_hub")
    if hub is not None:
        makers["paths"]["keras_hub"] = hub.DropPath
    if keras.backend.backend() == "torch":
        _add_modules(makers)
    return {
        kind: {
            package: Subject(
                f"{package} {kind}",
                make,
                SHAPES[kind],
                dropped=kind != "Gaussian noise",
                schedules=package == OURS,
            )
            for package, make in found.items()
        }
        for kind, found in makers.items()
    }


def _add_modules(makers: dict[str, dict[str, Callable[..., Any]]]) -> None:
    timm = peer("timm.layers.drop", "timm", "timm.layers")
    if timm is not None:
        # A mask for each channel, as ours and the paper's; its default is one for all.
        makers["blocks"]["timm"] = _module(
            lambda rate: timm.DropBlock2d(rate, BLOCK, couple_channels=False)
        )
        makers["paths"]["timm"] = _module(timm.DropPath)
    vision = peer("torchvision.ops.drop_block", "torchvision", "torchvision.ops")
    if vision is not None:
        makers["blocks"]["torchvision"] = _module(lambda rate: vision.DropBlock2d(rate, BLOCK))


def _module(make: Callable[[float], Any]) -> Callable[..., Any]:
    """Return what makes a PyTorch module that is called as a Keras layer is."""

    def layer(rate: float, seed: int | None, dtype: str = "float32", **_: Any) -> Any:
        import torch

        if seed is not None:
            torch.manual_seed(seed)
        module = make(rate)

        def call(x: Any, training: bool = False) -> Any:
            x = ops.cast(x, dtype.removeprefix("mixed_"))
            axes = range(x.ndim)
            first = x if x.ndim < 4 else x.permute(0, axes[-1], *axes[1:-1])
            module.train(training)
            made = module(first)
            return made if x.ndim < 4 else made.permute(0, *axes[2:], 1)

        return call

    return layer
