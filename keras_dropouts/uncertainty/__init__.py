"""Uncertainty that can be acted on: measured, calibrated, with guarantees."""

from keras_dropouts.uncertainty.calibrate import calibrate
from keras_dropouts.uncertainty.conformal import conformal
from keras_dropouts.uncertainty.conformal_intervals import ConformalIntervals
from keras_dropouts.uncertainty.conformal_sets import ConformalSets
from keras_dropouts.uncertainty.detection import out_of_distribution
from keras_dropouts.uncertainty.ensemble import ensemble
from keras_dropouts.uncertainty.evaluate import evaluate
from keras_dropouts.uncertainty.isotonic_scaling import IsotonicScaling
from keras_dropouts.uncertainty.scaling_layers import (
    StdScaling,
    TemperatureScaling,
    VectorScaling,
)
from keras_dropouts.uncertainty.threshold import Threshold
from keras_dropouts.uncertainty.uncertainty_report import UncertaintyReport

__all__ = [
    "ConformalIntervals",
    "ConformalSets",
    "IsotonicScaling",
    "StdScaling",
    "TemperatureScaling",
    "Threshold",
    "UncertaintyReport",
    "VectorScaling",
    "calibrate",
    "conformal",
    "ensemble",
    "evaluate",
    "out_of_distribution",
]
