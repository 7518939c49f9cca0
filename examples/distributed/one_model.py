"""Makes the model and the data of the examples, and tells whether two runs of them are the same."""

import keras
import numpy as np

import keras_dropouts as kd

FEATURES, ROWS, BATCH = 16, 64, 16
STEPS_OF_AN_EPOCH = ROWS // BATCH


def data():
    """Return inputs and targets, the same in every process."""
    random = np.random.default_rng(0)
    x = random.normal(size=(ROWS, FEATURES)).astype("float32")
    return x, x[:, :1] - x[:, 1:2]


def model():
    """Return a compiled model whose rate grows with the steps of training, and one that is learned.

    Every process that makes it begins with the same weights and the same seeds.
    """
    keras.utils.set_random_seed(1)
    ramp = kd.schedules.LinearRamp(0.0, 0.4, ramp_steps=4 * STEPS_OF_AN_EPOCH)
    made = keras.Sequential(
        [
            keras.Input((FEATURES,)),
            keras.layers.Dense(32, activation="relu", name="hidden"),
            kd.ScheduledDropout(ramp, name="ramp"),
            kd.ConcreteDropout(keras.layers.Dense(8, name="inner"), name="learned", data_size=ROWS),
            kd.GaussianDropout(0.1, name="noise"),
            keras.layers.Dense(1, name="out"),
        ]
    )
    made.compile(keras.optimizers.Adam(1e-3), "mse", jit_compile=False)
    return made


def check_steps(trained, epochs):
    """Check that each layer has counted the steps once, and that the rate has followed them."""
    steps = epochs * STEPS_OF_AN_EPOCH
    counted = {name: trained.get_layer(name).step for name in ("ramp", "learned", "noise")}
    assert set(counted.values()) == {steps}, counted
    np.testing.assert_allclose(trained.get_layer("ramp").rate, 0.1 * epochs, rtol=1e-6)


def state(trained):
    """Return all that training goes on from: weights, steps, seeds and the optimizer's state."""
    variables = [*trained.variables, *trained.optimizer.variables]
    return [np.array(keras.ops.convert_to_numpy(each.value)) for each in variables]


def check_equal(one, other):
    """Check that two states are the same to the bit."""
    for i, (left, right) in enumerate(zip(one, other, strict=True)):
        np.testing.assert_array_equal(left, right, err_msg=f"variable {i}")
