"""Chooses dropout by what it is for: rates after training, rates in a search, whole models."""

from keras_dropouts.tuning.rate_curve import RateCurve
from keras_dropouts.tuning.tune_rates import tune_rates

__all__ = ["RateCurve", "tune_rates"]
