"""Trains with keras.distribution.ModelParallel on four devices of JAX, stops, and goes on."""

import os

os.environ["KERAS_BACKEND"] = "jax"
# Four devices on a machine that has one; with GPUs or TPUs leave this out.
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"

import keras
import numpy as np
import one_model

devices = keras.distribution.list_devices("cpu")
assert len(devices) == 4, devices
x, y = one_model.data()


def fit(model, epochs):
    """Train on batches in the same order each time."""
    model.fit(x, y, batch_size=one_model.BATCH, epochs=epochs, shuffle=False, verbose=0)
    return model


# What one device computes, to compare with.
alone = one_model.state(fit(one_model.model(), 4))

# Two halves of each batch, and two halves of the weights: four devices.
mesh = keras.distribution.DeviceMesh((2, 2), ["batch", "model"], devices)
layout = keras.distribution.LayoutMap(mesh)
# By the names of the layers: a loaded model has paths without those of what holds them.
layout[".*hidden.*kernel"] = (None, "model")
layout[".*hidden.*bias"] = ("model",)
layout[".*inner.*kernel"] = ("model", None)
keras.distribution.set_distribution(
    keras.distribution.ModelParallel(layout_map=layout, batch_dim_name="batch")
)
whole = fit(one_model.model(), 4)
kernel = whole.get_layer("hidden").kernel.value
assert {each.data.shape for each in kernel.addressable_shards} == {(one_model.FEATURES, 16)}
one_model.check_steps(whole, 4)

# A mask is that of the whole batch and of all units, wherever they are: the run is the one on one
# device, within the rounding of sums in another order.
spread = one_model.state(whole)
for left, right in zip(alone, spread, strict=True):
    np.testing.assert_allclose(left, right, atol=1e-5, rtol=1e-4)
print("four devices draw the masks of one")

half = fit(one_model.model(), 2)
half.save("model_parallel.keras")
resumed = keras.saving.load_model("model_parallel.keras")
one_model.check_steps(resumed, 2)
fit(resumed, 2)
one_model.check_steps(resumed, 4)
one_model.check_equal(spread, one_model.state(resumed))
print("rates and steps agree, and the resumed run is the uninterrupted one to the bit")
