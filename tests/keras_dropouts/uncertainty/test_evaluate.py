"""Tests of `evaluate` on classes: its formulas, every form of a prediction, pixels and tokens."""

import keras
import numpy as np
import pytest

import keras_dropouts as kd

ROWS, CLASSES, SAMPLES = 120, 4, 6


def close(found, wanted, rtol=1e-10):
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=rtol, atol=1e-12, err_msg=name)


@pytest.fixture
def samples():
    random = np.random.default_rng(0)
    logits = random.normal(size=(SAMPLES, ROWS, CLASSES)) + 2 * random.normal(size=(ROWS, CLASSES))
    powers = np.exp(logits)
    return powers / powers.sum(axis=-1, keepdims=True)


@pytest.fixture
def y():
    return np.random.default_rng(1).integers(0, CLASSES, ROWS)


def test_each_figure_is_its_formula(samples, y):
    p = samples[0]
    report = kd.uncertainty.evaluate(p, y)
    found = report.figures
    assert (report.kind, report.rows, report.classes) == ("classification", ROWS, CLASSES)
    one_hot = np.eye(CLASSES)[y]
    right = p.argmax(axis=1) == y
    confidence = p.max(axis=1)
    wanted = {
        "accuracy": np.mean(right),
        "confidence": np.mean(confidence),
        "nll": -np.mean(np.log(np.sum(p * one_hot, axis=1))),
        "brier": np.mean(np.sum((p - one_hot) ** 2, axis=1)),
    }
    gaps, shares = [], []
    for low in np.arange(15) / 15:
        rows = (confidence > low) & (confidence <= low + 1 / 15)
        if rows.any():
            gaps.append(abs(np.mean(right[rows]) - np.mean(confidence[rows])))
            shares.append(np.mean(rows))
    wanted |= {"ece": np.dot(gaps, shares), "mce": max(gaps)}
    entropy = -np.sum(p * np.log(p), axis=1)
    for end, certainty in (("", confidence), ("_entropy", -entropy)):
        risks = np.cumsum(~right[np.argsort(-certainty)]) / np.arange(1, ROWS + 1)
        wanted[f"aurc{end}"] = risks.mean()
        wanted[f"risk_at_coverage_80{end}"] = risks[95]
        wanted[f"coverage_at_risk_5{end}"] = np.max(np.nonzero(risks <= 0.05), initial=-1) + 1
        wanted[f"coverage_at_risk_5{end}"] /= ROWS
    close({name: found[name] for name in wanted}, wanted)
    assert not any(name.endswith("mutual_information") for name in found)


def test_a_prediction_with_samples_knows_its_mutual_information(samples, y):
    prediction = kd.MonteCarloPrediction(samples, seed=1)
    found = kd.uncertainty.evaluate(prediction, y).figures
    plain = kd.uncertainty.evaluate(prediction.mean, y).figures
    close({name: found[name] for name in plain}, plain)
    right = samples.mean(axis=0).argmax(axis=1) == y
    order = np.argsort(prediction.mutual_information)
    risks = np.cumsum(~right[order]) / np.arange(1, ROWS + 1)
    np.testing.assert_allclose(found["aurc_mutual_information"], risks.mean(), rtol=1e-10)


def test_a_reduced_prediction_gives_what_its_mean_gives(samples, y):
    reduced = kd.MonteCarloPrediction(None, 1, (samples.mean(axis=0), samples.std(axis=0)))
    found = kd.uncertainty.evaluate(reduced, y).figures
    close(found, kd.uncertainty.evaluate(samples.mean(axis=0), y).figures)


def test_outputs_of_a_file_give_what_the_prediction_gives(samples, y):
    prediction = kd.MonteCarloPrediction(samples, seed=1)
    wanted = kd.uncertainty.evaluate(prediction, y).figures
    turned = np.moveaxis(samples, 0, 1)
    close(kd.uncertainty.evaluate({"p_samples": turned}, y).figures, wanted)
    outputs = {
        "p_mean": prediction.mean,
        "p_std": prediction.std,
        "p_entropy": prediction.predictive_entropy,
        "p_expected_entropy": prediction.expected_entropy,
        "p_mutual_information": prediction.mutual_information,
    }
    close(kd.uncertainty.evaluate(outputs, y).figures, wanted)
    plain = kd.uncertainty.evaluate({"p": prediction.mean}, y).figures
    close(plain, kd.uncertainty.evaluate(prediction.mean, y).figures)


