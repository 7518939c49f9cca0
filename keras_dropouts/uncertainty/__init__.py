"""Uncertainty that can be acted on: measured, calibrated, with guarantees."""

from keras_dropouts.uncertainty.detection import out_of_distribution
from keras_dropouts.uncertainty.ensemble import ensemble
from keras_dropouts.uncertainty.evaluate import evaluate
from keras_dropouts.uncertainty.threshold import Threshold
from keras_dropouts.uncertainty.uncertainty_report import UncertaintyReport

__all__ = ["Threshold", "UncertaintyReport", "ensemble", "evaluate", "out_of_distribution"]
