"""Dropout layers for Keras 3: honest while they train, and gone or the same when served."""

from keras_dropouts import schedules
from keras_dropouts.callbacks import RateLogger, RateScheduler
from keras_dropouts.layers import (
    ConcreteDropout,
    DropBlock1D,
    DropBlock2D,
    DropBlock3D,
    DropConnect,
    DropHead,
    DropKey,
    DropPath,
    EmbeddingDropout,
    ExpectedZoneout,
    GaussianDropout,
    MultiSampleDropout,
    PatchDropout,
    ScheduledDropout,
    SpatialDropout,
    StochasticDepth,
    VariationalDropout,
    VariationalRNN,
    Zoneout,
    concrete_regularizers,
    depth_rates,
)
from keras_dropouts.monte_carlo.mc_predict import mc_predict
from keras_dropouts.monte_carlo.prediction import MonteCarloPrediction
from keras_dropouts.r_drop import RDrop
from keras_dropouts.surgery.replace import add_dropout, inspect_dropout, replace_dropout, set_rates

__version__ = "0.1.0"

__all__ = [
    "ConcreteDropout",
    "DropBlock1D",
    "DropBlock2D",
    "DropBlock3D",
    "DropConnect",
    "DropHead",
    "DropKey",
    "DropPath",
    "EmbeddingDropout",
    "ExpectedZoneout",
    "GaussianDropout",
    "MonteCarloPrediction",
    "MultiSampleDropout",
    "PatchDropout",
    "RDrop",
    "RateLogger",
    "RateScheduler",
    "ScheduledDropout",
    "SpatialDropout",
    "StochasticDepth",
    "VariationalDropout",
    "VariationalRNN",
    "Zoneout",
    "add_dropout",
    "concrete_regularizers",
    "depth_rates",
    "inspect_dropout",
    "mc_predict",
    "replace_dropout",
    "schedules",
    "set_rates",
]
