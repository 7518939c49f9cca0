"""Checks an artifact: what it holds, and whether its outputs are those of the model."""
