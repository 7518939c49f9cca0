"""Tests of the report: its dict, JSON, table, HTML and pictures, and what it tells of risk."""

import json
import sys

import numpy as np
import pytest

import keras_dropouts as kd

ROWS = 90


def report_of(classes, bootstrap=0):
    random = np.random.default_rng(0)
    samples = random.dirichlet(np.ones(classes), (4, ROWS))
    y = random.integers(0, classes, ROWS)
    return kd.uncertainty.evaluate(
        kd.MonteCarloPrediction(samples, 1), y, bootstrap=bootstrap, level=0.9
    )


def numbers(bootstrap=0, std=True):
    random = np.random.default_rng(1)
    mean, y = random.normal(size=(ROWS, 1)), random.normal(size=ROWS)
    spread = 1e5 * random.uniform(0.5, 2, (ROWS, 1)) if std else None
    return kd.uncertainty.evaluate(1e5 * mean, 1e5 * y, std=spread, bootstrap=bootstrap)


@pytest.mark.parametrize("make", [lambda: report_of(3), numbers, lambda: numbers(std=False)])
def test_without_intervals_each_figure_is_a_number(make):
    report = make()
    found = report.to_dict()
    assert found == {"rows": ROWS, **report.figures}
    assert all(type(value) in (int, float) for value in found.values())
    assert json.loads(report.to_json()) == found


@pytest.mark.parametrize("make", [lambda: report_of(3, 20), lambda: numbers(20)])
def test_with_intervals_each_figure_is_a_value_and_two_ends(make):
    report = make()
    found = report.to_dict()
    assert found.pop("rows") == ROWS
    assert all(set(each) == {"value", "low", "high"} for each in found.values())
    assert {name: each["value"] for name, each in found.items()} == report.figures
    assert json.loads(report.to_json())["rows"] == ROWS


@pytest.mark.parametrize("make", [lambda b: report_of(1234, b), numbers])
@pytest.mark.parametrize("bootstrap", [0, 20])
def test_the_table_has_every_figure_once_in_60_columns(make, bootstrap):
    report = make(bootstrap)
    lines = str(report).splitlines()
    assert max(map(len, lines)) <= 60
    assert lines[0] == report.title
    assert all(line == line.rstrip() for line in lines)
    headings = [line for line in lines[1:] if line.startswith("by ")]
    figures = [line for line in lines[1 + bool(bootstrap) :] if line not in headings]
    assert len(figures) == len(report.figures)
    if report.kind == "classification":
        assert report.title == "classification: 90 rows of 1,234 classes"
        assert headings == ["by confidence", "by entropy", "by mutual information"]
        value = f"{report.figures['aurc_mutual_information']:.4g}"
        assert lines[lines.index("by mutual information") + 1].split()[:2] == ["aurc", value]
    assert ("interval" in lines[1]) == bool(bootstrap)


def test_html_has_the_same_figures():
    report = report_of(3, 20)
    html = report._repr_html_()
    assert html.startswith("<table><caption>classification: 90 rows of 3 classes</caption>")
    assert html.count("<tr>") == len(report.figures) + 4  # the head and three headings
    assert "<th>90 % interval</th>" in html
    assert (
        f"<td>risk at coverage 80 %</td><td>{report.figures['risk_at_coverage_80']:.4g}</td>"
        in html
    )


def test_risk_and_coverage_go_both_ways():
    report = report_of(3)
    for score in ("confidence", "entropy", "mutual_information"):
        end = "" if score == "confidence" else f"_{score}"
        assert report.risk_at_coverage(0.8, score) == report.figures[f"risk_at_coverage_80{end}"]
        assert report.coverage_at_risk(0.05, score) == report.figures[f"coverage_at_risk_5{end}"]
    assert report.risk_at_coverage(1.0) == pytest.approx(1 - report.figures["accuracy"])
    assert report.coverage_at_risk(1.0) == 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: report_of(3).risk_at_coverage(0.0), r"`coverage`\. Expected a number above 0 and"),
        (lambda: report_of(3).coverage_at_risk(2), r"`risk`\. Expected a number from 0 to 1"),
        (
            lambda: report_of(3).coverage_at_risk(0.1, "x"),
            r"`score`\. Expected one of 'confidence'",
        ),
        (
            lambda: report_of(3).plot("x"),
            r"`score`\. Expected one of 'confidence', 'entropy', 'mut",
        ),
        (lambda: numbers().threshold(0.1), r"`kind`\. Expected a report of classes, for risk and"),
        (lambda: numbers().risk_at_coverage(0.1), r"`kind`\. Expected a report of classes"),
    ],
)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("score", ["confidence", "entropy", "mutual_information"])
def test_the_picture_of_classes_shows_what_the_report_has(score, tmp_path):
    report = report_of(3)
    figure = report.plot(score)
    reliability, risk, histogram, counts = figure.axes
    shown = report.curves.reliability
    some = shown.counts > 0
    np.testing.assert_allclose(reliability.lines[1].get_ydata(), shown.accuracy[some])
    assert [bar.get_height() for bar in counts.patches] == list(shown.counts)
    assert [line.get_label() for line in risk.lines] == [
        "confidence",
        "entropy",
        "mutual information",
    ]
    assert risk.lines[0].get_ydata()[-1] == pytest.approx(1 - report.figures["accuracy"])
    right, wrong = histogram.containers
    assert sum(bar.get_height() for bar in right) == round(report.figures["accuracy"] * ROWS)
    assert sum(bar.get_height() for bar in (*right, *wrong)) == ROWS
    figure.savefig(tmp_path / "report.png")


@pytest.mark.parametrize("std", [True, False])
def test_the_picture_of_numbers_shows_what_the_report_has(std, tmp_path):
    figure = numbers(std=std).plot()
    quantiles, spread, errors = figure.axes
    assert len(quantiles.lines) == 1 + std
    assert len(spread.lines) == 2 * std
    assert sum(bar.get_height() for bar in errors.patches) == ROWS
    figure.savefig(tmp_path / "report.png")


def test_a_single_row_is_drawn(tmp_path):
    kd.uncertainty.evaluate([[0.5, 0.5]], [1]).plot().savefig(tmp_path / "classes.png")
    one = kd.uncertainty.evaluate([1.0], [2.0], std=[1.0])
    one.plot().savefig(tmp_path / "numbers.png")


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'keras-dropouts\[plot\]'"):
        report_of(3).plot()
