"""From training to serving: digits, three kinds of dropout, and files proven equal to the model.

Run it with `make demo`, or `python examples/quickstart.py [FOLDER]`; it writes to `demo/`.
"""

import os
import subprocess
import sys
from pathlib import Path

from keras_dropouts_export.cli.quiet_start import load_tensorflow
from keras_dropouts_export.native_messages import held_back

os.environ.setdefault("MPLBACKEND", "Agg")
load_tensorflow()  # without the messages that it writes while it starts

import keras
import matplotlib.pyplot as plt
import numpy as np
import onnxruntime
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import keras_dropouts as kd
import keras_dropouts_export as kde

EPOCHS, BATCH_SIZE = 40, 64

LOAD_AND_PREDICT = """
import sys, keras, numpy, keras_dropouts
model, inputs, outputs = sys.argv[1:]
numpy.save(outputs, keras.models.load_model(model).predict(numpy.load(inputs), verbose=0))
"""


def load_data() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the handwritten digits of scikit-learn: 8 x 8 pixels from 0 to 1, and labels."""
    digits = load_digits()
    images = (digits.images[..., None] / 16.0).astype("float32")
    return train_test_split(
        images, digits.target, test_size=0.25, stratify=digits.target, random_state=0
    )


def build_model(samples: int) -> keras.Sequential:
    """Return a small CNN in which all three kinds of dropout work side by side."""
    weight, entropy = kd.concrete_regularizers(samples, length_scale=1e-2, loss="crossentropy")
    learned = {"weight_regularizer": weight, "dropout_regularizer": entropy}
    steps = EPOCHS * -(-samples // BATCH_SIZE)
    ramp = kd.schedules.LinearRamp(0.0, 0.4, ramp_steps=steps // 2)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1), name="image"),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            kd.DropBlock2D(0.1, block_size=3, name="drop_block"),
            kd.ConcreteDropout(
                layers.Conv2D(64, 3, padding="same", activation="relu", name="conv"),
                name="learned_conv",
                **learned,
            ),
            layers.MaxPooling2D(),
            layers.Flatten(),
            kd.ScheduledDropout(ramp, name="scheduled"),
            kd.ConcreteDropout(
                layers.Dense(128, activation="relu", name="hidden"),
                name="learned_hidden",
                **learned,
            ),
            layers.Dense(10, activation="softmax", name="probabilities"),
        ],
        name="digits",
    )
    crossentropy = keras.metrics.SparseCategoricalCrossentropy(name="crossentropy")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy", crossentropy])
    return model


def predict_in_new_process(model: Path, x: np.ndarray) -> np.ndarray:
    """Return what the saved model predicts where nothing but the file is known."""
    inputs, outputs = model.with_name("inputs.npy"), model.with_name("outputs.npy")
    np.save(inputs, x)
    subprocess.run([sys.executable, "-c", LOAD_AND_PREDICT, model, inputs, outputs], check=True)
    predictions = np.load(outputs)
    inputs.unlink()
    outputs.unlink()
    return predictions


def serve(path: Path, x: np.ndarray) -> np.ndarray:
    """Return what onnxruntime answers: all that a server needs."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["probabilities"], {"image": x})[0]


def plot_rates(history: dict[str, list[float]], path: Path) -> None:
    """Draw the rate of each layer over the epochs."""
    axes = plt.subplots(figsize=(7, 4), layout="constrained")[1]
    kd.plot_rates(history, ax=axes)
    axes.set(ylim=(0, 0.6), title="Dropout rates")
    axes.figure.savefig(path, dpi=120)


