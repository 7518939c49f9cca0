"""Classes of Keras's preprocessing layers that have no public name, and what their tables keep."""

from __future__ import annotations

from typing import Any

from keras_dropouts.keras_internals.versions import first_of, private

# What IntegerLookup, StringLookup and TextVectorization derive from or hold, since Keras 3.0.
IndexLookup: Any = first_of(
    "IndexLookup", "keras.src.layers.preprocessing.index_lookup:IndexLookup"
)

# What the layers that augment images derive from, since Keras 3.7.
BaseImagePreprocessingLayer: Any = first_of(
    "BaseImagePreprocessingLayer",
    "keras.src.layers.preprocessing.image_preprocessing.base_image_preprocessing_layer:"
    "BaseImagePreprocessingLayer",
)


def table_default(table: Any) -> Any:
    """Return the value that a lookup table of TensorFlow has for a key that is not in it.

    Relies on `_default_value` of TensorFlow's tables, since TensorFlow 2.0.
    """
    return private(table, "_default_value", "table_default")
