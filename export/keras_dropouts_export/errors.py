"""Defines the error of an export that would not have been the model."""


class ExportError(RuntimeError):
    """An export that cannot be done, or whose result is not the model; nothing was written."""
