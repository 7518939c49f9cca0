"""Tests of RDrop: the paper's loss, metrics of one sample, and the served inner model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropouts as kd


def _model(rate: float = 0.5, activation: str | None = "softmax") -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((6,)),
            kd.ScheduledDropout(rate, seed=1),
            keras.layers.Dense(3, activation=activation),
        ]
    )


def _data() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    return generator.normal(size=(8, 6)).astype("float32"), generator.integers(0, 3, 8)


@pytest.mark.parametrize("from_logits", [False, True])
def test_the_loss_is_both_losses_and_the_divergence(from_logits: bool) -> None:
    x, y = _data()
    trainer = kd.RDrop(
        _model(activation=None if from_logits else "softmax"), alpha=2.0, from_logits=from_logits
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits)
    trainer.compile("sgd", loss, metrics=["accuracy"])
    both = ops.convert_to_numpy(trainer(x, training=True))
    p = np.exp(both) / np.exp(both).sum(-1, keepdims=True) if from_logits else both
    cross_entropy = -np.log(p[np.arange(16), np.concatenate([y, y])]).mean()
    first, second = p[:8], p[8:]
    assert (first != second).any()
    divergence = ((first - second) * (np.log(first) - np.log(second))).sum(-1).mean()
    found = trainer.compute_loss(x, y, ops.convert_to_tensor(both), training=True)
    np.testing.assert_allclose(
        ops.convert_to_numpy(found), cross_entropy + 0.5 * divergence, rtol=1e-4, atol=0
    )
    logs = trainer.compute_metrics(x, y, ops.convert_to_tensor(both))
    np.testing.assert_allclose(
        ops.convert_to_numpy(logs["accuracy"]), (first.argmax(-1) == y).mean(), rtol=1e-6
    )
    assert trainer.model.layers[0].step == 1


def test_without_dropout_the_divergence_is_0() -> None:
    x, y = _data()
    model = _model(0.0)
    plain = keras.models.clone_model(model)
    plain.set_weights(model.get_weights())
    plain.compile("sgd", "sparse_categorical_crossentropy")
    trainer = kd.RDrop(model, alpha=5.0)
    trainer.compile("sgd", "sparse_categorical_crossentropy")
    np.testing.assert_allclose(
        trainer.train_on_batch(x, y), plain.train_on_batch(x, y), rtol=1e-5, atol=1e-6
    )


def test_fit_with_weights_validation_and_predict(tmp_path: Path) -> None:
    x, y = _data()
    trainer = kd.RDrop(_model())
    trainer.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = trainer.fit(
        x, y, sample_weight=np.ones(8), validation_data=(x, y), epochs=2, verbose=0
    ).history
    assert set(history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert np.isfinite(list(history.values())).all()
    predicted = trainer.predict(x, verbose=0)
    np.testing.assert_allclose(predicted, trainer.model.predict(x, verbose=0), rtol=1e-6)
    trainer.save(tmp_path / "trainer.keras")
    again = keras.saving.load_model(tmp_path / "trainer.keras")
    assert again.alpha == 1.0
    np.testing.assert_allclose(again.predict(x, verbose=0), predicted, rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": 3}, "Invalid value for argument `model`. Expected a keras.Model"),
        ({"alpha": -1.0}, "Invalid value for argument `alpha`"),
        ({"alpha": float("nan")}, "Invalid value for argument `alpha`"),
        ({"from_logits": 1}, "Invalid value for argument `from_logits`"),
    ],
)
def test_bad_input(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kd.RDrop(**{"model": _model(), **arguments})
