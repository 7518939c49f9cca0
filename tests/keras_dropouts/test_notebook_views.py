"""Tests of what notebooks show of tables and predictions."""

import xml.etree.ElementTree as ElementTree

import keras
import numpy as np

import keras_dropouts as kd
from keras_dropouts.html_tables import folded, table, verdict


def test_the_table_of_rates_shows_each_row_and_escapes_names():
    layers = [
        keras.Input((4,)),
        kd.ScheduledDropout(0.25, name="a&b"),
        keras.layers.Dropout(0.5, name="theirs"),
    ]
    shown = kd.inspect_dropout(keras.Sequential(layers))._repr_html_()
    root = ElementTree.fromstring(shown)
    cells = [["".join(cell.itertext()) for cell in row] for row in root.iter("tr")]
    assert cells[0] == ["path", "layer", "rate now", "schedule", "learned"]
    assert cells[1] == ["a&b", "ScheduledDropout", "0.25", "-", "-"]
    assert cells[2][:3] == ["theirs", "Dropout", "0.5"]
    empty = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    assert kd.inspect_dropout(empty)._repr_html_() == "<p>no dropout</p>"


def test_a_prediction_is_a_picture_of_mean_and_spread():
    mean, std = np.array([[0.75, 0.25], [0.5, 0.5]]), np.array([[0.1, 0.1], [0.0, 0.0]])
    prediction = kd.MonteCarloPrediction(None, seed=1, moments=(mean, std))
    shown = prediction._repr_html_()
    root = ElementTree.fromstring(f"<div>{shown}</div>")
    bars = list(root.iter("{http://www.w3.org/2000/svg}rect"))
    heights = [float(bar.attrib["height"]) for bar in bars]
    np.testing.assert_allclose(np.array(heights) / heights[0], [1, 1 / 3, 2 / 3, 2 / 3], atol=0.01)
    titles = [each.text for each in root.iter("{http://www.w3.org/2000/svg}title")]
    assert titles[0] == "row 0, value 0: 0.75 ± 0.1"
    (svg,) = root.iter("{http://www.w3.org/2000/svg}svg")
    assert "Mean and standard deviation of the first 2 rows" in svg.attrib["aria-label"]


def test_several_outputs_and_numbers_below_zero_are_drawn():
    samples = {"a": np.full((3, 9, 2, 40), -1.0), "b": np.zeros((3, 9))}
    shown = kd.MonteCarloPrediction(samples, seed=None)._repr_html_()
    assert shown.count("<svg") == 2
    root = ElementTree.fromstring(f"<div>{shown}</div>")
    bars = list(root.iter("{http://www.w3.org/2000/svg}rect"))
    assert len(bars) == 6 * 12 + 6
    assert all(float(bar.attrib["height"]) >= 0 for bar in bars)


def test_parts_of_reports_are_escaped():
    shown = table(["<a>"], [["<b>"]]) + verdict("<c>", False) + folded("<d>", "<e>")
    assert not any(f"<{each}>" in shown.replace("<b style", "") for each in "acde")
    assert "&lt;b&gt;" in shown
    assert "✗ not ok" in shown
