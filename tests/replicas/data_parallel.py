"""Trains with Keras's DataParallel on JAX, over two host devices; run as a program."""

import sys

import jax
import keras
import numpy as np
import shared

import keras_dropouts as kd

devices = keras.distribution.list_devices("cpu")
assert len(devices) == 2, devices
keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))

model = shared.model()
x, y = shared.data()
model.fit(x, y, batch_size=8, epochs=1, verbose=0)
shared.check_state(model, 4)
shared.check_saved(model, sys.argv[1], 4)

layer = kd.ScheduledDropout(0.5, seed=1)
layer.build((None, 64))
state = [variable.value for variable in layer.non_trainable_variables]
mesh = jax.sharding.Mesh(np.array(jax.devices("cpu")), ("batch",))
spread = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("batch"))
ones = jax.device_put(np.ones((8, 64), "float32"), spread)
run = jax.jit(lambda state, x: layer.stateless_call([], state, x, training=True))
output, after = run(state, ones)
assert len(output.sharding.device_set) == 2
first, second = np.split(np.asarray(output), 2)
assert not np.array_equal(first, second), "the devices draw the same mask"
assert int(after[1]) == 1
print("ok")
