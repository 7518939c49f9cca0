"""Defines the error of an export that would not have been the model."""


class ExportError(RuntimeError):
    """An export that cannot be done, or whose result is not the model; nothing was written.

    Example:

    >>> import keras
    >>> import keras_dropouts_export as kde
    >>> words = keras.Input((1,), dtype="string", name="words")
    >>> model = keras.Model(words, keras.layers.StringLookup(vocabulary=["a", "b"])(words))
    >>> try:
    ...     kde.export_onnx(model, "words.onnx")
    ... except kde.ExportError as error:
    ...     print(error)
    Model ... takes strings (words)... Turn them into numbers before the model...
    """
