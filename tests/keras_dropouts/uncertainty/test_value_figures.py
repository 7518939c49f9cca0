"""Tests of the figures of numbers: formulas, samples, noise, intervals, and calibration."""

import math

import numpy as np
import pytest

import keras_dropouts as kd
from keras_dropouts.uncertainty.regression import normal_crps, samples_crps, standard_normal_cdf


def close(found, wanted, rtol=1e-10):
    np.testing.assert_allclose(found, wanted, rtol=rtol, atol=1e-12)


@pytest.fixture
def numbers():
    random = np.random.default_rng(0)
    mean, std = random.normal(size=400), random.uniform(0.5, 2.0, 400)
    return mean, std, random.normal(mean, std)


def test_each_figure_is_its_formula(numbers):
    mean, std, y = numbers
    found = kd.uncertainty.evaluate(mean, y, std=std).figures
    error = y - mean
    close(found["rmse"], np.sqrt(np.mean(error**2)))
    close(found["mae"], np.mean(np.abs(error)))
    close(found["std"], std.mean())
    density = np.exp(-(error**2) / (2 * std**2)) / np.sqrt(2 * np.pi * std**2)
    close(found["nll"], -np.mean(np.log(density)))
    for level, z in ((50, 0.674489750196), (80, 1.2815515655446), (95, 1.9599639845401)):
        close(found[f"coverage_{level}"], np.mean(np.abs(error) <= z * std))
        close(found[f"width_{level}"], np.mean(2 * z * std))
    levels = np.array([0.5 * (1 + math.erf(z / math.sqrt(2))) for z in error / std])
    wanted = [abs(p - np.mean(levels <= p)) for p in np.arange(1, 100) / 100]
    close(found["calibration_error"], np.mean(wanted))


def test_the_score_of_a_normal_distribution_is_the_integral():
    x = np.linspace(-12, 12, 200_001)
    for z, std in ((0.0, 1.0), (1.3, 0.5), (-2.0, 3.0)):
        y = z * std
        below = standard_normal_cdf(x)
        integrand = (below - (x * std >= y)) ** 2 * std
        wanted = np.sum((integrand[1:] + integrand[:-1]) / 2 * np.diff(x))
        args = np.array([z]), np.array([std]), standard_normal_cdf(np.array([z]))
        close(normal_crps(*args), wanted, rtol=1e-4)


@pytest.mark.parametrize("count", [2, 5, 40])
def test_the_score_of_samples_is_that_of_all_pairs(count):
    random = np.random.default_rng(1)
    samples, y = random.normal(size=(count, 6)), random.normal(size=6)
    pairs = np.abs(samples[:, None] - samples[None]).sum(axis=(0, 1))
    distance = np.abs(samples - y).mean(axis=0)
    close(samples_crps(samples, y), distance - pairs / (2 * count * (count - 1)))
    close(samples_crps(samples, y, fair=False), distance - pairs / (2 * count**2))


def test_the_fair_score_of_few_samples_is_on_average_that_of_many():
    random = np.random.default_rng(2)
    y = random.normal(size=20_000)
    few, many = random.normal(size=(3, 20_000)), random.normal(size=(200, 20_000))
    fair, wanted = samples_crps(few, y), samples_crps(many, y)
    error = np.std(fair - wanted) / np.sqrt(20_000)
    assert abs(np.mean(fair) - np.mean(wanted)) < 4 * error
    assert np.mean(samples_crps(few, y, fair=False)) > np.mean(wanted) + 0.1


def test_samples_give_moments_and_their_own_score():
    random = np.random.default_rng(3)
    samples, y = random.normal(size=(8, 50, 2)), random.normal(size=(50, 2))
    prediction = kd.MonteCarloPrediction(samples, seed=1)
    found = kd.uncertainty.evaluate(prediction, y)
    mean, std = samples.mean(axis=0), samples.std(axis=0)
    wanted = kd.uncertainty.evaluate(mean, y, std=std).figures
    assert (found.kind, found.rows) == ("regression", 100)
    for name, value in wanted.items():
        close(found.figures[name], value)
    close(found.figures["crps_samples"], samples_crps(samples.reshape(8, -1), y.ravel()).mean())
    reduced = kd.MonteCarloPrediction(None, 1, (mean, std))
    assert kd.uncertainty.evaluate(reduced, y).figures == wanted


