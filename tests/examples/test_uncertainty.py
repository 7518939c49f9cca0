"""Runs the example of uncertainty in a small size, and checks what it says."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def example() -> Iterator[Any]:
    sys.path.insert(0, str(EXAMPLES))
    yield importlib.import_module("uncertainty")
    sys.path.remove(str(EXAMPLES))
    for name in ("uncertainty", "uncertainty_picture"):
        sys.modules.pop(name)


@pytest.mark.slow
def test_the_files_serve_what_keras_says(example: Any, tmp_path: Path, capsys: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPLBACKEND", "Agg")
        digits, diabetes = example.main(tmp_path, epochs=20)
    np.testing.assert_allclose(
        digits.served["digit_mean"], digits.keras["mean"], atol=1e-5, rtol=1e-4
    )
    np.testing.assert_array_equal(digits.served["digit_set"], digits.keras["set"])
    for end in ("mean", "lower", "upper"):
        served = diabetes.served[f"progression_{end}"]
        np.testing.assert_allclose(served, diabetes.keras[end], atol=1e-2, rtol=1e-4)

    labels, served = digits.test[1], digits.served
    held = served["digit_set"][np.arange(len(labels)), labels].mean()
    wrong = served["digit_mean"].argmax(axis=1) != labels
    assert digits.figures["set_coverage"] == pytest.approx(held, abs=1e-12)
    assert digits.figures["accuracy"] == pytest.approx(1 - wrong.mean(), abs=1e-12)
    assert digits.figures["accepted"] == pytest.approx(served["digit_accept"].mean(), abs=1e-12)
    # Calibration rows n and test rows m: the standard deviation of the coverage c is near
    # sqrt(c (1 - c) (1/n + 1/m)); four of them are allowed.
    assert abs(held - example.SETS) < 4 * np.sqrt(0.98 * 0.02 * (1 / 600 + 1 / 897))
    interval = diabetes.figures["interval_coverage"]
    assert abs(interval - example.INTERVALS) < 4 * np.sqrt(0.9 * 0.1 * (1 / 121 + 1 / 121))
    assert digits.figures["accepted_risk"] < wrong.mean()
    assert served["digit_calibrated"].sum(axis=1) == pytest.approx(1.0, abs=1e-5)

    assert (tmp_path / "uncertainty.png").stat().st_size > 50_000
    said = capsys.readouterr().out
    assert "1. Measured." in said
    assert "of the sets 100.00% are equal, of the decisions 100.00%" in said


def test_the_parts_have_no_row_in_common(example: Any) -> None:
    for data in (example.digits_data(None), example.diabetes_data()):
        rows = [row.tobytes() for part in data for row in part[0]]
        labels = [label for part in data for label in part[1]]
        assert len(rows) == len(labels)
        assert len(set(rows)) == len(rows)


def test_digits_that_were_not_fetched_are_said_so(example: Any, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="run `make digits`, which fetches it"):
        example.digits_data(tmp_path / "digits.npz")
