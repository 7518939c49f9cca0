"""Makes the pictures of README and of the site: masks, schedules that move, coverage.

`make pictures` runs it. It writes to docs/images/; the same releases give the same pictures.
"""

from __future__ import annotations

from pathlib import Path

import coverage_of_splits
import keras
import matplotlib.pyplot as plt
import moving_schedule
import numpy as np
from sklearn.datasets import load_sample_image

import keras_dropouts as kd
from keras_dropouts.plots.noted_masks import noted_masks

IMAGES = Path(__file__).parent / "images"
RATE = 0.3


def flower() -> np.ndarray:
    """Return a photograph of scikit-learn as one grey image, float32 of shape (1, 60, 90, 1)."""
    photograph = load_sample_image("flower.jpg")[20:380, 50:590].astype("float32") / 255.0
    grey = photograph.mean(axis=-1)
    return grey.reshape(60, 6, 90, 6).mean(axis=(1, 3))[None, ..., None]


def feature_maps(image: np.ndarray) -> np.ndarray:
    """Return four feature maps of an image, float32 of shape (1, 60, 90, 4), each from 0 to 1."""
    grey = image[0, ..., 0]
    down, across = np.gradient(grey)
    maps = [grey, np.abs(across), np.abs(down), 1.0 - grey]
    return np.stack([each / each.max() for each in maps], axis=-1)[None].astype("float32")


def six_layers() -> keras.Model:
    """Return a model that gives the same feature maps to six layers beside each other."""
    inputs = keras.Input((60, 90, 4))
    layers = [
        kd.ScheduledDropout(RATE, name="single units"),
        kd.SpatialDropout(RATE, name="channels"),
        kd.DropBlock2D(RATE, block_size=11, name="blocks"),
        kd.DropBlock2D(RATE, block_size=11, shared=True, name="the same blocks in all"),
        kd.ScheduledDropout(RATE, noise_shape=(None, None, 1, 1), name="lines"),
        kd.GaussianDropout(RATE, name="noise"),
    ]
    # Keras runs what stands side by side from the last to the first.
    return keras.Model(inputs, [layer(inputs) for layer in reversed(layers)], name="six")


def shown_alone() -> dict[str, tuple[keras.layers.Layer, np.ndarray, int]]:
    """Return, by the name of a picture, a layer, what it is given and how many rows are shown."""
    maps = feature_maps(flower())
    rows = np.repeat(maps, 4, axis=0)
    waves = np.sin(np.linspace(0, 12, 60)[:, None] * np.array([1.0, 1.7, 2.6, 3.1, 0.4, 2.1]))
    patches = np.repeat(np.linspace(0, 1, 49)[None, :, None], 6, axis=2)
    units = np.linspace(0, 1, 100)[None]
    convolution = keras.layers.Conv2D(4, 3, padding="same")
    return {
        "scheduled_dropout": (kd.ScheduledDropout(RATE), maps, 1),
        "dense_units": (kd.ScheduledDropout(0.5), np.repeat(units, 4, axis=0), 4),
        "spatial_dropout": (kd.SpatialDropout(RATE), rows, 4),
        "drop_block": (kd.DropBlock(RATE, block_size=11), maps, 1),
        "drop_block_1d": (kd.DropBlock(RATE, block_size=7), waves[None], 1),
        "drop_path": (kd.DropPath(0.5), rows, 4),
        "gaussian_dropout": (kd.GaussianDropout(RATE), maps, 1),
        "concrete_dropout": (kd.ConcreteDropout(convolution, rate=RATE, data_size=1000), rows, 4),
        "patch_dropout": (kd.PatchDropout(0.5), patches, 1),
    }


def main() -> None:
    """Write every picture."""
    keras.utils.set_random_seed(0)
    layers = IMAGES / "layers"
    layers.mkdir(parents=True, exist_ok=True)
    figure = kd.plot_masks(six_layers(), feature_maps(flower()), rows=1, seed=11)
    figure.set_size_inches(9.0, 5.0)
    figure.savefig(IMAGES / "masks.png", dpi=90)
    for name, (layer, x, rows) in shown_alone().items():
        layer.name = name
        seed = 5 if name == "drop_path" else 3  # one in which some rows are dropped and some not
        figure = kd.plot_masks(layer, x, rows=rows, seed=seed)
        figure.set_size_inches(3.0 * rows if rows > 1 else 4.5, 2.6)
        figure.savefig(layers / f"{name}.png", dpi=80)
        plt.close(figure)
    epochs = 20
    ramps = {
        "LinearRamp": kd.schedules.LinearRamp(0.0, 0.3, ramp_steps=epochs),
        "CosineRamp": kd.schedules.CosineRamp(0.0, 0.3, ramp_steps=epochs),
        "EarlyDropout": kd.schedules.EarlyDropout(0.3, steps=epochs // 3),
        "LateDropout": kd.schedules.LateDropout(0.3, begin_step=epochs // 2),
    }
    rates = {
        name: [float(ramp(step)) for step in range(epochs + 5)] for name, ramp in ramps.items()
    }
    masks = []
    for rate in rates["LinearRamp"]:
        layer = kd.DropBlock2D(rate, block_size=4, border="clip", seed=1)
        masks.append(noted_masks(layer, np.ones((1, 24, 24, 1)), 5)[0].factor)
    text = moving_schedule.svg(rates, [each[0, ..., 0] == 0.0 for each in masks])
    (IMAGES / "schedule.svg").write_text(text)
    for method, figures in coverage_of_splits.draw(IMAGES / "coverage.png").items():
        print(
            f"{method}: mean {figures[0]:.4f}, by theory {figures[1]:.4f}, within {figures[2]:.1%}"
        )


if __name__ == "__main__":
    main()
