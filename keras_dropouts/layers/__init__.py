"""The dropout layers, one family a file; importing this registers them all."""

from keras_dropouts.layers.base import BaseDropout
from keras_dropouts.layers.concrete_dropout import ConcreteDropout, concrete_regularizers
from keras_dropouts.layers.drop_block import DropBlock1D, DropBlock2D, DropBlock3D
from keras_dropouts.layers.drop_path import DropPath, depth_rates
from keras_dropouts.layers.scheduled_dropout import ScheduledDropout
from keras_dropouts.layers.spatial_dropout import SpatialDropout

__all__ = [
    "BaseDropout",
    "ConcreteDropout",
    "DropBlock1D",
    "DropBlock2D",
    "DropBlock3D",
    "DropPath",
    "ScheduledDropout",
    "SpatialDropout",
    "concrete_regularizers",
    "depth_rates",
]
