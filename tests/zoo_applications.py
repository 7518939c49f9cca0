"""Makes one model of each family of keras.applications, with random weights and small images."""

from __future__ import annotations

import functools
from collections.abc import Callable

import keras
import numpy as np

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


def stir(model: keras.Model) -> keras.Model:
    """Make every weight that begins as 0 or 1 random, or a normalization would do nothing.

    By a little only: these nets are deep and untrained, and with more of it float32 itself gives
    other outputs in another order of summation. `Normalization` is left alone, as it computes
    with a copy of its weights.
    """
    random = np.random.default_rng(6)
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Normalization):
            continue
        for weight in [*layer._trainable_variables, *layer._non_trainable_variables]:
            value = np.asarray(weight)
            if value.size and (value == value.flat[0]).all() and weight.dtype == "float32":
                noise = random.uniform(-0.02, 0.02, value.shape)
                weight.assign((value + noise).astype("float32"))
    return model


def make(name: str, size: int) -> keras.Model:
    """Return a model of 10 classes without a last activation, for images of `size` by `size`."""
    model = getattr(keras.applications, name)(
        weights=None,
        input_shape=(size, size, 3),
        classes=10,
        include_top=True,
        classifier_activation=None,
    )
    return stir(model)


ZOO: dict[str, Callable[[], keras.Model]] = {
    name: functools.partial(make, name, size) for name, size in _APPLICATIONS.items()
}