def test_noise_is_added_to_the_variance(numbers):
    mean, std, y = numbers
    samples = mean + np.array([-1.0, 1.0])[:, None] * std
    prediction = kd.MonteCarloPrediction(samples, seed=1)
    found = kd.uncertainty.evaluate(prediction, y, noise=0.7).figures
    wanted = kd.uncertainty.evaluate(mean, y, std=np.sqrt(std**2 + 0.49)).figures
    assert "crps_samples" not in found
    for name, value in wanted.items():
        close(found[name], value)


def test_where_the_deviation_is_right_the_figures_say_so():
    random = np.random.default_rng(4)
    std = random.uniform(0.1, 3.0, 20_000)
    y = random.normal(0.0, std)
    right = kd.uncertainty.evaluate(np.zeros(20_000), y, std=std).figures
    small = kd.uncertainty.evaluate(np.zeros(20_000), y, std=std / 3).figures
    assert right["calibration_error"] < 4 * 0.5 / math.sqrt(20_000)
    assert small["calibration_error"] > 0.1
    for name in ("nll", "crps"):
        assert right[name] < small[name]
    for level in (50, 80, 90, 95):
        bound = 4 * math.sqrt(level * (100 - level) / 1e4 / 20_000)
        assert abs(right[f"coverage_{level}"] - level / 100) < bound


def test_intervals_of_an_artifact_are_measured():
    outputs = {
        "y_mean": np.zeros((4, 1)),
        "y_std": np.ones((4, 1)),
        "y_lower": np.array([[-1.0], [-1.0], [-np.inf], [-1.0]]),
        "y_upper": np.array([[1.0], [1.0], [np.inf], [3.0]]),
    }
    y = np.array([[0.5], [2.0], [100.0], [3.0]])
    found = kd.uncertainty.evaluate(outputs, y).figures
    assert (found["interval_coverage"], found["interval_width"]) == (0.75, np.inf)
    outputs["y_lower"] = np.zeros((4, 2))
    with pytest.raises(ValueError, match=r"`<name>_lower`. Expected numbers of shape \(4, 1\)"):
        kd.uncertainty.evaluate(outputs, y)


def test_without_a_deviation_there_are_errors_alone():
    found = kd.uncertainty.evaluate(np.zeros((5, 1)), np.arange(5.0))
    assert found.to_dict() == {"rows": 5, "rmse": math.sqrt(6.0), "mae": 2.0}


def test_a_mask_leaves_numbers_out_even_where_they_are_missing(numbers):
    mean, std, y = numbers
    mask = np.arange(400) % 3 > 0
    holes = np.where(mask, y, np.nan)
    found = kd.uncertainty.evaluate(mean, holes, std=std, mask=mask)
    assert found.rows == mask.sum()
    wanted = kd.uncertainty.evaluate(mean[mask], y[mask], std=std[mask])
    assert found.figures == wanted.figures
    with pytest.raises(ValueError, match=r"`y`\..* 134 of whose numbers are NaN or infinite"):
        kd.uncertainty.evaluate(mean, holes, std=std)


def test_of_two_quantiles_with_an_interval_the_middle_is_the_prediction():
    pairs = np.array([[0.0, 2.0], [1.0, 2.0], [2.0, 6.0]])
    outputs = {"q": pairs, "q_lower": pairs[:, :1] - 1, "q_upper": pairs[:, 1:] + 1}
    report = kd.uncertainty.evaluate(outputs, np.array([1.0, 4.0, 4.0]))
    assert report.figures == {
        "rmse": np.sqrt(2.5**2 / 3),
        "mae": 2.5 / 3,
        "interval_coverage": 2 / 3,
        "interval_width": 13 / 3,
    }


def test_the_calibrated_deviation_of_a_file_is_asked_for_by_its_name(numbers):
    mean, std, y = numbers
    outputs = {"y_mean": mean, "y_std": std, "y_calibrated_std": 2 * std}
    found = kd.uncertainty.evaluate(outputs, y, output="y_calibrated").figures
    assert found == kd.uncertainty.evaluate(mean, y, std=2 * std).figures
    plain = kd.uncertainty.evaluate(outputs, y).figures
    assert plain == kd.uncertainty.evaluate(mean, y, std=std).figures
