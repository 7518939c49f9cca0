"""Predictions with dropout on: the model in two parts, its samples, and what they tell."""
