"""Makes predictions that are too certain, for tests of calibrations, and measures others."""

import keras
import numpy as np

import keras_dropouts as kd

METHODS = ("temperature", "vector", "isotonic")


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def make_overconfident():
    """Probabilities whose logits are three times too large, and labels drawn by the true ones."""
    random = np.random.default_rng(0)
    scores = 2.0 * random.normal(size=(6000, 4))
    labels = np.array([random.choice(4, p=p) for p in softmax(scores)])
    return softmax(3.0 * scores), labels


def held(p):
    """Return an array as the backend holds it: JAX has no float64."""
    return keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(p))


def figures(p, y):
    return kd.uncertainty.evaluate(np.asarray(p), y).to_dict()
