"""Tests of the measures of uncertainty, against their definitions."""

import numpy as np
import pytest

from keras_dropouts import MonteCarloPrediction
from keras_dropouts.entropy import entropy


def test_entropies_of_known_samples() -> None:
    # Row 0: the samples are sure and disagree. Row 1: they agree that it is a coin.
    samples = np.array([[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]]])
    result = MonteCarloPrediction(samples, 0)
    two = np.log(2.0)
    np.testing.assert_allclose(result.predictive_entropy, [two, two], atol=1e-12, rtol=0)
    np.testing.assert_allclose(result.expected_entropy, [0.0, two], atol=1e-12, rtol=0)
    np.testing.assert_allclose(result.mutual_information, [two, 0.0], atol=1e-12, rtol=0)


def test_one_unit_stands_for_two_classes() -> None:
    p = np.array([[[0.2], [0.9]], [[0.4], [1.0]]])
    both = np.concatenate([p, 1 - p], axis=-1)
    for name in ("predictive_entropy", "expected_entropy", "mutual_information"):
        one = getattr(MonteCarloPrediction(p, 0), name)
        two = getattr(MonteCarloPrediction(both, 0), name)
        np.testing.assert_allclose(one, two, atol=1e-12, rtol=0)


def test_entropy_is_in_nats_and_0_for_certainty() -> None:
    assert entropy(np.array([1.0, 0.0, 0.0])) == 0.0
    np.testing.assert_allclose(entropy(np.full(4, 0.25)), np.log(4), atol=1e-12, rtol=0)


def test_logits_become_probabilities() -> None:
    logits = np.random.default_rng(0).normal(size=(3, 5, 4)) * 10
    result = MonteCarloPrediction(logits, 0).as_probabilities()
    expected = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(result.samples, expected, atol=1e-12, rtol=1e-9)
    assert (result.mutual_information >= 0.0).all()
    one = MonteCarloPrediction(logits[..., :1], 0).as_probabilities()
    expected = 1 / (1 + np.exp(-logits[..., :1]))
    np.testing.assert_allclose(one.samples, expected, atol=1e-12, rtol=1e-9)


def test_outputs_that_are_no_probabilities_are_an_error() -> None:
    for samples in (np.full((2, 3, 4), 0.5), np.full((2, 3), 0.5), np.full((2, 3, 1), -0.1)):
        with pytest.raises(ValueError, match=r"Take `\.as_probabilities\(\)` first"):
            _ = MonteCarloPrediction(samples, 0).mutual_information


def test_structures_and_the_text() -> None:
    samples = {"a": np.full((2, 3, 2), 0.5), "b": np.ones((2, 3, 1))}
    result = MonteCarloPrediction(samples, 5)
    assert result.predictive_entropy["b"].shape == (3,)
    assert repr(result) == (
        "MonteCarloPrediction(samples of shape {'a': (2, 3, 2), 'b': (2, 3, 1)}, seed=5)"
    )
