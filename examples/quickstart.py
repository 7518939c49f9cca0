"""From training to serving: digits, three kinds of dropout, and files proven equal to the model.

Run it with `make demo`, or `python examples/quickstart.py [FOLDER]`; it writes to `demo/`.
"""

import subprocess
import sys
from pathlib import Path

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
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
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
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for name, values in history.items():
        if name.startswith("rate/"):
            axes.plot(range(1, len(values) + 1), values, label=name.removeprefix("rate/"))
    axes.set(xlabel="epoch", ylabel="rate of dropping", ylim=(0, None), title="Dropout rates")
    axes.legend()
    figure.savefig(path, dpi=120)


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


def main(folder: Path) -> None:
    """Train, save, load, strip, freeze, export, serve, and prove each step."""
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(0)
    x_train, x_test, y_train, y_test = load_data()

    print("\n1. Train")
    model = build_model(len(x_train))
    history = model.fit(
        x_train,
        y_train,
        batch_size=BATCH_SIZE,
        epochs=EPOCHS,
        validation_data=(x_test, y_test),
        callbacks=[kd.RateLogger()],
    ).history
    accuracy = model.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"]
    print(f"\ntest accuracy {accuracy:.4f}\n\n{kd.inspect_dropout(model)}")

    print("\n2. Save, and load in a new process")
    model.save(folder / "digits.keras")
    expected = model.predict(x_test, verbose=0)
    loaded = predict_in_new_process(folder / "digits.keras", x_test)
    print(f"predictions equal to the bit: {np.array_equal(loaded, expected)}")

    print("\n3. Strip and freeze")
    stripped, frozen = kde.strip_dropout(model), kde.freeze_dropout(model)
    stripped.summary()
    for name, other in [("stripped", stripped), ("frozen", frozen)]:
        same = np.array_equal(other.predict(x_test, verbose=0), expected)
        print(f"{name}: predictions equal to the bit: {same}")
    print(f"\n{kd.inspect_dropout(frozen)}")

    print("\n4. Export")
    print(kde.export_saved_model(model, folder / "digits", overwrite=True))
    print(kde.export_onnx(model, folder / "digits.onnx", overwrite=True))

    print("\n5. Serve with onnxruntime")
    served = serve(folder / "digits.onnx", x_test)
    agree = np.mean(served.argmax(axis=1) == expected.argmax(axis=1))
    print(f"{len(x_test)} digits: largest difference {np.abs(served - expected).max():.1e}")
    print(f"same digit predicted: {agree:.2%}, accuracy {np.mean(served.argmax(1) == y_test):.4f}")
    print(f"\n{kde.verify(model, folder / 'digits.onnx')}")

    plot_rates(history, folder / "rates.png")
    plot_accuracy(history, folder / "accuracy.png")
    plot_digits(x_test, served, folder / "served.png")
    print(f"\nPictures: {', '.join(str(path) for path in sorted(folder.glob('*.png')))}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo"))
