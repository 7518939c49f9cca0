"""Finds the classes of Keras's preprocessing layers that have no public name."""

from __future__ import annotations

from typing import Any

from keras_dropouts.keras_internals.versions import first_of

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
