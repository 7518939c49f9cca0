"""One model of each family of keras.applications, with random weights and small images."""

from __future__ import annotations

import functools
from collections.abc import Callable

import keras

_APPLICATIONS = {
    "Xception": 96,
    "VGG16": 64,
    "ResNet50": 64,
    "ResNet50V2": 64,
    "InceptionV3": 96,
    "InceptionResNetV2": 96,
    "MobileNet": 64,
    "MobileNetV2": 64,
    "MobileNetV3Small": 64,
    "MobileNetV3Large": 64,
    "DenseNet121": 64,
    "NASNetMobile": 64,
    "EfficientNetB0": 64,
    "EfficientNetV2B0": 64,
    "EfficientNetV2S": 64,
    "ConvNeXtTiny": 64,
}


def _make(name: str, size: int) -> keras.Model:
    return getattr(keras.applications, name)(
        weights=None, input_shape=(size, size, 3), classes=10, include_top=True
    )


ZOO: dict[str, Callable[[], keras.Model]] = {
    name: functools.partial(_make, name, size) for name, size in _APPLICATIONS.items()
}
