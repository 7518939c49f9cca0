"""Exports a layer of this script, and runs as a whole whoever imports it; a program."""

import sys
from pathlib import Path

import keras

import keras_dropouts_export as kde

with open(sys.argv[2], "a") as runs:
    runs.write("run\n")


class InScript(keras.layers.Layer):
    """A layer that the script itself defines."""

    def call(self, x):
        return x + 1.0


model = keras.Sequential([keras.Input((4,)), InScript()], name="unguarded")
try:
    kde.export_onnx(model, Path(sys.argv[1]))
except kde.ExportError as error:
    print(error)
