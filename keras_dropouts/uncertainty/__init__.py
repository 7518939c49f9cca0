"""Uncertainty that can be acted on: measured, calibrated, with guarantees."""