def test_of_several_outputs_one_is_named(samples, y):
    one, other = samples, np.roll(samples, 1, axis=-1)
    wanted = kd.uncertainty.evaluate(kd.MonteCarloPrediction(other, 1), y).figures
    structures = {"b": {"a": one, "b": other}, "1": [one, other]}
    for name, held in structures.items():
        prediction = kd.MonteCarloPrediction(held, seed=1)
        close(kd.uncertainty.evaluate(prediction, y, output=name).figures, wanted)
        with pytest.raises(ValueError, match=r"`output`\. Expected the name of one output, out of"):
            kd.uncertainty.evaluate(prediction, y)
    alone = kd.MonteCarloPrediction({"b": other}, seed=1)
    close(kd.uncertainty.evaluate(alone, y).figures, wanted)
    outputs = {"a": one[0], "b_samples": np.moveaxis(other, 0, 1)}
    close(kd.uncertainty.evaluate(outputs, y, output="b").figures, wanted)
    with pytest.raises(ValueError, match=r"`output`\. .* out of \['a', 'b'\]"):
        kd.uncertainty.evaluate(outputs, y)
    with pytest.raises(ValueError, match=r"`output`\. Expected None, as the prediction is one"):
        kd.uncertainty.evaluate(one[0], y, output="a")


def test_tensors_lists_and_other_dtypes_are_taken(samples, y):
    p = samples[0].astype("float32")
    wanted = kd.uncertainty.evaluate(p, y).figures
    close(kd.uncertainty.evaluate(keras.ops.convert_to_tensor(p), y).figures, wanted)
    close(kd.uncertainty.evaluate(p, keras.ops.convert_to_tensor(y)).figures, wanted)
    close(kd.uncertainty.evaluate(p.tolist(), y.tolist()).figures, wanted, rtol=1e-6)
    for dtype in ("int8", "uint16", "float32"):
        close(kd.uncertainty.evaluate(p, y.astype(dtype)).figures, wanted)
    half = kd.uncertainty.evaluate(p.astype("float16"), y).figures
    np.testing.assert_allclose(half["nll"], wanted["nll"], rtol=0, atol=2e-3)


def test_one_hot_labels_and_a_last_axis_of_one_are_classes(samples, y):
    wanted = kd.uncertainty.evaluate(samples[0], y).figures
    one_hot = np.eye(CLASSES)[y]
    for labels in (one_hot, one_hot.astype("int64"), one_hot.astype(bool), y[:, None]):
        close(kd.uncertainty.evaluate(samples[0], labels).figures, wanted)


@pytest.mark.parametrize("dtype", ["int64", "float32", "bool"])
@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_one_unit_is_the_probability_of_the_second_class(samples, dtype, shape):
    p = samples[..., 0]
    y = np.random.default_rng(2).integers(0, 2, ROWS)
    pairs = np.stack([1 - p, p], axis=-1)
    wanted = kd.uncertainty.evaluate(kd.MonteCarloPrediction(pairs, 1), y).figures
    held = p.reshape(SAMPLES, *((ROWS, *shape[1:])))
    labels = y.astype(dtype)
    for each in (labels, labels[:, None]):
        report = kd.uncertainty.evaluate(kd.MonteCarloPrediction(held, 1), each)
        assert (report.kind, report.classes) == ("classification", 2)
        close(report.figures, wanted)


def test_pixels_and_tokens_are_rows(samples, y):
    wanted = kd.uncertainty.evaluate(kd.MonteCarloPrediction(samples, 1), y)
    for shape in ((30, 2, 2), (5, 24)):
        prediction = kd.MonteCarloPrediction(samples.reshape(SAMPLES, *shape, CLASSES), 1)
        for labels in (
            y.reshape(shape),
            y.reshape(*shape, 1),
            np.eye(CLASSES)[y].reshape(*shape, -1),
        ):
            report = kd.uncertainty.evaluate(prediction, labels)
            assert report.rows == ROWS
            close(report.figures, wanted.figures)


def test_a_mask_and_a_label_leave_rows_out(samples, y):
    keep = np.random.default_rng(3).random(ROWS) < 0.7
    prediction = kd.MonteCarloPrediction(samples, 1)
    wanted = kd.uncertainty.evaluate(kd.MonteCarloPrediction(samples[:, keep], 1), y[keep])
    close(kd.uncertainty.evaluate(prediction, y, mask=keep).figures, wanted.figures)
    marked = np.where(keep, y, -100)
    found = kd.uncertainty.evaluate(prediction, marked, ignore_label=-100)
    assert found.rows == keep.sum()
    close(found.figures, wanted.figures)
    half = np.arange(ROWS) < 60
    both = kd.uncertainty.evaluate(prediction, marked, ignore_label=-100, mask=half)
    assert both.rows == (keep & half).sum()


