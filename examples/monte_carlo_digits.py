"""Monte-Carlo dropout on digits, served by onnxruntime: what a classifier gains by saying "unsure".

Run `python examples/monte_carlo_digits.py [FOLDER]`; it writes three pictures and the two ONNX
files, and takes about a minute on two cores. It trains a small CNN on scikit-learn's digits 0 to
7 and serves it twice: as it is, and with Monte-Carlo dropout inside the file. Then it asks both
which predictions to trust: on test digits with noise, on digits turned by 20 to 70 degrees, and
on the digits 8 and 9, which it has never seen.
"""

import sys
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import onnxruntime
from scipy.ndimage import rotate
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

import keras_dropouts as kd
import keras_dropouts_export as kde

EPOCHS, SAMPLES, SEED = 60, 64, 7
KNOWN = 8  # digits 0 to 7 are learned; 8 and 9 are foreign
COLOURS = {"deterministic": "tab:gray", "Monte-Carlo": "tab:blue"}

Served = dict[str, np.ndarray]


def load_data() -> dict[str, np.ndarray]:
    """Return training and test digits, foreign digits, and noisy and rotated test digits."""
    digits = load_digits()
    images = (digits.images / 16.0).astype("float32")
    known = digits.target < KNOWN
    x, test, y, labels = train_test_split(
        images[known], digits.target[known], test_size=0.4, stratify=digits.target[known],
        random_state=0,
    )  # fmt: skip
    random = np.random.default_rng(0)
    angles = random.uniform(20, 70, len(test)) * random.choice([-1, 1], len(test))
    turned = [
        rotate(each, angle, reshape=False, order=1)
        for each, angle in zip(test, angles, strict=True)
    ]
    noisy = np.clip(test + random.normal(0, 0.35, test.shape), 0, 1)
    data = {"x": x, "test": test, "noisy": noisy, "rotated": turned, "foreign": images[~known]}
    arrays = {name: np.asarray(each, "float32")[..., None] for name, each in data.items()}
    return {**arrays, "y": y, "labels": labels}


def build_model() -> keras.Model:
    """Return a CNN with dropout after each block."""
    layers = keras.layers
    inputs = keras.Input((8, 8, 1), name="image")
    x = layers.Conv2D(32, 3, padding="same", activation="relu")(inputs)
    x = kd.SpatialDropout(0.1, seed=1)(x)
    x = layers.Conv2D(64, 3, padding="same", activation="relu")(x)
    x = layers.Flatten()(layers.MaxPooling2D()(x))
    x = kd.ScheduledDropout(0.5, seed=2)(x)
    x = layers.Dense(128, activation="relu")(x)
    x = kd.ScheduledDropout(0.5, seed=3)(x)
    return keras.Model(inputs, layers.Dense(KNOWN, activation="softmax", name="digit")(x))


def serve(folder: Path, images: np.ndarray) -> dict[str, Served]:
    """Return probabilities and uncertainty from both files, by onnxruntime."""
    plain = onnxruntime.InferenceSession(str(folder / "digits.onnx"))
    sampled = onnxruntime.InferenceSession(str(folder / "digits_mc.onnx"))
    (probabilities,) = plain.run(None, {"image": images})
    feeds = {"image": images, "seed": kd.row_seeds(SEED, len(images))}
    names = [each.name for each in sampled.get_outputs()]
    found = dict(zip(names, sampled.run(names, feeds), strict=True))
    logs = np.log(np.clip(probabilities, 1e-12, 1))
    return {
        "deterministic": {
            "probabilities": probabilities,
            "uncertainty": -(probabilities * logs).sum(axis=-1),
        },
        "Monte-Carlo": {
            "probabilities": found["digit_mean"],
            "uncertainty": found["digit_entropy"],
            "disagreement": found["digit_mutual_information"],
        },
    }


def calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = 10) -> float:
    """Return the expected calibration error: the mean of |accuracy - confidence| over bins."""
    error = 0.0
    for _, confidence, accuracy, share in calibration(probabilities, labels, bins):
        error += share * abs(accuracy - confidence)
    return error


def calibration(
    probabilities: np.ndarray, labels: np.ndarray, bins: int = 10
) -> list[tuple[float, float, float, float]]:
    """Return (centre, mean confidence, accuracy, share of rows) of each bin that holds rows."""
    confidence = probabilities.max(axis=-1)
    right = probabilities.argmax(axis=-1) == labels
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    found = []
    for i in range(bins):
        here = index == i
        if here.any():
            centre = (i + 0.5) / bins
            found.append((centre, confidence[here].mean(), right[here].mean(), here.mean()))
    return found


def risks(served: Served, labels: np.ndarray) -> np.ndarray:
    """Return the error rate among the k surest rows, for each k."""
    wrong = served["probabilities"].argmax(axis=-1) != labels
    return np.cumsum(wrong[np.argsort(served["uncertainty"])]) / np.arange(1, len(labels) + 1)


