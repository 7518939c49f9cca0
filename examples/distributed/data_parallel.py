"""Trains with keras.distribution.DataParallel on four devices of JAX, stops, and goes on."""

import os

os.environ["KERAS_BACKEND"] = "jax"
# Four devices on a machine that has one; with GPUs or TPUs leave this out.
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"

import jax
import keras
import numpy as np
import one_model

import keras_dropouts as kd

devices = keras.distribution.list_devices("cpu")
assert len(devices) == 4, devices
keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
x, y = one_model.data()


def fit(model, epochs):
    """Train on batches in the same order each time."""
    model.fit(x, y, batch_size=one_model.BATCH, epochs=epochs, shuffle=False, verbose=0)


# Each device has rows of its own in a batch, and every row its own mask.
layer = kd.ScheduledDropout(0.5, seed=1)
layer.build((None, 64))
mesh = jax.sharding.Mesh(np.array(jax.devices("cpu")), ("batch",))
rows = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("batch"))
ones = jax.device_put(np.ones((8, 64), "float32"), rows)
variables = [each.value for each in layer.non_trainable_variables]
draw = jax.jit(lambda variables, x: layer.stateless_call([], variables, x, training=True)[0])
masks = draw(variables, ones)
parts = [np.asarray(each.data) for each in masks.addressable_shards]
assert len(parts) == 4
assert len({part.tobytes() for part in parts}) == 4
print("masks differ between the devices")

whole = one_model.model()
fit(whole, 4)
one_model.check_steps(whole, 4)
half = one_model.model()
fit(half, 2)
half.save("data_parallel.keras")
resumed = keras.saving.load_model("data_parallel.keras")
one_model.check_steps(resumed, 2)
fit(resumed, 2)
one_model.check_steps(resumed, 4)
one_model.check_equal(one_model.state(whole), one_model.state(resumed))
print("rates and steps agree, and the resumed run is the uninterrupted one to the bit")
