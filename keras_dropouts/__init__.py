"""Dropout layers for Keras 3: honest while they train, and gone or the same when served."""

from keras_dropouts import schedules
from keras_dropouts.callbacks import RateLogger, RateScheduler
from keras_dropouts.layers import (
    ConcreteDropout,
    DropBlock1D,
    DropBlock2D,
    DropBlock3D,
    DropPath,
    ScheduledDropout,
    SpatialDropout,
    concrete_regularizers,
    depth_rates,
)
from keras_dropouts.surgery import add_dropout, inspect_dropout, replace_dropout, set_rates

__version__ = "0.1.0"

__all__ = [
    "ConcreteDropout",
    "DropBlock1D",
    "DropBlock2D",
    "DropBlock3D",
    "DropPath",
    "RateLogger",
    "RateScheduler",
    "ScheduledDropout",
    "SpatialDropout",
    "add_dropout",
    "concrete_regularizers",
    "depth_rates",
    "inspect_dropout",
    "replace_dropout",
    "schedules",
    "set_rates",
]
