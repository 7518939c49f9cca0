"""Tests of what notebooks show of the reports of exports."""

import re

import keras

import keras_dropouts as kd
import keras_dropouts_export as kde


def words(html: str) -> str:
    """Return the text of HTML, with one space between its parts."""
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def test_reports_show_a_verdict_and_tables(tmp_path):
    layers = [keras.Input((4,), name="row"), keras.layers.Dense(2), kd.ScheduledDropout(0.5)]
    model = keras.Sequential(layers)
    report = kde.export_onnx(model, tmp_path / "model.onnx")
    shown = words(report._repr_html_())
    assert "model.onnx : ✓ verified" in shown
    assert "dropout taken out 1" in shown
    assert "All of the report" in shown
    assert "✓ ok what must not be there found random operations none" in words(
        report.audit._repr_html_()
    )
    assert ": ✓ equal output batch runtime" in words(report.parity._repr_html_())
    strip = kde.strip_report(kde.strip_dropout(model))
    assert "ScheduledDropout 0.5 removed" in words(strip._repr_html_())
    plain = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    assert "no dropout found" in words(kde.strip_report(kde.strip_dropout(plain))._repr_html_())


def test_the_findings_of_doctor_are_a_table():
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.RandomFlip(name="flip")])
    shown = words(kde.doctor(model)._repr_html_())
    assert "✗ a plain Keras export gets things wrong: 1 error" in shown
    assert "error flip RandomFlip trains export It trains" in shown
    plain = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    assert "✓ a plain Keras export serves" in words(kde.doctor(plain)._repr_html_())
