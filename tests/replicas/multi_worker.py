"""Runs one of two workers of a MultiWorkerMirroredStrategy; TF_CONFIG says which."""

import json
import os
import sys

import numpy as np
import tensorflow as tf

strategy = tf.distribute.MultiWorkerMirroredStrategy()

import shared  # noqa: E402 - the strategy has to be made before anything runs

index = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
with strategy.scope():
    model = shared.model()
    x, y = shared.data()
    model.optimizer.build(model.trainable_variables)
dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(8)
options = tf.data.Options()
options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
batches = strategy.experimental_distribute_dataset(dataset.with_options(options))


def train(x: tf.Tensor, y: tf.Tensor) -> None:
    """Make one training step on the share of a batch that this replica has."""
    with tf.GradientTape() as tape:
        loss = model.compute_loss(y=y, y_pred=model(x, training=True))
    variables = model.trainable_variables
    model.optimizer.apply(tape.gradient(loss, variables), variables)


# Not `fit`: Keras 3.15's takes the mean of a scalar over its first axis under this strategy.
step = tf.function(lambda batch: strategy.run(train, args=batch))
for batch in batches:
    step(batch)
shared.check_state(model, 4)
model.save(f"{sys.argv[1]}.{index}.keras")
np.savez(f"{sys.argv[1]}.{index}.npz", *model.get_weights())
print("ok")
