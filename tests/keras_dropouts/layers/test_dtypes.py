"""Every layer trains in float64, and in 16 bits, where its parameters are in that dtype as well."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np
import pytest

import keras_dropouts as kd
from subjects import SUBJECTS, Subject

BACKEND = keras.backend.backend()
# JAX has no float64 by default, and on a CPU no float16 for attention and recurrent initializers.
DTYPES = ["bfloat16"] if BACKEND == "jax" else ["float64", "float16", "bfloat16"]


@pytest.fixture
def floatx(request: pytest.FixtureRequest) -> Iterator[str]:
    """Set the dtype of all that has no other, and put it back."""
    before, policy = keras.config.floatx(), keras.config.dtype_policy()
    if request.param == "float64":
        keras.config.set_floatx("float64")
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_floatx(before)
    keras.config.set_dtype_policy(policy)


def trained(model: keras.Model, x: np.ndarray, y: np.ndarray, loss: str) -> float:
    model.compile("sgd", loss)
    return model.fit(x, y, verbose=0, batch_size=len(x)).history["loss"][0]


@pytest.mark.slow
@pytest.mark.parametrize("floatx", DTYPES, indirect=True)
@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_it_trains(subject: Subject, floatx: str) -> None:
    half = floatx == "bfloat16" or (floatx == "float16" and BACKEND == "torch")
    if half and subject.name.startswith(("VariationalRNN", "Zoneout")):
        pytest.skip(f"Keras's orthogonal initializer, of recurrent layers, has no {floatx} here")
    model = subject.model(0.25)
    loss = trained(model, subject.data(4), np.ones((4, 1)), "mse")
    assert np.isfinite(loss)
    assert model.get_layer("subject").step == 1


LEARNED = [subject for subject in SUBJECTS if not subject.schedules and subject.settable]


@pytest.mark.parametrize("floatx", DTYPES[:1], indirect=True)
@pytest.mark.parametrize("subject", LEARNED, ids=lambda subject: subject.name)
def test_a_learned_rate_adds_its_loss_in_the_dtype_of_the_others(
    subject: Subject, floatx: str
) -> None:
    model = subject.model(0.25)
    assert np.isfinite(trained(model, subject.data(4), np.ones((4, 1)), "mse"))
    (loss,) = model.losses
    assert keras.backend.standardize_dtype(loss.dtype) == keras.config.floatx()


@pytest.mark.parametrize("floatx", DTYPES[:1], indirect=True)
def test_r_drop_adds_its_loss_in_the_dtype_of_the_others(floatx: str) -> None:
    head = keras.layers.Dense(3, activation="softmax")
    model = keras.Sequential([keras.Input((4,)), kd.ScheduledDropout(0.5), head])
    x, y = np.ones((6, 4)), np.array([0, 1, 2, 0, 1, 2])
    assert np.isfinite(trained(kd.RDrop(model), x, y, "sparse_categorical_crossentropy"))
