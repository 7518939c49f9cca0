"""Every model of keras.applications, in its full size, to ONNX: audited and compared with Keras.

Run: python benchmarks/applications.py [NAME ...]

Each with random weights, 10 classes and the smallest image it takes, in a process of its own, the
smallest model first. A line says how many weights it has, how far the file is from the model, how
long the export took (building left out), the peak of memory; or why there is no file.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
import inspect
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import keras
import numpy as np

import keras_dropouts_export as kde

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import zoo_applications

# By the number of weights; one that is new in Keras comes last.
ORDER = """
MobileNetV3Small MobileNetV2 MobileNet NASNetMobile EfficientNetB0 MobileNetV3Large
EfficientNetV2B0 EfficientNetB1 DenseNet121 EfficientNetV2B1 EfficientNetB2 EfficientNetV2B2
EfficientNetB3 DenseNet169 EfficientNetV2B3 EfficientNetB4 DenseNet201 EfficientNetV2S Xception
InceptionV3 ResNet50 ResNet50V2 ConvNeXtTiny EfficientNetB5 VGG16 VGG19 EfficientNetB6 ResNet101
ResNet101V2 ConvNeXtSmall EfficientNetV2M InceptionResNetV2 ResNet152 ResNet152V2 EfficientNetB7
ConvNeXtBase NASNetLarge EfficientNetV2L ConvNeXtLarge ConvNeXtXLarge
"""
SMALLEST = {"Xception": 71, "InceptionV3": 75, "InceptionResNetV2": 75}


# With the statistics that it begins with, its numbers grow until float32 is off by nearly all of
# them from float64.
UNSTABLE = {"EfficientNetV2L"}


def every_name() -> list[str]:
    """Return the names of all models of keras.applications, the smallest first."""
    found = [name for name, _ in inspect.getmembers(keras.applications, inspect.isfunction)]
    order = ORDER.split()
    return sorted(found, key=lambda name: order.index(name) if name in order else len(order))


def settle(model: keras.Model) -> None:
    """Give BatchNormalization the statistics of a batch, as training would have."""
    images = 127 * np.random.default_rng(1).standard_normal((32, *model.input_shape[1:]))
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(images.astype("float32"), training=True)


def export(name: str) -> str:
    """Export one model and return what there is to say of it."""
    keras.utils.set_random_seed(0)
    model = zoo_applications.make(name, SMALLEST.get(name, 32))
    if name in UNSTABLE:
        settle(model)
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        try:
            report = kde.export_onnx(model, Path(folder) / "m.onnx")
        except kde.ExportError as error:
            return f"not written: {' '.join(str(error).split())[:200]}"
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return (
        f"{model.count_params() / 1e6:6.1f} M weights  {report.parity.max_abs_error:.1e}  "
        f"{seconds:4.0f} s  {peak:4.1f} GiB"
    )


def main() -> None:
    """Print a line a model, and how many were written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="which of them; all by default")
    parser.add_argument("--here", action="store_true", help="one model, in this process")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    names = arguments.names or every_name()
    if arguments.here:
        print(export(names[0]))
        return
    written = 0
    for name in names:
        command = [sys.executable, __file__, "--here", name]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        lines = (run.stdout if run.returncode == 0 else run.stderr).strip().splitlines()
        said = lines[-1] if lines else f"ended with status {run.returncode}"
        written += run.returncode == 0 and not said.startswith("not written")
        print(f"{name:<18} {said}", flush=True)
    print(f"{written} of {len(names)} written and equal to the model")


if __name__ == "__main__":
    main()
