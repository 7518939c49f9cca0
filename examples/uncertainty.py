"""Uncertainty that can be acted on: measured, calibrated, with guarantees, and served.

Run `python examples/uncertainty.py [FOLDER]` (or `make uncertainty`); it takes less than two
minutes on two cores. A small net learns handwritten digits, another one the course of diabetes, on
real data that scikit-learn ships. On data held out both learn how sure they may be: a temperature,
sets and intervals that hold the truth as often as promised, and a threshold below which a person
should look. One ONNX file for each serves all of that; the picture is FOLDER/uncertainty.png. With
`--digits .data/digits.npz` the digits are those of 28 x 28 pixels, which `make digits` fetches.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import onnxruntime
from sklearn.datasets import load_diabetes, load_digits
from sklearn.model_selection import train_test_split
from uncertainty_picture import draw

import keras_dropouts as kd
import keras_dropouts_export as kde
from keras_dropouts_export.evaluation.evaluate_file import evaluate_file

SAMPLES, SEED = 32, 7
SETS, INTERVALS = 0.98, 0.9  # how often the truth is to be in a set, and in an interval
RISK, SURE = 0.02, 0.9  # at most this share of errors where a digit is accepted, this surely

Part = tuple[np.ndarray, np.ndarray]


class Data(NamedTuple):
    """What is learned from, what is calibrated on, and what is measured on."""

    train: Part
    held_out: Part
    test: Part


class Story(NamedTuple):
    """What a file serves of the test data, what it is worth, and what Keras says of the same."""

    served: dict[str, np.ndarray]
    figures: dict[str, float]
    keras: dict[str, np.ndarray]
    test: Part


def split(x: np.ndarray, y: np.ndarray, train: int, held_out: int, stratify: bool) -> Data:
    """Return three parts that have no row in common, the last with 2,000 of what is left."""
    x, x_rest, y, y_rest = train_test_split(
        x, y, train_size=train, stratify=y if stratify else None, random_state=0
    )
    x_held, x_test, y_held, y_test = train_test_split(
        x_rest, y_rest, train_size=held_out, stratify=y_rest if stratify else None, random_state=0
    )
    return Data((x, y), (x_held, y_held), (x_test[:2000], y_test[:2000]))


def digits_data(packed: Path | None) -> Data:
    """Return images with one channel from 0 to 1, and which digits they show."""
    if packed is None:
        digits = load_digits()
        images, labels, count = digits.images / 16.0, digits.target, (300, 600)
    else:
        if not packed.exists():
            raise SystemExit(f"There is no {packed}: run `make digits`, which fetches it.")
        with np.load(packed) as arrays:
            images, labels, count = arrays["images"] / 255.0, arrays["labels"], (1000, 2000)
    return split(images.astype("float32")[..., None], labels.astype("int64"), *count, stratify=True)


def diabetes_data() -> Data:
    """Return 10 measures of patients, scaled, and the progression of diabetes a year later."""
    x, y = load_diabetes(return_X_y=True)
    x = (x / x.std(axis=0)).astype("float32")
    return split(x, y.astype("float32")[:, None], 200, 121, stratify=False)


def digits_model(side: int) -> keras.Model:
    """Return a small convolutional net with dropout."""
    layers = keras.layers
    inputs = keras.Input((side, side, 1), name="image")
    x = layers.Conv2D(16, 3, strides=1 + side // 28, padding="same", activation="relu")(inputs)
    x = kd.SpatialDropout(0.1, seed=1)(x)
    x = layers.Conv2D(32, 3, padding="same", activation="relu")(x)
    x = layers.Flatten()(layers.MaxPooling2D()(x))
    x = kd.ScheduledDropout(0.4, seed=2)(x)
    x = layers.Dense(64, activation="relu")(x)
    x = kd.ScheduledDropout(0.4, seed=3)(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax", name="digit")(x))


def diabetes_model(y: np.ndarray) -> keras.Model:
    """Return a feed-forward net with dropout that answers in the units of `y`."""
    layers = keras.layers
    inputs = keras.Input((10,), name="measures")
    x = layers.Dense(50, activation="relu")(inputs)
    x = kd.ScheduledDropout(0.2, seed=4)(x)
    x = layers.Dense(50, activation="relu")(x)
    x = kd.ScheduledDropout(0.2, seed=5)(x)
    x = layers.Dense(1)(x)
    scaled = layers.Rescaling(float(y.std()), float(y.mean()), name="progression")
    return keras.Model(inputs, scaled(x))


def sampled(model: keras.Model, x: np.ndarray) -> kd.MonteCarloPrediction:
    """Return the prediction of Keras, with the masks that the file draws for the same seed."""
    return kd.mc_predict(model, x, SAMPLES, SEED, batch_size=len(x), verbose=False)


def serve(path: Path, name: str, x: np.ndarray) -> dict[str, np.ndarray]:
    """Return the outputs of a file by name, from onnxruntime."""
    session = onnxruntime.InferenceSession(str(path))
    names = [each.name for each in session.get_outputs()]
    feeds = {name: x, "seed": kd.row_seeds(SEED, len(x))}
    return dict(zip(names, session.run(names, feeds), strict=True))


def evaluated(path: Path, name: str, part: Part) -> dict[str, float]:
    """Return the figures of a file, as `keras-dropouts evaluate FILE DATA` reports them."""
    data = path.with_name(f"{path.stem}_test.npz")
    np.savez(data, **{name: part[0], "y": part[1]})
    report = evaluate_file(path, data, seed=SEED)
    print(f"\n   keras-dropouts evaluate {path.name} {data.name} --seed {SEED}")
    return report.figures


def digits(folder: Path, data: Data, epochs: int) -> Story:
    """Tell the story of the digits."""
    x, y = data.test
    model = digits_model(x.shape[1])
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(*data.train, batch_size=32, epochs=epochs, verbose=0)
    test, held_out = sampled(model, x), sampled(model, data.held_out[0])
    before = kd.uncertainty.evaluate(test, y)
    print(f"Digits: {len(data.train[1])} to learn from, {len(data.held_out[1])} to calibrate on, "
          f"{len(y)} to test on.")  # fmt: skip
    print(f"1. Measured. {before.figures['accuracy']:.1%} are right; the mean of {SAMPLES} samples "
          f"is {before.figures['confidence']:.1%} sure.")  # fmt: skip

    temperature = kd.uncertainty.calibrate(held_out, y=data.held_out[1])
    after = kd.uncertainty.evaluate(np.asarray(temperature(test.mean)), y)
    print(f"2. Calibrated by a temperature of {temperature.temperature:.2f}: the calibration error "
          f"is {after.figures['ece']:.3f}, and was {before.figures['ece']:.3f}.")  # fmt: skip

    sets = kd.uncertainty.conformal(
        model, *data.held_out, coverage=SETS, samples=SAMPLES, seed=SEED
    )
    report = kd.uncertainty.evaluate(held_out, data.held_out[1])
    threshold = report.threshold(risk=RISK, confidence=SURE)
    path = folder / "digits.onnx"
    decisions = [temperature, sets, threshold]
    kde.export_onnx(model, path, samples=SAMPLES, calibration=decisions, overwrite=True)
    served = serve(path, "image", x)
    found = evaluated(path, "image", data.test)
    print(f"3. Guaranteed. Sets that hold the truth {SETS:.0%} of the time hold it "
          f"{found['set_coverage']:.1%} of it, with {found['set_size']:.2f} digits each.\n"
          f"4. Selected. Where the file is at least {float(threshold):.1%} sure, it accepts: that "
          f"is {found['accepted']:.1%} of the digits, {found['accepted_risk']:.1%} of them wrong; "
          f"{1 - found['accuracy']:.1%} are wrong of all.")  # fmt: skip
    apart = np.abs(test.mean - served["digit_mean"]).max()
    same = [np.mean(sets(test) == served["digit_set"]),
            np.mean(threshold.accepts(test) == served["digit_accept"])]  # fmt: skip
    print(f"5. Served. {path.name} and Keras differ by at most {apart:.0e}; of the sets "
          f"{same[0]:.2%} are equal, of the decisions {same[1]:.2%}.")  # fmt: skip
    return Story(served, found, {"mean": test.mean, "set": sets(test)}, data.test)


def diabetes(folder: Path, data: Data, epochs: int) -> Story:
    """Tell the story of diabetes."""
    x, y = data.test
    model = diabetes_model(data.train[1])
    model.compile(keras.optimizers.Adam(3e-3), "mse")
    model.fit(*data.train, batch_size=32, epochs=epochs, verbose=0)
    test, held_out = sampled(model, x), sampled(model, data.held_out[0])
    scale = kd.uncertainty.calibrate(held_out, y=data.held_out[1], method="std")
    intervals, scaled = (
        kd.uncertainty.conformal(
            model, *data.held_out, coverage=INTERVALS, method=method, samples=SAMPLES, seed=SEED
        )
        for method in ("absolute", "scaled")
    )
    path = folder / "diabetes.onnx"
    kde.export_onnx(model, path, samples=SAMPLES, calibration=[scale, intervals], overwrite=True)
    served = serve(path, "measures", x)
    print(f"\nDiabetes: {len(data.train[1])} patients to learn from, {len(data.held_out[1])} to "
          f"calibrate on, {len(y)} to test on.")  # fmt: skip
    found = evaluated(path, "measures", data.test)
    ends = scaled(test)
    calibrated = kd.uncertainty.evaluate(
        served["progression_mean"], y, std=served["progression_calibrated_std"]
    ).figures
    print(f"1. Measured. The error (RMSE) is {found['rmse']:.0f}, the spread of the samples "
          f"{found['std']:.0f}, so 90 % intervals of it hold {found['coverage_90']:.1%}.\n"
          f"2. Calibrated. With the deviation times {scale.scale:.1f} they hold "
          f"{calibrated['coverage_90']:.1%}; the NLL falls from {found['nll']:.2f} to "
          f"{calibrated['nll']:.2f}.\n"
          f"3. Guaranteed. The intervals in the file hold {found['interval_coverage']:.1%}, where "
          f"{INTERVALS:.0%} were asked for. They are {found['interval_width']:.0f} wide; scaled by "
          f"the deviation it would be {np.mean(ends[1] - ends[0]):.0f} on average.")  # fmt: skip
    apart = np.abs(test.mean - served["progression_mean"]).max()
    print(f"4. Served. {path.name} and Keras differ by at most {apart:.0e}.")
    lower, upper = intervals(test)
    return Story(served, found, {"mean": test.mean, "lower": lower, "upper": upper}, data.test)


def main(folder: Path, packed: Path | None = None, epochs: int = 60) -> tuple[Story, Story]:
    """Tell both stories and draw the picture."""
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(SEED)
    first = digits(folder, digits_data(packed), epochs)
    second = diabetes(folder, diabetes_data(), 3 * epochs)
    path = folder / "uncertainty.png"
    draw(first.served, first.test, second.served, second.test, INTERVALS, path)
    print(f"\nThe picture is {path}.")
    return first, second


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("demo/uncertainty"))
    parser.add_argument("--digits", type=Path, help=".data/digits.npz, which `make digits` makes")
    given = parser.parse_args()
    main(given.folder, given.digits)