def draw_risk(found: dict[str, dict[str, Served]], labels: np.ndarray, path: Path) -> None:
    """Draw the error rate over the share of predictions that are trusted."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True)
    for ax, data in zip(axes, ("noisy", "rotated"), strict=True):
        for name, served in found[data].items():
            risk = risks(served, labels)
            coverage = np.arange(1, len(risk) + 1) / len(risk)
            label = f"{name}, area {risk.mean():.3f}"
            ax.plot(coverage[20:], risk[20:], color=COLOURS[name], label=label)
        ax.set(title=f"{data} digits", xlabel="coverage: share of the surest predictions")
        ax.legend()
    axes[0].set_ylabel("risk: share of errors among them")
    save(figure, path)


def draw_calibration(found: dict[str, dict[str, Served]], labels: np.ndarray, path: Path) -> None:
    """Draw accuracy over confidence."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 4), sharey=True)
    for ax, data in zip(axes, ("noisy", "rotated"), strict=True):
        ax.plot([0, 1], [0, 1], ":", color="black", label="perfectly calibrated")
        for name, served in found[data].items():
            _, confidence, accuracy, _ = zip(
                *calibration(served["probabilities"], labels), strict=True
            )
            error = calibration_error(served["probabilities"], labels)
            label = f"{name}, calibration error {error:.3f}"
            ax.plot(confidence, accuracy, "o-", color=COLOURS[name], label=label)
        ax.set(title=f"{data} digits", xlabel="confidence", xlim=(0, 1), ylim=(0, 1))
        ax.legend(loc="lower right", fontsize="small")
    axes[0].set_ylabel("accuracy")
    save(figure, path)


def draw_detection(found: dict[str, dict[str, Served]], path: Path) -> None:
    """Draw how the uncertainty of known, rotated and foreign digits is spread."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True)
    for ax, name in zip(axes, COLOURS, strict=True):
        groups = [found[data][name]["uncertainty"] for data in ("test", "rotated", "foreign")]
        ax.hist(groups, bins=25, range=(0, np.log(KNOWN)), density=True,
                label=["known digits", "rotated", "foreign (8 and 9)"])  # fmt: skip
        ax.set(title=name, xlabel="predictive entropy in nats", yscale="log")
    axes[0].set_ylabel("density")
    axes[1].legend()
    save(figure, path)


def save(figure: plt.Figure, path: Path) -> None:
    """Write a picture."""
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def detection(found: dict[str, dict[str, Served]], data: str, name: str, measure: str) -> float:
    """Return the area under the ROC curve of telling `data` from known digits."""
    known, strange = found["test"][name][measure], found[data][name][measure]
    truth = np.r_[np.zeros(len(known)), np.ones(len(strange))]
    return float(roc_auc_score(truth, np.r_[known, strange]))


def main(folder: Path) -> None:
    """Train, export, serve, measure and draw."""
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(SEED)
    data = load_data()
    model = build_model()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(data["x"], data["y"], batch_size=64, epochs=EPOCHS, verbose=2)
    kde.export_onnx(model, folder / "digits.onnx", overwrite=True)
    report = kde.export_onnx(
        model, folder / "digits_mc.onnx", samples=SAMPLES, uncertainty=True, overwrite=True
    )
    print(report)

    names = ("test", "noisy", "rotated", "foreign")
    found = {name: serve(folder, data[name]) for name in names}
    keras_mean = kd.mc_predict(
        model, data["test"], SAMPLES, seed=SEED, batch_size=len(data["test"]), verbose=False
    ).mean
    difference = np.abs(keras_mean - found["test"]["Monte-Carlo"]["probabilities"]).max()
    print(f"\nmc_predict in Keras and the file in onnxruntime differ by at most {difference:.1e}\n")

    print(f"{'':26s}deterministic  Monte-Carlo")
    for name in ("test", "noisy", "rotated"):
        row = [found[name][kind]["probabilities"] for kind in COLOURS]
        accuracy = [(each.argmax(axis=-1) == data["labels"]).mean() for each in row]
        error = [calibration_error(each, data["labels"]) for each in row]
        print(f"{name + ': accuracy':26s}{accuracy[0]:13.3f}{accuracy[1]:13.3f}")
        print(f"{name + ': calibration error':26s}{error[0]:13.3f}{error[1]:13.3f}")
        area = [risks(found[name][kind], data["labels"]).mean() for kind in COLOURS]
        print(f"{name + ': risk-coverage area':26s}{area[0]:13.4f}{area[1]:13.4f}")
    for name in ("rotated", "foreign"):
        area = [detection(found, name, kind, "uncertainty") for kind in COLOURS]
        print(f"{name + ': detected, ROC area':26s}{area[0]:13.3f}{area[1]:13.3f}")
        by = detection(found, name, "Monte-Carlo", "disagreement")
        print(f"{'  by mutual information':26s}{'':13s}{by:13.3f}")

    draw_risk(found, data["labels"], folder / "risk_coverage.png")
    draw_calibration(found, data["labels"], folder / "calibration.png")
    draw_detection(found, folder / "detection.png")
    print(f"\nPictures are in {folder}/")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("demo/monte_carlo"))
