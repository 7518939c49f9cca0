"""Trains in two processes with tf.distribute.MultiWorkerMirroredStrategy, stops, and goes on.

Without TF_CONFIG it starts both workers itself, on this machine. A cluster sets TF_CONFIG on each.
"""

import json
import os
import socket
import subprocess
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"


def start_both():
    """Run this program as worker 0 and as worker 1, and end with what they ended with."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    workers = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    started = []
    for index in range(2):
        task = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
        environment = {**os.environ, "TF_CONFIG": json.dumps(task)}
        started.append(subprocess.Popen([sys.executable, __file__], env=environment))
    sys.exit(max(abs(each.wait()) for each in started))


if "TF_CONFIG" not in os.environ:
    start_both()

import tensorflow as tf  # noqa: E402

strategy = tf.distribute.MultiWorkerMirroredStrategy()  # before anything else of TensorFlow runs

import keras  # noqa: E402
import numpy as np  # noqa: E402
import one_model  # noqa: E402

import keras_dropouts as kd  # noqa: E402

index = strategy.cluster_resolver.task_id
x, y = one_model.data()


def fit(model, epochs):
    """Train by hand: `fit` of Keras 3.15 takes the mean of a scalar over an axis here."""
    with strategy.scope():
        model.optimizer.build(model.trainable_variables)
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(one_model.BATCH)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    batches = strategy.experimental_distribute_dataset(dataset.with_options(options))

    def train(x, y):
        """Make one training step on the share of a batch that this replica has."""
        with tf.GradientTape() as tape:
            loss = model.compute_loss(y=y, y_pred=model(x, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        model.optimizer.apply(gradients, model.trainable_variables)

    step = tf.function(lambda batch: strategy.run(train, args=batch))
    for _ in range(epochs):
        for batch in batches:
            step(batch)


# Each worker draws masks of its own, though both hold the same seed and the same step.
with strategy.scope():
    layer = kd.ScheduledDropout(0.5, seed=1)
    layer.build((None, 64))


@tf.function
def draw():
    """Return the masks of all workers, in each of them."""

    def masks():
        context = tf.distribute.get_replica_context()
        return context.all_gather(layer(tf.ones((1, 64)), training=True), axis=0)

    return strategy.run(masks)


both = draw().numpy()
assert both.shape == (2, 64)
assert not np.array_equal(both[0], both[1])
assert layer.step == 1
print(f"worker {index}: masks differ between the workers")

with strategy.scope():
    whole, half = one_model.model(), one_model.model()
fit(whole, 4)
one_model.check_steps(whole, 4)
fit(half, 2)
path = f"multi_worker.{index}.keras"  # each worker writes its own; they are the same
half.save(path)
with strategy.scope():
    resumed = keras.saving.load_model(path)
fit(resumed, 2)
one_model.check_steps(resumed, 4)
one_model.check_equal(one_model.state(whole), one_model.state(resumed))
print(f"worker {index}: rates and steps agree, and the resumed run is the same to the bit")
