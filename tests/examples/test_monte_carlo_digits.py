"""Tests of the measures that the example on digits takes, against their definitions."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def example() -> Any:
    path = ROOT / "examples" / "monte_carlo_digits.py"
    spec = importlib.util.spec_from_file_location("monte_carlo_digits", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_calibration_error_is_the_mean_gap(example: Any) -> None:
    # Ten rows at a confidence of 0.95, half of them right; ten at 0.55, all right.
    sure, unsure = np.tile([0.95, 0.05], (10, 1)), np.tile([0.55, 0.45], (10, 1))
    labels = np.r_[np.zeros(5), np.ones(5), np.zeros(10)].astype(int)
    error = example.calibration_error(np.r_[sure, unsure], labels)
    np.testing.assert_allclose(error, (0.45 + 0.45) / 2, atol=1e-12, rtol=0)


def test_a_calibrated_prediction_has_no_error(example: Any) -> None:
    probabilities = np.tile([0.75, 0.25], (8, 1))
    labels = np.array([0, 0, 0, 1] * 2)
    assert example.calibration_error(probabilities, labels) < 1e-12


def test_risk_is_the_error_rate_of_the_surest(example: Any) -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.3, 0.7]])
    served = {"probabilities": probabilities, "uncertainty": np.array([0.1, 0.2, 0.3, 0.4])}
    risk = example.risks(served, np.array([0, 1, 0, 0]))
    np.testing.assert_allclose(risk, [0, 1 / 2, 1 / 3, 2 / 4], atol=1e-12, rtol=0)


def test_detection_is_the_area_under_the_curve(example: Any) -> None:
    found = {
        "test": {"kind": {"uncertainty": np.array([0.1, 0.2])}},
        "foreign": {"kind": {"uncertainty": np.array([0.15, 0.9])}},
    }
    assert example.detection(found, "foreign", "kind", "uncertainty") == 0.75


def test_digits_that_are_foreign_are_in_no_other_set(example: Any) -> None:
    data = example.load_data()
    assert set(data["y"]) == set(data["labels"]) == set(range(example.KNOWN))
    assert {each.shape[1:] for name, each in data.items() if name not in ("y", "labels")} == {
        (8, 8, 1)
    }
