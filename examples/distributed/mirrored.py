"""Trains on two devices with tf.distribute.MirroredStrategy, stops, and goes on to the bit."""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import one_model
import tensorflow as tf

import keras_dropouts as kd

# Two devices on a machine that has one. With GPUs: strategy = tf.distribute.MirroredStrategy()
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
x, y = one_model.data()


def fit(model, epochs):
    """Train on batches in the same order each time."""
    model.fit(x, y, batch_size=one_model.BATCH, epochs=epochs, shuffle=False, verbose=0)


# Each replica draws masks of its own.
with strategy.scope():
    layer = kd.ScheduledDropout(0.5, seed=1)
    layer.build((None, 64))


@tf.function
def draw():
    """Return what each replica makes of ones."""
    return strategy.run(layer, (tf.ones((4, 64)),), {"training": True})


first, second = (each.numpy() for each in strategy.experimental_local_results(draw()))
assert not np.array_equal(first, second)
assert layer.step == 1  # and the two of them were one step
print("masks differ between the replicas")

# Four epochs at once, and two, a file, and two more.
with strategy.scope():
    whole, half = one_model.model(), one_model.model()
fit(whole, 4)
one_model.check_steps(whole, 4)
fit(half, 2)
half.save("mirrored.keras")
with strategy.scope():
    resumed = keras.saving.load_model("mirrored.keras")
one_model.check_steps(resumed, 2)
fit(resumed, 2)
one_model.check_steps(resumed, 4)
one_model.check_equal(one_model.state(whole), one_model.state(resumed))
print("rates and steps agree, and the resumed run is the uninterrupted one to the bit")
