"""Chooses dropout by what it is for: rates after training, rates in a search, whole models."""

from keras_dropouts.tuning.compare import compare
from keras_dropouts.tuning.comparison import Comparison, Difference
from keras_dropouts.tuning.keras_tuner_rates import keras_tuner_rates
from keras_dropouts.tuning.rate_curve import RateCurve
from keras_dropouts.tuning.tune_rates import tune_rates

__all__ = ["Comparison", "Difference", "RateCurve", "compare", "keras_tuner_rates", "tune_rates"]
