"""Measures and calibrates the uncertainty of predictions."""

from keras_dropouts.uncertainty.ensemble import ensemble

__all__ = ["ensemble"]
