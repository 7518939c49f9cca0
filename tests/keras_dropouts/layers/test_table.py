"""Tests the behaviours that every dropout layer shares, on each layer that is registered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropouts as kd
from keras_dropouts import schedules
from keras_dropouts.layers.base import BaseDropout
from keras_dropouts.surgery import rewrite
from subjects import SUBJECTS, Subject, layer_classes

BACKEND = keras.backend.backend()

# How a step can run: compile arguments by name.
EXECUTIONS = {
    "tensorflow": {
        "graph": {"jit_compile": False},
        "eager": {"run_eagerly": True, "jit_compile": False},
        "jit": {"jit_compile": True},
    },
    "jax": {
        "jit": {"jit_compile": True},
        "eager": {"run_eagerly": True, "jit_compile": False},
    },
    "torch": {"eager": {"jit_compile": False}},
}[BACKEND]

POLICIES = ["mixed_float16", "mixed_bfloat16"]
if BACKEND != "jax":  # it has no float64 unless asked for at its start
    POLICIES.append("float64")
if BACKEND == "tensorflow":  # the others lack the orthogonal matrices of recurrent layers in it
    POLICIES.append("float16")

every_subject = pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
with_ends = pytest.mark.parametrize(
    "subject", [each for each in SUBJECTS if each.ends], ids=lambda subject: subject.name
)
with_schedules = pytest.mark.parametrize(
    "subject", [each for each in SUBJECTS if each.schedules], ids=lambda subject: subject.name
)


def _train(model: keras.Model, subject: Subject, epochs: int = 1, **kwargs: Any) -> Any:
    """Fit for two steps an epoch; the loss is the output, so that every mask shows."""
    if not model.compiled:
        kwargs = kwargs or next(iter(EXECUTIONS.values()))
        model.compile(keras.optimizers.SGD(1e-3), loss=_output, **kwargs)
    x = subject.data()
    return model.fit(
        x, np.zeros(len(x)), batch_size=4, epochs=epochs, shuffle=False, verbose=0
    ).history["loss"]


@keras.saving.register_keras_serializable(package="keras_dropouts_tests")
def _output(y_true: Any, y_pred: Any) -> Any:
    return ops.mean(ops.cast(y_pred, "float32"), axis=-1)


def _numpy(tensor: Any) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(ops.cast(tensor, "float32")))


def _weights(model: keras.Model) -> list[np.ndarray]:
    return [ops.convert_to_numpy(weight) for weight in model.weights]


def _subject_layer(model: keras.Model) -> BaseDropout:
    return model.get_layer("subject")


def test_every_registered_layer_is_in_the_table() -> None:
    made = {type(subject.make(rate=0.5, seed=1)) for subject in SUBJECTS}
    assert made == layer_classes()


@every_subject
def test_the_config_makes_the_same_layer_again(subject: Subject) -> None:
    layer = subject.make(rate=0.25, seed=3, name="mine", dtype="mixed_bfloat16")
    layer.trainable = False
    saved = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    again = keras.saving.deserialize_keras_object(saved)
    assert type(again) is type(layer)
    assert again.get_config() == layer.get_config()
    assert (again.name, again.rate, again.seed) == ("mine", layer.rate, 3)
    assert again.dtype_policy.name == "mixed_bfloat16"
    assert again.trainable is False


@with_schedules
def test_a_schedule_is_in_the_config(subject: Subject) -> None:
    ramp = schedules.LinearRamp(0.0, 0.5, ramp_steps=4)
    layer = subject.make(rate=ramp, seed=3)
    again = type(layer).from_config(layer.get_config())
    assert again.schedule == ramp
    assert again.rate == 0.0


@every_subject
def test_the_symbolic_shape_and_dtype_are_those_of_the_call(subject: Subject) -> None:
    layer = subject.make(rate=0.5, seed=3)
    x = subject.data(3)
    dtype = "int32" if subject.tokens else "float32"
    symbolic = subject.call(layer, keras.KerasTensor((3, *subject.shape), dtype), training=True)
    called = subject.call(layer, ops.convert_to_tensor(x), training=True)
    assert symbolic.shape == tuple(called.shape)
    assert symbolic.dtype == keras.backend.standardize_dtype(called.dtype) == "float32"


@every_subject
def test_without_training_it_is_what_is_left_when_stripped(subject: Subject) -> None:
    model = subject.model()
    x = subject.data()
    before = _numpy(model(x))
    layer = _subject_layer(model)

    def strip(candidate: Any) -> list[Any] | None:
        if candidate is not layer:
            return None
        left = candidate.stripped()
        return [] if left is None else [left]

    stripped = rewrite.rewrite(model, strip)
    assert not any(isinstance(each, BaseDropout) for each in stripped._flatten_layers())
    np.testing.assert_array_equal(_numpy(stripped(x)), before)
    assert layer.step == 0


@every_subject
def test_frozen_it_computes_the_same_without_training(subject: Subject) -> None:
    model = subject.model()
    x = subject.data()
    before = _numpy(model(x))
    layer = _subject_layer(model)
    rate = layer.rate
    frozen = rewrite.rewrite(model, lambda each: each.frozen() if each is layer else None)
    np.testing.assert_array_equal(_numpy(frozen(x)), before)
    assert layer.rate == rate
    left = [each for each in frozen._flatten_layers() if isinstance(each, BaseDropout)]
    assert all(each.schedule is None and not each.learned for each in left)


@every_subject
def test_each_execution_counts_steps_and_draws_the_same_masks(subject: Subject) -> None:
    start = _weights(subject.model())
    losses = {}
    for name, arguments in EXECUTIONS.items():
        model = subject.model()
        model.set_weights(start)
        losses[name] = _train(model, subject, epochs=3, **arguments)
        assert _subject_layer(model).step == 6
    first = next(iter(losses.values()))
    assert np.isfinite(first).all()
    assert len(set(first)) == 3
    for name, loss in losses.items():
        np.testing.assert_allclose(loss, first, rtol=2e-5, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("policy", POLICIES)
@every_subject
def test_dtype_policies(subject: Subject, policy: str) -> None:
    layer = subject.make(rate=0.5, seed=3, dtype=policy)
    x = ops.cast(subject.data(), "int32" if subject.tokens else layer.compute_dtype)
    for training in (True, False):
        output = subject.call(layer, x, training=training)
        assert keras.backend.standardize_dtype(output.dtype) == layer.compute_dtype
        assert np.isfinite(_numpy(output)).all()
    learned = isinstance(layer, kd.VariationalDropout)  # whose rate is that of its variances
    rate = layer.log_variance if learned else layer._rate
    for variable in (rate, layer._step, layer._key):
        assert variable.dtype in ("float32", "int32")


@every_subject
def test_a_mixed_precision_model_trains(subject: Subject) -> None:
    model = subject.model(dtype="mixed_bfloat16")
    assert np.isfinite(_train(model, subject)).all()


@pytest.mark.parametrize(
    "subject",
    [each for each in SUBJECTS if each.dropped and len(each.shape) == 2],
    ids=lambda subject: subject.name,
)
def test_a_mask_of_time_steps_passes_through(subject: Subject) -> None:
    layer = subject.make(rate=0.5, seed=3)
    assert (
        layer.supports_masking
        == getattr(layer, "layer", keras.layers.Dropout(0.1)).supports_masking
    )
    if len(subject.shape) != 2 or not layer.supports_masking:
        return
    x = subject.data()
    x[:, -1] = 0.0
    masked = keras.layers.Masking()(x)
    output = layer(masked, training=True)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(output._keras_mask), ops.convert_to_numpy(masked._keras_mask)
    )


@every_subject
def test_a_saved_model_goes_on_bit_for_bit(subject: Subject, tmp_path: Path) -> None:
    rate = schedules.LinearRamp(0.1, 0.6, ramp_steps=8) if subject.schedules else 0.3
    model = subject.model(rate, seed=None)
    _train(model, subject)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert _subject_layer(again).step == 2
    assert _subject_layer(again).rate == _subject_layer(model).rate
    assert _train(again, subject, epochs=2) == _train(model, subject, epochs=2)
    for ours, theirs in zip(_weights(again), _weights(model), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@every_subject
def test_weights_alone_carry_the_random_state(subject: Subject, tmp_path: Path) -> None:
    model, other = subject.model(seed=None), subject.model(seed=None)
    _train(model, subject)
    model.save_weights(tmp_path / "model.weights.h5")
    other.load_weights(tmp_path / "model.weights.h5")
    x = subject.data()
    np.testing.assert_array_equal(_numpy(model(x, training=True)), _numpy(other(x, training=True)))


@pytest.mark.parametrize(
    "subject", [each for each in SUBJECTS if each.settable], ids=lambda subject: subject.name
)
def test_a_set_rate_takes_effect_in_a_compiled_step(subject: Subject) -> None:
    traces = []

    class Counting(keras.Model):
        def call(self, *args: Any, **kwargs: Any) -> Any:
            traces.append(1)
            return super().call(*args, **kwargs)

    plain = subject.model(0.01)
    model = Counting(plain.inputs, plain.outputs)
    layer = _subject_layer(model)
    _train(model, subject)
    count = len(traces)
    layer.rate = 0.9
    np.testing.assert_allclose(layer.rate, 0.9, rtol=1e-5, atol=0)
    high = _train(model, subject)
    layer.rate = 0.01
    low = _train(model, subject)
    assert high != low
    if BACKEND != "torch":  # it runs a step anew each time
        assert len(traces) == count


@with_ends
def test_rate_0_is_the_input(subject: Subject) -> None:
    layer = subject.make(rate=0.0, seed=3)
    x = subject.data()
    trained, untrained = subject.call(layer, x, training=True), subject.call(layer, x)
    exact = {"rtol": 0, "atol": 0} if subject.dropped else {"rtol": 1e-5, "atol": 1e-6}
    np.testing.assert_allclose(_numpy(trained), _numpy(untrained), **exact)


@with_ends
def test_rate_1_is_finite_and_drops_all(subject: Subject) -> None:
    layer = subject.make(rate=1.0, seed=3)
    output = _numpy(subject.call(layer, subject.data(), training=True))
    assert np.isfinite(output).all()
    if subject.dropped:
        assert not output.any()


@pytest.mark.parametrize(
    "subject", [each for each in SUBJECTS if each.dropped], ids=lambda subject: subject.name
)
def test_what_is_kept_is_scaled_and_the_rest_is_0(subject: Subject) -> None:
    layer = subject.make(rate=0.25, seed=3)
    x = subject.data(32)
    output = _numpy(layer(x, training=True))
    kept = output != 0
    assert 0.0 < kept.mean() < 1.0
    scale = output[kept] / x[kept]
    np.testing.assert_allclose(scale, scale[0], rtol=1e-6, atol=0)
    if "paper" not in subject.name:
        np.testing.assert_allclose(scale[0], 1 / 0.75, rtol=1e-6, atol=0)


@every_subject
def test_alone_the_same_seed_gives_the_same_masks(subject: Subject) -> None:
    x = subject.data()
    layers = [subject.make(rate=0.5, seed=seed) for seed in (5, 5, 6)]
    for layer in layers:
        subject.call(layer, x)
    for layer in layers[1:]:
        for mine, theirs in zip(
            layer.trainable_variables, layers[0].trainable_variables, strict=True
        ):
            mine.assign(theirs)
    runs = [[_numpy(subject.call(layer, x, training=True)) for _ in range(2)] for layer in layers]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert (runs[0][0] != runs[2][0]).any()
    assert (runs[0][0] != runs[0][1]).any()


@every_subject
def test_two_layers_of_one_model_never_share_masks(subject: Subject) -> None:
    inputs = keras.Input(subject.shape, dtype="int32" if subject.tokens else "float32")
    layers = [subject.make(rate=0.5, seed=5, name=name) for name in ("one", "two")]
    model = keras.Model(inputs, [subject.call(layer, inputs) for layer in layers])
    for mine, theirs in zip(
        layers[0].trainable_variables, layers[1].trainable_variables, strict=True
    ):
        mine.assign(theirs)
    one, two = model(subject.data(), training=True)
    assert (_numpy(one) != _numpy(two)).any()


@with_schedules
def test_a_schedule_is_followed_in_the_compiled_step(subject: Subject) -> None:
    model = subject.model(schedules.LinearRamp(0.0, 0.8, ramp_steps=4))
    layer = _subject_layer(model)
    seen = [layer.rate]
    for _ in range(3):
        _train(model, subject)
        seen.append(layer.rate)
    np.testing.assert_allclose(seen, [0.0, 0.4, 0.8, 0.8], rtol=1e-6, atol=1e-7)
    layer.rate = 0.2
    _train(model, subject)
    assert layer.rate == 0.2
    frozen = rewrite.rewrite(model, lambda each: each.frozen() if each is layer else None)
    present = [each.rate for each in frozen._flatten_layers() if each.name == "subject"]
    assert present == [0.2]
    layer.rate = layer.schedule
    np.testing.assert_allclose(layer.rate, 0.8, rtol=1e-6, atol=0)


@every_subject
def test_gradient_accumulation(subject: Subject) -> None:
    model = subject.model()
    optimizer = keras.optimizers.SGD(1e-3, gradient_accumulation_steps=2)
    model.compile(optimizer, loss=_output, **next(iter(EXECUTIONS.values())))
    assert np.isfinite(_train(model, subject, epochs=2)).all()
    assert _subject_layer(model).step == 4


@every_subject
def test_dynamic_batches(subject: Subject) -> None:
    model = subject.model()
    model.compile(keras.optimizers.SGD(1e-3), loss=_output, **list(EXECUTIONS.values())[-1])
    for samples in (1, 5):
        losses = model.train_on_batch(subject.data(samples), np.zeros(samples))
        assert np.isfinite(losses).all()


@pytest.mark.parametrize(
    "subject",
    [each for each in SUBJECTS if each.dropped or "Concrete" in each.name],
    ids=lambda subject: subject.name,
)
def test_an_input_that_is_no_float_is_refused(subject: Subject) -> None:
    layer = subject.make(rate=0.5, seed=3, autocast=False)
    layer.build((2, *subject.shape))
    with pytest.raises(ValueError, match=r"Invalid value for argument `inputs`. Expected floats"):
        layer.call(ops.ones((2, *subject.shape), "int32"), training=True)


@every_subject
@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan"), "0.5", None, True])
def test_a_bad_rate_is_refused(subject: Subject, rate: Any) -> None:
    with pytest.raises(ValueError, match="Invalid value for argument `rate`"):
        subject.make(rate=rate, seed=3)
    layer = subject.make(rate=0.5, seed=3)
    with pytest.raises(ValueError, match="Invalid value for argument `rate`"):
        layer.rate = rate
    assert layer.rate == 0.5


@every_subject
@pytest.mark.parametrize("seed", [-1, 1.5, "1", True])
def test_a_bad_seed_is_refused(subject: Subject, seed: Any) -> None:
    with pytest.raises(ValueError, match="Invalid value for argument `seed`"):
        subject.make(rate=0.5, seed=seed)
