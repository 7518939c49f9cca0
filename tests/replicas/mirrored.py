"""Trains with MirroredStrategy over two logical CPU devices; run as a program."""

import sys

import keras
import numpy as np
import shared
import tensorflow as tf

import keras_dropouts as kd

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

with strategy.scope():
    layers = [kd.ScheduledDropout(0.5, seed=1), kd.DropConnect(keras.layers.Dense(8), 0.5, seed=1)]
    for layer in layers:
        layer.build((None, 64))

for layer in layers:

    @tf.function
    def draw(layer: object = layer) -> object:
        return strategy.run(lambda: layer(tf.ones((4, 64)), training=True))

    first, second = (each.numpy() for each in strategy.experimental_local_results(draw()))
    assert not np.array_equal(first, second), "the replicas draw the same mask"
    assert layer.step == 1, layer.step

with strategy.scope():
    model = shared.model()
x, y = shared.data()
model.fit(x, y, batch_size=8, epochs=1, verbose=0)
shared.check_state(model, 4)
shared.check_saved(model, sys.argv[1], 4)
print("ok")