def plot_accuracy(history: dict[str, list[float]], path: Path) -> None:
    """Draw training and test accuracy over the epochs."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    epochs = range(1, len(history["accuracy"]) + 1)
    axes.plot(epochs, history["accuracy"], label="training, with dropout")
    axes.plot(epochs, history["val_accuracy"], label="test")
    axes.set(xlabel="epoch", ylabel="accuracy", ylim=(0.8, 1.005), title="Accuracy")
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=120)


def plot_digits(x: np.ndarray, probabilities: np.ndarray, path: Path) -> None:
    """Draw digits beside the probabilities that were served, the least certain ones first."""
    figure, axes = plt.subplots(4, 6, figsize=(10, 6), layout="constrained")
    least_certain = np.argsort(probabilities.max(axis=1))[: axes.size // 2]
    for i, (image_axes, bar_axes) in zip(least_certain, axes.reshape(-1, 2), strict=True):
        image_axes.imshow(x[i, ..., 0], cmap="gray_r")
        image_axes.axis("off")
        bar_axes.bar(range(10), probabilities[i], color="tab:blue")
        bar_axes.set(ylim=(0, 1), xticks=range(10), yticks=[0, 1])
        bar_axes.tick_params(labelsize=7)
    figure.suptitle("The digits it was least certain of, and the probabilities served")
    figure.savefig(path, dpi=120)


class Progress(keras.callbacks.Callback):
    """Prints a line every ten epochs, with the penalty of learned rates apart from the loss."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs = logs or {}
        if (epoch + 1) % 10 == 0:
            penalty = logs["loss"] - logs["crossentropy"]
            print(
                f"   epoch {epoch + 1}: crossentropy {logs['crossentropy']:.3f}, penalty "
                f"{penalty:+.3f}, accuracy on test data {logs['val_accuracy']:.3f}",
                flush=True,
            )


def train(data: tuple[np.ndarray, ...]) -> tuple[keras.Sequential, dict[str, list[float]]]:
    """Return a trained model and its history."""
    x_train, x_test, y_train, y_test = data
    model = build_model(len(x_train))
    fitted = model.fit(
        x_train,
        y_train,
        batch_size=BATCH_SIZE,
        epochs=EPOCHS,
        validation_data=(x_test, y_test),
        callbacks=[kd.RateLogger(), Progress()],
        verbose=0,
    )
    return model, fitted.history


def main(folder: Path) -> None:
    """Train, save, load, strip, freeze, export, serve, and prove each step."""
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(0)
    data = load_data()
    _, x_test, _, y_test = data

    say("1. Training a small CNN on 1,347 handwritten digits for 40 epochs. The penalty is what")
    say("   ConcreteDropout adds to the loss to learn its rates: it may be below zero, and so may")
    say("   the loss. The crossentropy is never below zero.")
    model, history = train(data)

    say("2. Saving the model, and loading it in a new process.")
    model.save(folder / "digits.keras")
    expected = model.predict(x_test, verbose=0)
    loaded = np.array_equal(predict_in_new_process(folder / "digits.keras", x_test), expected)

    say("3. Taking dropout out (strip), and making its rates constants (freeze).")
    stripped, frozen = kde.strip_dropout(model), kde.freeze_dropout(model)
    same = [np.array_equal(m.predict(x_test, verbose=0), expected) for m in (stripped, frozen)]

    say("4. Exporting to a SavedModel and to ONNX, each audited and compared with the model.")
    reports = [
        kde.export_saved_model(model, folder / "digits", overwrite=True),
        kde.export_onnx(model, folder / "digits.onnx", overwrite=True),
        kde.verify(model, folder / "digits.onnx"),
    ]

    say("5. Serving with onnxruntime, and drawing pictures.")
    served = serve(folder / "digits.onnx", x_test)
    pictures = {
        "rates.png": lambda path: plot_rates(history, path),
        "accuracy.png": lambda path: plot_accuracy(history, path),
        "masks.png": lambda path: kd.plot_masks(model, x_test).savefig(path, dpi=80),
        "served.png": lambda path: plot_digits(x_test, served, path),
    }
    for name, draw in pictures.items():
        draw(folder / name)
    tables = [kd.inspect_dropout(model), kd.inspect_dropout(frozen), *reports]
    (folder / "reports.txt").write_text("\n\n".join(map(str, tables)) + "\n")

    rates = ", ".join(f"{row.path} {row.rate:.2f}" for row in kd.inspect_dropout(model))
    agree = np.mean(served.argmax(axis=1) == expected.argmax(axis=1))
    print(f"""
Summary
  test accuracy           {np.mean(expected.argmax(axis=1) == y_test):.4f} of {len(x_test)} digits
  dropout rates now       {rates}
  loaded in new process   predictions equal to the bit: {loaded}
  stripped, frozen        predictions equal to the bit: {same[0]}, {same[1]}
  SavedModel, ONNX        verified: {reports[0].ok}, {reports[1].ok}
  served by onnxruntime   largest difference {np.abs(served - expected).max():.1e}
  the same digit          {agree:.2%} of the time
  pictures                {", ".join(pictures)}, in {folder}/
  all reports             {folder / "reports.txt"}
  go on with              the code in README.md, and docs/start/first_hour.md""")


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


if __name__ == "__main__":
    with held_back(shown_on_error=True):  # what TensorFlow writes while it works
        main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo"))
