"""Loads a model that another backend saved, or makes one; trains and saves it; run as a program."""

import sys
from pathlib import Path

import keras
import numpy as np
import shared

source, target, steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
model = keras.saving.load_model(source) if Path(source).exists() else shared.model()
shared.check_state(model, steps)
x, y = shared.data()
before = Path(f"{source}.npy")
if before.exists():
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(model(x)), np.load(before), rtol=1e-4, atol=1e-5
    )
model.compile(keras.optimizers.SGD(1e-3), "mse", jit_compile=False)
model.fit(x, y, batch_size=8, verbose=0)
shared.check_state(model, steps + 4)
shared.check_saved(model, target, steps + 4)
np.save(f"{target}.npy", keras.ops.convert_to_numpy(model(x)))
print("ok")
