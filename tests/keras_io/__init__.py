"""Small models after the public examples of keras.io, in words of our own: what people build."""

from keras_io import (
    dense_images,
    detection,
    generation,
    graphs,
    patches,
    pictures,
    sentences,
    series,
    sounds,
    tables,
    translation,
    twins,
    video,
)
from keras_io.example import ZOO, Example

__all__ = ["ZOO", "Example"]

_FILES = (
    *(dense_images, detection, generation, graphs, patches, pictures, sentences, series, sounds),
    *(tables, translation, twins, video),
)
