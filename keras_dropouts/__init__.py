"""Provides dropout layers for Keras 3, and functions that inspect, replace and sample dropout."""

from typing import TYPE_CHECKING

from keras_dropouts import backends as backends  # first: it names a backend that is missing
from keras_dropouts import schedules, tuning, uncertainty
from keras_dropouts.callbacks import RateLogger, RateScheduler
from keras_dropouts.guessed_names import no_such_name as _no_such_name
from keras_dropouts.layers import (
    ConcreteDropout,
    DropBlock,
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
from keras_dropouts.noise.row_seeds import row_seeds
from keras_dropouts.noise.training_step import training_step
from keras_dropouts.plots.plot_masks import plot_masks
from keras_dropouts.plots.plot_rates import plot_rates
from keras_dropouts.r_drop import RDrop
from keras_dropouts.surgery.inspect import inspect_dropout
from keras_dropouts.surgery.noise_table import register_noise
from keras_dropouts.surgery.rates import set_rates
from keras_dropouts.surgery.replace import add_dropout, replace_dropout
from keras_dropouts.tuning import compare, tune_rates

__version__ = "0.1.0"

__all__ = [
    "ConcreteDropout",
    "DropBlock",
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
    "compare",
    "concrete_regularizers",
    "depth_rates",
    "inspect_dropout",
    "mc_predict",
    "plot_masks",
    "plot_rates",
    "register_noise",
    "replace_dropout",
    "row_seeds",
    "schedules",
    "set_rates",
    "training_step",
    "tune_rates",
    "tuning",
    "uncertainty",
]


if not TYPE_CHECKING:  # a type checker would take any name for one of the module's

    def __getattr__(name: str) -> object:
        raise _no_such_name(name, __all__)


def __dir__() -> list[str]:
    """Return the public names; modules that are imported along the way are none."""
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
