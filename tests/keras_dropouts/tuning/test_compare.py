"""Tests of compare: paired seeds and splits, intervals, the table, and several processes."""

from __future__ import annotations

import io
import json
import re
import sys
from typing import Any

import keras
import numpy as np
import pytest
from scipy import stats

import compared_models as models
import keras_dropouts as kd
from keras_dropouts.tuning import run_trainings, trainings
from keras_dropouts.tuning.intervals import interval_of, t_quantile

BUILDERS = {"none": models.none, "units": models.units}
QUICK: dict[str, Any] = {"seeds": 2, "epochs": 1, "batch_size": 16}


def test_seeds_and_splits_are_paired() -> None:
    builders = {"none": models.none, "again": models.none_after_draws, "units": models.units}
    measures = {"held": models.rows_held_out}
    found = kd.compare(builders, *models.data(), metrics=measures, **QUICK)
    assert list(found.values) == ["loss", "accuracy", "held"] or set(found.values) == {
        "loss",
        "accuracy",
        "held",
    }
    for metric in found.values:
        np.testing.assert_allclose(
            found.values[metric]["again"], found.values[metric]["none"], rtol=1e-6, atol=0.0
        )
    held = found.values["held"]
    assert held["none"] == held["units"]
    assert held["none"][0] != held["none"][1]
    assert found.values["loss"]["none"] != found.values["loss"]["units"]
    assert found.difference("loss", "again").value == pytest.approx(0.0, abs=1e-6)


def test_the_split_is_of_the_rows() -> None:
    x, y = models.data()
    plan = trainings.Plan({}, {"a": x}, y, None, 0.25, {}, {})
    x_train, y_train, x_test, y_test = plan._split(3)
    assert (len(y_train), len(y_test), len(x_test["a"])) == (45, 15, 15)
    both = np.concatenate([x_train["a"], x_test["a"]])
    np.testing.assert_array_equal(np.sort(both[:, 0]), np.sort(x[:, 0]))
    order = np.argsort(both[:, 0])
    labels = np.concatenate([y_train, y_test])[order]
    np.testing.assert_array_equal(labels, y[np.argsort(x[:, 0])])
    other = trainings.Plan({}, x, y, (x[:5], y[:5]), 0.25, {}, {})
    assert other._split(3)[2] is other.test[0]


@pytest.mark.slow
def test_two_processes_give_what_one_does() -> None:
    x, y = models.data()
    one, two = (
        kd.compare(BUILDERS, x, y, processes=count, verbose=False, **QUICK) for count in (1, 2)
    )
    assert one == two
    with pytest.raises(ValueError, match=r"Training 'bad' with seed 0 failed: OSError: no such"):
        kd.compare({"bad": models.failing, **BUILDERS}, x, y, processes=2, **QUICK)


def test_a_cluster_without_ray_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"pip install 'keras-dropouts\[ray\]'"):
        kd.compare(BUILDERS, *models.data(), processes="ray", **QUICK)


