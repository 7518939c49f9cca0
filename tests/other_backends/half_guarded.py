"""Exports a layer of this script outside of its guard; run as a program."""

import sys
from pathlib import Path

import keras

import keras_dropouts_export as kde


class InScript(keras.layers.Layer):
    """A layer that the script itself defines."""

    def call(self, x):
        return x + 1.0


model = keras.Sequential([keras.Input((4,)), InScript()], name="half_guarded")
try:
    kde.export_onnx(model, Path(sys.argv[1]))
except kde.ExportError as error:
    if __name__ != "__main__":
        raise
    print(error)

if __name__ == "__main__":
    print("the end")
