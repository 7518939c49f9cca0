"""Compares what the programs of this folder exported with the model on its own backend."""

import keras
import numpy as np
import onnxruntime

BACKEND = keras.backend.backend()


def stirred(model):
    """Return the model with weights that no layer begins with."""
    random = np.random.default_rng(7)
    for weight in model.weights:
        if "float" in str(weight.dtype) and len(weight.shape):
            moved = np.abs(random.normal(0.3, 0.3, weight.shape)) + 0.05
            weight.assign(moved * np.where(random.random(weight.shape) < 0.4, -1, 1))
        if weight.name == "moving_variance":
            weight.assign(np.abs(keras.ops.convert_to_numpy(weight)))
    return model


def numpy_of(x):
    """Return a structure of tensors as arrays."""
    return keras.tree.map_structure(lambda t: np.asarray(keras.ops.convert_to_numpy(t)), x)


def run(path, **inputs):
    """Return what onnxruntime answers, by name."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


def close(got, wanted, name):
    """Check two arrays, and say how far they are apart."""
    got, wanted = np.asarray(got, "float64"), np.asarray(wanted, "float64")
    np.testing.assert_allclose(got, wanted, atol=1e-5, rtol=1e-4, err_msg=name)
    print(f"{name}: the largest difference is {np.abs(got - wanted).max():.2g}")


def saved_model(path, **inputs):
    """Return what TensorFlow answers in this process, by name."""
    import tensorflow as tf

    served = tf.saved_model.load(str(path)).signatures["serving_default"]
    return {name: x.numpy() for name, x in served(**inputs).items()}
