"""Tests that figures are those of scikit-learn, torchmetrics and MAPIE on the same arrays."""

import mapie.metrics.calibration as mapie_calibration
import mapie.metrics.classification as mapie_classification
import mapie.metrics.regression as mapie_regression
import numpy as np
import pytest
import sklearn.metrics
import torch
import torchmetrics.functional as torchmetrics
import torchmetrics.functional.classification as of_classes
import torchmetrics.functional.regression as of_numbers

import keras_dropouts as kd
from keras_dropouts.uncertainty.binned import ClasswiseBins
from keras_dropouts.uncertainty.regression import samples_crps

ROWS = 3000


def close(found, wanted):
    np.testing.assert_allclose(float(found), float(wanted), rtol=1e-6, atol=1e-6)


@pytest.fixture(params=["float32", "float64"])
def classes(request):
    random = np.random.default_rng(0)
    logits = random.normal(size=(ROWS, 5)) * 2
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    y = (p.cumsum(axis=1) > random.random((ROWS, 1))).argmax(axis=1)
    p = p**1.5 / (p**1.5).sum(axis=1, keepdims=True)  # more confident than it is right
    return p.astype(request.param), y


@pytest.fixture
def numbers():
    random = np.random.default_rng(1)
    mean, std = random.normal(size=ROWS), random.uniform(0.5, 2.0, ROWS)
    return mean, std, random.normal(mean, 1.2 * std)


def test_accuracy_nll_and_brier_of_scikit_learn(classes):
    p, y = classes
    found = kd.uncertainty.evaluate(p, y).figures
    close(found["accuracy"], sklearn.metrics.accuracy_score(y, p.argmax(axis=1)))
    # In float64, since scikit-learn warns of float32 rows whose sums are off by their rounding.
    wide = p.astype("float64")
    wide /= wide.sum(axis=1, keepdims=True)
    close(found["nll"], sklearn.metrics.log_loss(y, wide))
    one_hot = np.eye(5)[y]
    halves = [sklearn.metrics.brier_score_loss(one_hot[:, c], wide[:, c]) for c in range(5)]
    close(found["brier"], sum(halves))


def test_brier_of_one_unit_is_twice_that_of_scikit_learn(classes):
    p, y = classes[0][:, 0].astype("float64"), (classes[1] == 0).astype("int64")
    found = kd.uncertainty.evaluate(p, y).figures
    close(found["brier"], 2 * sklearn.metrics.brier_score_loss(y, p))
    close(found["nll"], sklearn.metrics.log_loss(y, p))


@pytest.mark.parametrize("bins", [10, 15, 40])
def test_calibration_errors_of_torchmetrics(classes, bins):
    p, y = classes
    found = kd.uncertainty.evaluate(p, y, bins=bins).figures
    arrays = torch.from_numpy(p), torch.from_numpy(y)
    for name, norm in (("ece", "l1"), ("mce", "max")):
        error = of_classes.multiclass_calibration_error(
            *arrays, num_classes=5, n_bins=bins, norm=norm
        )
        close(found[name], error)


def test_accuracy_of_torchmetrics_by_pixel_with_a_label_that_is_ignored(classes):
    p, y = classes
    y = np.where(np.arange(ROWS) % 5 == 0, -1, y)
    images, labels = p.reshape(30, 10, 10, 5), y.reshape(30, 10, 10)
    found = kd.uncertainty.evaluate(images, labels, ignore_label=-1).figures
    arrays = torch.from_numpy(p), torch.from_numpy(y)
    options = {"num_classes": 5, "ignore_index": -1}
    close(found["accuracy"], of_classes.multiclass_accuracy(*arrays, average="micro", **options))
    close(found["ece"], of_classes.multiclass_calibration_error(*arrays, n_bins=15, **options))


