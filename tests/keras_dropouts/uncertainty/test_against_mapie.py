"""Compares conformal prediction with MAPIE on the same predictions."""

import numpy as np
import pytest
from mapie.classification import SplitConformalClassifier
from mapie.regression import SplitConformalRegressor
from sklearn.datasets import load_diabetes, load_digits
from sklearn.linear_model import LogisticRegression, Ridge

import keras_dropouts as kd


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
def test_sets_are_those_of_mapie(coverage):
    x, y = load_digits(return_X_y=True)
    model = LogisticRegression(C=0.002, max_iter=300).fit(x[:400], y[:400])
    theirs = SplitConformalClassifier(
        model, confidence_level=coverage, conformity_score="lac", prefit=True
    ).conformalize(x[400:1000], y[400:1000])
    _, wanted = theirs.predict_set(x[1000:])
    ours = kd.uncertainty.conformal(
        model.predict_proba(x[400:1000]), y=y[400:1000], coverage=coverage
    )
    np.testing.assert_array_equal(ours(model.predict_proba(x[1000:])), wanted[..., 0])


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
def test_intervals_are_those_of_mapie(coverage):
    x, y = load_diabetes(return_X_y=True)
    model = Ridge(alpha=0.1).fit(x[:142], y[:142])
    theirs = SplitConformalRegressor(
        model, confidence_level=coverage, conformity_score="absolute", prefit=True
    ).conformalize(x[142:342], y[142:342])
    _, wanted = theirs.predict_interval(x[342:])
    ours = kd.uncertainty.conformal(model.predict(x[142:342]), y=y[142:342], coverage=coverage)
    low, high = ours(model.predict(x[342:]))
    np.testing.assert_allclose(low, wanted[:, 0, 0], rtol=1e-9, atol=0.0)
    np.testing.assert_allclose(high, wanted[:, 1, 0], rtol=1e-9, atol=0.0)