def test_what_another_process_cannot_import(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = models.data()
    builders = {"none": models.none, "local": lambda: models.units()}
    message = r"`builders`. Expected functions that another process can import where processes is"
    with pytest.raises(ValueError, match=message):
        kd.compare(builders, x, y, processes=2, **QUICK)
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
    monkeypatch.setattr(models.units, "__module__", "__main__")
    with pytest.raises(ValueError, match="'units' of a notebook or a prompt"):
        kd.compare(BUILDERS, x, y, processes=2, **QUICK)


def _comparison(interval: str = "t") -> kd.tuning.Comparison:
    generator = np.random.default_rng(0)
    first = generator.normal(0.9, 0.01, 8)
    values = {"none": tuple(first), "units": tuple(first + generator.normal(0.01, 0.005, 8))}
    rest = {"none": (0.5,) * 8, "units": (0.4,) * 8}
    return kd.tuning.Comparison(
        {"accuracy": values, "loss": rest}, tuple(range(8)), "none", interval
    )


def test_intervals_are_those_of_scipy() -> None:
    for freedom in (1, 2, 5, 9, 30, 1000):
        for probability in (0.6, 0.9, 0.975, 0.999):
            expected = stats.t.ppf(probability, freedom)
            np.testing.assert_allclose(
                t_quantile(probability, freedom), expected, rtol=1e-8, atol=0
            )
    found = _comparison()
    values = found.values["accuracy"]
    paired = stats.ttest_rel(values["units"], values["none"]).confidence_interval(0.95)
    np.testing.assert_allclose(found.difference("accuracy", "units")[1:], paired, rtol=1e-8, atol=0)
    differences = np.subtract(values["units"], values["none"])
    expected = stats.bootstrap(
        (differences,), np.mean, method="percentile", n_resamples=10_000, rng=1
    ).confidence_interval
    spread = differences.std() / np.sqrt(8)
    np.testing.assert_allclose(
        _comparison("bootstrap").difference("accuracy", "units")[1:],
        expected,
        rtol=0,
        atol=spread / 10,
    )
    assert np.isnan(interval_of(np.array([1.0, np.nan]), "t")).all()


def test_the_table_is_60_wide() -> None:
    lines = str(_comparison()).splitlines()
    assert max(map(len, lines)) <= 60
    assert re.fullmatch(r"accuracy +mean +difference", lines[0])
    assert re.fullmatch(r"none +0\.\d+", lines[1])
    assert re.fullmatch(r"units +0\.\d+ +\+0\.\d+ \[\+0\.\d+, \+0\.\d+\]", lines[2])
    assert lines[-2:] == [
        "8 seeds; paired differences to 'none' with 95 % intervals",
        "by Student's t",
    ]
    long = {"a" * 40: (-123.456789, -3.0), "b": (1e-5, 2.0)}
    wide = kd.tuning.Comparison({"m" * 40: long}, (0, 1), "b", "bootstrap")
    assert max(map(len, str(wide).splitlines())) <= 60
    assert "<th>accuracy</th>" in _comparison()._repr_html_()


def test_it_draws_and_becomes_a_dict() -> None:
    found = _comparison()
    made = json.loads(json.dumps(found.to_dict()))
    units = made["metrics"]["accuracy"]["units"]
    assert units["difference"]["low"] < units["difference"]["value"] < units["difference"]["high"]
    assert made["metrics"]["accuracy"]["none"]["difference"] is None
    assert (made["baseline"], made["seeds"], len(units["values"])) == ("none", list(range(8)), 8)
    axes = found.plot("loss")
    assert axes.get_xlabel() == "loss, difference to 'none'"
    assert found.plot(ax=axes).get_xlabel() == "accuracy, difference to 'none'"
    axes.figure.clear()
    with pytest.raises(ValueError, match=r"`metric`. Expected one of 'accuracy', 'loss'"):
        found.plot("auc")
    with pytest.raises(ValueError, match=r"`name`. Expected one of 'none', 'units'"):
        found.difference("loss", "blocks")


def test_progress_is_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, shown in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        with run_trainings._progress(4, True) as tell:
            tell(2, "none, seed 1")
        assert ("2/4 none, seed 1" in stream.getvalue()) == shown


def _no_model() -> Any:
    return 3


def _not_compiled() -> keras.Model:
    return keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)])


BAD = [
    ({"builders": {"none": models.none}}, "`builders`. Expected a dict of two or more names"),
    ({"builders": {"a": models.none, "b": 3}}, "`builders`. Expected a dict of two or more names"),
    ({"builders": {"a": _no_model, "b": models.none}}, "functions that return compiled Keras"),
    ({"builders": {"a": _not_compiled, "b": models.none}}, "functions that return compiled Keras"),
    ({"builders": {"a": models.failing, "b": models.none}}, "Training 'a' with seed 0 failed: OSE"),
    ({"seeds": 1}, "`seeds`. Expected an integer of at least 2"),
    ({"seeds": [3, 3]}, "`seeds`. Expected an integer of at least 2"),
    ({"seeds": [3, -1]}, "`seeds`. Expected an integer of at least 2"),
    ({"seeds": "ab"}, "`seeds`. Expected an integer of at least 2"),
    ({"epochs": 0}, "`epochs`. Expected an integer not below 1"),
    ({"batch_size": 0}, "`batch_size`. Expected an integer not below 1"),
    ({"test_split": 1.0}, "`test_split`. Expected a number between 0 and 1"),
    ({"test_data": 3}, "`test_data`. Expected None or a tuple"),
    ({"metrics": [3]}, "`metrics`. Expected None or a dict of functions"),
    ({"fit": [3]}, "`fit`. Expected None or a dict of arguments"),
    ({"baseline": "units2"}, "`baseline`. Expected one of 'none', 'units'"),
    ({"interval": "z"}, "`interval`. Expected one of 't', 'bootstrap'"),
    ({"processes": 0}, "`processes`. Expected an integer above 0, or 'ray'"),
    ({"processes": "two"}, "`processes`. Expected an integer above 0, or 'ray'"),
    ({"y": np.zeros(7)}, "`x`. Expected two or more rows, as many as of `y`"),
    ({"x": 3}, "`x`. Expected arrays with a row for each sample"),
]


@pytest.mark.parametrize(("given", "message"), BAD)
def test_bad_input(given: dict[str, Any], message: str) -> None:
    x, y = models.data()
    arguments = {"builders": BUILDERS, "x": x, "y": y, **QUICK, **given}
    with pytest.raises(ValueError, match=re.escape(message)):
        kd.compare(**arguments)