@pytest.mark.parametrize("bins", [10, 15])
def test_calibration_errors_of_mapie(classes, bins):
    p, y = classes[0].astype("float64"), classes[1]
    right = (p.argmax(axis=1) == y).astype("int64")
    found = kd.uncertainty.evaluate(p, y, bins=bins).figures
    # MAPIE takes the number of edges for that of bins.
    options = {"num_bins": bins + 1, "split_strategy": "uniform"}
    close(found["ece"], mapie_calibration.expected_calibration_error(right, p, **options))
    classwise = mapie_calibration.expected_calibration_error(
        y, p, classwise=True, class_labels=y, **options
    )
    close(found["ece_classwise"], classwise)
    close(ClasswiseBins(p, y, bins).error(), classwise)


def test_detection_of_scikit_learn_and_torchmetrics():
    random = np.random.default_rng(2)
    for inside, outside in (
        (random.normal(size=700), random.normal(1.0, 2.0, 400)),
        (random.integers(0, 9, 700), random.integers(2, 11, 400)),
    ):
        found = kd.uncertainty.out_of_distribution(inside, outside)
        scores = np.concatenate([inside, outside]).astype("float64")
        labels = np.repeat([0, 1], [700, 400])
        close(found["auroc"], sklearn.metrics.roc_auc_score(labels, scores))
        close(found["aupr"], sklearn.metrics.average_precision_score(labels, scores))
        close(found["aupr_in"], sklearn.metrics.average_precision_score(1 - labels, -scores))
        alarms, hits, _ = sklearn.metrics.roc_curve(labels, scores, drop_intermediate=False)
        close(found["fpr95"], alarms[hits >= 0.95].min())
        low, high = scores.min(), scores.max()
        arrays = torch.from_numpy((scores - low) / (high - low)), torch.from_numpy(labels)
        close(found["auroc"], of_classes.binary_auroc(*arrays))
        close(found["aupr"], of_classes.binary_average_precision(*arrays))


def test_the_area_of_generalized_risks_by_the_auroc_of_scikit_learn(classes):
    p, y = classes
    found = kd.uncertainty.evaluate(p, y).figures
    right = p.argmax(axis=1) == y
    auroc, a = sklearn.metrics.roc_auc_score(right, p.max(axis=1)), right.mean()
    close(found["augrc"], (1 - auroc) * a * (1 - a) + (1 - a) ** 2 / 2)


def test_errors_of_scikit_learn_and_torchmetrics(numbers):
    mean, std, y = numbers
    found = kd.uncertainty.evaluate(mean, y, std=std).figures
    close(found["rmse"], sklearn.metrics.root_mean_squared_error(y, mean))
    close(found["mae"], sklearn.metrics.mean_absolute_error(y, mean))
    wanted = torchmetrics.mean_squared_error(*map(torch.from_numpy, (mean, y)), squared=False)
    close(found["rmse"], wanted)
    normal = torch.distributions.Normal(torch.from_numpy(mean), torch.from_numpy(std))
    close(found["nll"], -normal.log_prob(torch.from_numpy(y)).mean())


def test_the_score_of_samples_of_torchmetrics():
    random = np.random.default_rng(3)
    samples, y = random.normal(size=(12, ROWS)), random.normal(size=ROWS)
    arrays = torch.from_numpy(samples.T.copy()), torch.from_numpy(y)
    wanted = of_numbers.continuous_ranked_probability_score(*arrays)
    close(samples_crps(samples, y, fair=False).mean(), wanted)


def test_coverage_and_width_of_mapie(numbers):
    mean, std, y = numbers
    lower, upper = mean - 1.3 * std, mean + 1.1 * std
    outputs = {"y_mean": mean, "y_std": std, "y_lower": lower, "y_upper": upper}
    found = kd.uncertainty.evaluate(outputs, y).figures
    ends = np.stack([lower, upper], axis=1)[..., None]
    close(found["interval_coverage"], mapie_regression.regression_coverage_score(y, ends)[0])
    close(found["interval_width"], mapie_regression.regression_mean_width_score(ends)[0])


def test_coverage_and_size_of_sets_of_mapie(classes):
    p, y = classes
    sets = p > 0.15
    found = kd.uncertainty.evaluate({"p": p, "p_set": sets}, y).figures
    wanted = mapie_classification.classification_coverage_score(y, sets[..., None])[0]
    close(found["set_coverage"], wanted)
    wanted = mapie_classification.classification_mean_width_score(sets[..., None])[0]
    close(found["set_size"], wanted)