def test_what_kind_it_is_can_be_said(samples):
    p, y = samples[0, :, :1], np.random.default_rng(4).integers(0, 2, ROWS)
    assert kd.uncertainty.evaluate(p, y).kind == "classification"
    assert kd.uncertainty.evaluate(p, y, kind="regression").kind == "regression"
    assert kd.uncertainty.evaluate(p, y, std=np.ones((ROWS, 1))).kind == "regression"
    assert kd.uncertainty.evaluate(p, y + 0.5).kind == "regression"
    assert kd.uncertainty.evaluate(10 * p, np.zeros(ROWS)).kind == "regression"
    assert kd.uncertainty.evaluate(samples[0], samples[1]).kind == "regression"


def test_a_probability_of_zero_counts_as_the_precision_of_the_dtype():
    for dtype in ("float32", "float64"):
        p = np.array([[1.0, 0.0], [1.0, 0.0]], dtype)
        found = kd.uncertainty.evaluate(p, [0, 1]).figures
        np.testing.assert_allclose(
            found["nll"], -np.log(float(np.finfo(dtype).eps)) / 2, rtol=1e-12
        )


def test_rows_of_one_class_all_right_all_wrong_and_a_single_one():
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]])
    right = kd.uncertainty.evaluate(p, [0, 0, 0]).figures
    assert (right["accuracy"], right["aurc"], right["augrc"]) == (1.0, 0.0, 0.0)
    assert (right["coverage_at_risk_1"], right["risk_at_coverage_80"]) == (1.0, 0.0)
    wrong = kd.uncertainty.evaluate(p, [1, 1, 1]).figures
    assert (wrong["accuracy"], wrong["aurc"], wrong["augrc"]) == (0.0, 1.0, 0.5)
    assert wrong["coverage_at_risk_5"] == 0.0
    one = kd.uncertainty.evaluate(p[:1], [0]).figures
    assert one["ece"] == one["ece_mass"] == one["mce"] == pytest.approx(0.1)
    assert one["ece_classwise"] == pytest.approx(0.1)


def test_sets_and_acceptances_are_measured(samples, y):
    p = samples[0]
    outputs = {"p": p, "p_set": p > 0.2, "p_accept": p.max(axis=1) > 0.6}
    found = kd.uncertainty.evaluate(outputs, y, bootstrap=5).figures
    right = p.argmax(axis=1) == y
    accept = outputs["p_accept"]
    wanted = {
        "set_coverage": np.mean(p[np.arange(ROWS), y] > 0.2),
        "set_size": np.mean(np.sum(p > 0.2, axis=1)),
        "accepted": np.mean(accept),
        "accepted_risk": np.mean(~right[accept]),
    }
    close({name: found[name] for name in wanted}, wanted)
    none = kd.uncertainty.evaluate({**outputs, "p_accept": np.zeros(ROWS, bool)}, y).figures
    assert (none["accepted"], none["accepted_risk"]) == (0.0, 0.0)
    with pytest.raises(ValueError, match=r"`<name>_set`\. Expected booleans of shape \(120, 4\)"):
        kd.uncertainty.evaluate({**outputs, "p_set": p}, y)


def test_the_calibrated_output_of_a_file_is_asked_for_by_its_name(samples, y):
    prediction, flat = kd.MonteCarloPrediction(samples, 1), samples.mean(axis=0) * 0.5 + 0.125
    outputs = {
        "p_mean": prediction.mean,
        "p_std": prediction.std,
        "p_mutual_information": prediction.mutual_information,
        "p_calibrated": flat,
        "p_set": flat > 0.2,
    }
    found = kd.uncertainty.evaluate(outputs, y, output="p_calibrated").figures
    wanted = kd.uncertainty.evaluate({"p": flat, "p_set": flat > 0.2}, y).figures
    close({name: found[name] for name in wanted}, wanted)
    assert "aurc_mutual_information" in found
    plain = kd.uncertainty.evaluate(outputs, y).figures
    assert plain["nll"] == kd.uncertainty.evaluate(prediction, y).figures["nll"]
    with pytest.raises(
        ValueError, match=r"`output`\. .* out of \['p'\]\. Received: output='p_cal'"
    ):
        kd.uncertainty.evaluate(outputs, y, output="p_cal")


def test_labels_of_zeros_and_ones_with_sets_are_classes(samples):
    outputs = {"p": samples[0, :, :2] * 0 + 0.5, "p_set": np.ones((ROWS, 2), bool)}
    assert kd.uncertainty.evaluate(outputs, np.zeros(ROWS)).kind == "classification"
