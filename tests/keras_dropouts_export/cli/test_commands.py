"""Tests of the command line: what it prints and writes, its exit status, and a user's mistakes."""

import json
import os
import subprocess
import sys
import zipfile

import keras
import numpy as np
import onnxruntime
import pytest

import keras_dropouts as kd
from command_line import run
from keras_dropouts_export import formats


@pytest.fixture
def model():
    return keras.Sequential(
        [
            keras.Input((6, 6, 2), name="image"),
            kd.DropBlock2D(0.2, 2, name="block"),
            keras.layers.Flatten(),
            kd.ConcreteDropout(keras.layers.Dense(5, name="dense"), name="learned"),
            kd.ScheduledDropout(kd.schedules.LinearRamp(0.0, 0.5, 10), name="ramp"),
            keras.layers.Dense(3, name="score"),
        ]
    )


@pytest.fixture
def saved(model, tmp_path):
    path = tmp_path / "model.keras"
    model.save(path)
    return path


def test_inspect_prints_a_table(capsys, saved):
    status, out, _ = run(capsys, "inspect", saved)
    assert status == 0
    for word in ("block", "DropBlock2D", "0.2", "LinearRamp(initial_rate=0.0", "learned", "yes"):
        assert word in out


def test_inspect_json(capsys, saved):
    status, out, _ = run(capsys, "inspect", saved, "--json")
    assert status == 0
    rows = json.loads(out)
    assert [row["path"] for row in rows] == ["block", "learned", "ramp"]
    assert rows[1] == {
        "path": "learned",
        "layer": "ConcreteDropout",
        "rate": 0.1,
        "schedule": None,
        "learned": True,
        "always_on": False,
    }


def test_inspect_without_dropout(capsys, tmp_path):
    path = tmp_path / "plain.keras"
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(path)
    assert run(capsys, "inspect", path)[:2] == (0, "no dropout\n")


@pytest.mark.parametrize("command", ["strip", "freeze"])
def test_strip_and_freeze_write_an_equal_model(capsys, model, saved, tmp_path, command):
    out = tmp_path / "out.keras"
    status, text, _ = run(capsys, command, saved, out)
    assert status == 0
    assert "bit for bit" in text
    x = np.random.default_rng(0).normal(size=(4, 6, 6, 2)).astype("float32")
    new = keras.saving.load_model(out)
    np.testing.assert_array_equal(new.predict(x, verbose=0), model.predict(x, verbose=0))
    left = [row.layer for row in kd.inspect_dropout(new)]
    assert left == ([] if command == "strip" else ["DropBlock2D", "Dropout", "Dropout"])


def test_strip_json(capsys, saved, tmp_path):
    status, text, _ = run(capsys, "strip", saved, tmp_path / "out.keras", "--json")
    report = json.loads(text)
    assert status == 0
    assert report["ok"] is True
    assert [row["what"] for row in report["rows"]] == ["removed", "replaced", "removed"]


def test_export_onnx_and_verify(capsys, model, saved, tmp_path):
    out = tmp_path / "model.onnx"
    status, text, _ = run(capsys, "export", saved, out, "--opset", 15)
    assert status == 0
    assert "opset 15" in text
    assert "equal" in text
    x = np.random.default_rng(0).normal(size=(3, 6, 6, 2)).astype("float32")
    (served,) = onnxruntime.InferenceSession(out).run(["score"], {"image": x})
    np.testing.assert_allclose(served, model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)
    status, text, _ = run(capsys, "verify", saved, out)
    assert status == 0
    assert f"{out}: equal" in text


@pytest.mark.parametrize(
    ("command", "out", "detail"),
    [
        ("strip", "new.keras", "what became of it"),
        ("freeze", "new.keras", "what became of it"),
        ("export", "new.onnx", "batch 7"),
        ("verify", "new.onnx", "allowed"),
    ],
)
def test_a_summary_comes_first_and_the_details_when_asked_for(
    capsys, saved, tmp_path, command, out, detail
):
    path = tmp_path / out
    if command == "verify":
        run(capsys, "export", saved, path)
    overwrite = [] if command == "verify" else ["--overwrite"]
    status, short, _ = run(capsys, command, saved, path, *overwrite)
    _, whole, _ = run(capsys, command, saved, path, *overwrite, "--verbose")
    _, again, _ = run(capsys, command, saved, path, *overwrite, "-v")
    assert status == 0
    assert whole == again
    assert f"{path}" in short
    assert "equal" in short
    assert "--verbose" in short
    assert len(short.splitlines()) <= 8
    assert "--verbose" not in whole
    assert len(whole.splitlines()) > len(short.splitlines())
    assert detail in whole
    assert detail not in short


def test_export_saved_model_json(capsys, saved, tmp_path):
    out = tmp_path / "served"
    status, text, _ = run(capsys, "export", saved, out, "--json")
    report = json.loads(text)
    assert status == 0
    assert report["ok"] is True
    assert report["format"] == "saved_model"
    assert (out / "saved_model.pb").is_file()
    status, text, _ = run(capsys, "verify", saved, out, "--json")
    assert status == 0
    assert json.loads(text)["max_abs_error"] <= 1e-5


def test_export_with_samples(capsys, saved, tmp_path):
    out = tmp_path / "sampled.onnx"
    status, text, _ = run(capsys, "export", saved, out, "--samples", 3)
    assert status == 0
    assert "score_std" in text
    names = [each.name for each in onnxruntime.InferenceSession(out).get_outputs()]
    assert names == ["score_mean", "score_std"]
    status, _, err = run(capsys, "export", saved, tmp_path / "none.onnx", "--samples", 0)
    assert status == 1
    assert "`samples`. Expected" in err


def test_export_with_all_samples_in_chunks(capsys, saved, tmp_path):
    out = tmp_path / "sampled.onnx"
    options = ("--samples", 5, "--reduce", "none", "--chunk-size", 2)
    assert run(capsys, "export", saved, out, *options)[0] == 0
    session = onnxruntime.InferenceSession(out)
    (info,) = session.get_outputs()
    assert (info.name, info.shape) == ("score_samples", ["batch", 5, 3])
    assert [each.name for each in session.get_inputs()] == ["image", "seed"]
    properties = session.get_modelmeta().custom_metadata_map
    assert json.loads(properties["keras_dropouts.monte_carlo"])["chunk_size"] == 2
    status, text, _ = run(capsys, "verify", saved, out)
    assert (status, f"{out}: equal" in text) == (0, True)


def test_export_with_native_numbers_takes_no_seed(capsys, saved, tmp_path):
    out = tmp_path / "sampled.onnx"
    assert run(capsys, "export", saved, out, "--samples", 8, "--rng", "native")[0] == 0
    assert [each.name for each in onnxruntime.InferenceSession(out).get_inputs()] == ["image"]


@pytest.mark.parametrize("out", ["m.onnx", "served"])
def test_export_with_uncertainty(capsys, tmp_path, out):
    path = tmp_path / "classifier.keras"
    layers = [
        keras.Input((4,)),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(3, activation="softmax", name="digit"),
    ]
    keras.Sequential(layers).save(path)
    options = ("--samples", 4, "--reduce", "mean-std", "--uncertainty", "--json")
    status, text, _ = run(capsys, "export", path, tmp_path / out, *options)
    assert status == 0
    report = json.loads(text)
    assert report["samples"] == 4
    assert [each["name"] for each in report["outputs"]] == [
        "digit_mean",
        "digit_std",
        "digit_entropy",
        "digit_expected_entropy",
        "digit_mutual_information",
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--reduce", "none"], "--reduce is for an export with --samples"),
        (["--reduce", "mean-std"], "--reduce is for an export with --samples"),
        (["--uncertainty"], "--uncertainty is for an export with --samples"),
        (["--chunk-size", "4"], "--chunk-size is for an export with --samples"),
        (["--rng", "philox"], "--rng is for an export with --samples"),
        (["--samples", "two"], "'two' is not a valid integer"),
        (["--samples", "2", "--reduce", "median"], "'median' is not one of"),
        (["--samples", "2", "--rng", "mersenne"], "'mersenne' is not one of"),
    ],
)
def test_options_of_samples_that_make_no_sense(capsys, saved, tmp_path, options, message):
    status, out, err = run(capsys, "export", saved, tmp_path / "out.onnx", *options)
    assert status == 2
    assert "Usage: keras-dropouts export" in err
    assert message in err
    assert out == ""
    assert [each.name for each in tmp_path.iterdir()] == ["model.keras"]


@pytest.mark.parametrize("options", [("--rng", "native", "--samples", 2), ("--opset", 18)])
def test_what_is_for_onnx_alone(capsys, saved, tmp_path, options):
    status, _, err = run(capsys, "export", saved, tmp_path / "served", *options)
    assert status == 2
    message = f"{options[0]} is an option of the format onnx, and the format of OUT is saved_model."
    assert message in " ".join(err.split())
    assert [each.name for each in tmp_path.iterdir()] == ["model.keras"]


def test_large_letters_in_a_suffix_name_the_same_format(capsys, saved, tmp_path):
    out = tmp_path / "MODEL.ONNX"
    status, text, _ = run(capsys, "export", saved, out, "--json")
    assert (status, json.loads(text)["format"]) == (0, "onnx")
    assert onnxruntime.InferenceSession(out).get_inputs()[0].name == "image"


def test_a_name_with_a_full_stop_is_a_folder_if_the_format_says_so(capsys, saved, tmp_path):
    out = tmp_path / "served.v2"
    status, text, _ = run(capsys, "export", saved, out, "--format", "saved_model", "--json")
    assert (status, json.loads(text)["format"]) == (0, "saved_model")
    assert (out / "saved_model.pb").is_file()


def test_an_unknown_suffix_is_an_error_that_lists_the_known_ones(capsys, saved, tmp_path):
    status, out, err = run(capsys, "export", saved, tmp_path / "out.tflit")
    assert status == 1
    assert err.startswith("Error: Invalid value for argument `path`. Expected a name that ends in")
    for row in formats.TABLE:
        assert all(suffix in err for suffix in row.suffixes)
    assert "a name without a suffix for a SavedModel folder" in err
    assert out == ""
    assert [each.name for each in tmp_path.iterdir()] == ["model.keras"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--samples", "0"], "`samples`. Expected an integer not below 1"),
        (["--samples", "-2"], "`samples`. Expected an integer not below 1"),
        (["--samples", "2", "--chunk-size", "0"], "`chunk_size`. Expected an integer not below 1"),
        (["--samples", "2", "--opset", "15"], "`opset`. Expected 18 or above with `samples`"),
        (["--samples", "2", "--uncertainty"], "`uncertainty`. Expected False where an output is"),
    ],
)
def test_bad_values_of_samples(capsys, saved, tmp_path, options, message):
    status, _, err = run(capsys, "export", saved, tmp_path / "out.onnx", *options)
    assert status == 1
    assert message in err
    assert "Traceback" not in err
    assert [each.name for each in tmp_path.iterdir()] == ["model.keras"]


def test_samples_of_a_model_without_dropout(capsys, tmp_path):
    path = tmp_path / "plain.keras"
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)], name="plain").save(path)
    status, _, err = run(capsys, "export", path, tmp_path / "out.onnx", "--samples", 2)
    assert status == 1
    assert "Nothing in model 'plain' drops" in err


def test_verify_another_models_artifact_fails(capsys, model, saved, tmp_path):
    out = tmp_path / "model.onnx"
    run(capsys, "export", saved, out)
    model.layers[-1].bias.assign([1.0, 0.0, 0.0])
    other = tmp_path / "other.keras"
    model.save(other)
    status, text, _ = run(capsys, "verify", other, out)
    assert status == 1
    assert "NOT equal" in text


def test_doctor_has_status_0_only_for_a_healthy_model(capsys, saved, tmp_path):
    status, text, _ = run(capsys, "doctor", saved)
    assert (status, "serves what predict does" in text) == (0, True)
    sick = tmp_path / "sick.keras"
    layers = [keras.Input((8, 8, 3)), keras.layers.RandomFlip(name="flip"), keras.layers.Flatten()]
    keras.Sequential(layers).save(sick)
    status, text, _ = run(capsys, "doctor", sick, "--json")
    assert status == 1
    assert json.loads(text)["findings"][0]["path"] == "flip"


def _truncated(tmp_path, saved):
    path = tmp_path / "half.keras"
    path.write_bytes(saved.read_bytes()[: saved.stat().st_size // 2])
    return path


def _empty_archive(tmp_path, saved):
    path = tmp_path / "empty.keras"
    zipfile.ZipFile(path, "w").close()
    return path


def _with_lambda(tmp_path, saved):
    path = tmp_path / "lambda.keras"
    keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x * 2)]).save(path)
    return path


def _missing(tmp_path, saved):
    return tmp_path / "missing.keras"


def _folder(tmp_path, saved):
    path = tmp_path / "folder.keras"
    path.mkdir()
    return path


def _text(tmp_path, saved):
    path = tmp_path / "text.txt"
    path.write_text("no model")
    return path


@pytest.mark.parametrize(
    "make", [_truncated, _empty_archive, _with_lambda, _missing, _folder, _text]
)
@pytest.mark.parametrize("command", ["inspect", "strip", "export", "verify", "doctor"])
def test_bad_model_files(capsys, saved, tmp_path, make, command):
    path = make(tmp_path, saved)
    more = {"strip": ["out.keras"], "export": ["out.onnx"], "verify": ["out.onnx"]}.get(command, [])
    before = sorted(each.name for each in tmp_path.iterdir())
    status, out, err = run(capsys, command, path, *(tmp_path / name for name in more))
    assert status == 1
    assert err.startswith("Error: Invalid value for argument `model`. Expected ")
    assert str(path) in err
    assert out == ""
    assert sorted(each.name for each in tmp_path.iterdir()) == before


def test_lambda_message_names_safe_mode(capsys, saved, tmp_path):
    _, _, err = run(capsys, "inspect", _with_lambda(tmp_path, saved))
    assert "unsafe" in err


@pytest.mark.parametrize(
    ("command", "out", "message"),
    [
        ("strip", "missing/out.keras", "a path in an existing folder"),
        ("strip", "out.onnx", "a file name that ends in .keras"),
        ("export", "missing/out.onnx", "a path in an existing folder"),
        ("export", "out.keras", "a name that ends in one of .onnx"),
        ("export", "model.keras/out.onnx", "a path in a folder"),
    ],
)
def test_bad_targets(capsys, saved, tmp_path, command, out, message):
    before = saved.read_bytes()
    status, _, err = run(capsys, command, saved, tmp_path / out)
    assert status == 1
    assert err.startswith("Error: Invalid value for argument `path`. Expected ")
    assert message in err
    assert saved.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["model.keras"]


def test_a_model_is_not_written_over_itself(capsys, saved):
    before = saved.read_bytes()
    status, _, err = run(capsys, "strip", saved, saved)
    assert status == 1
    assert err.startswith(f"Error: '{saved}' already exists.")
    assert "--overwrite" in err
    assert saved.read_bytes() == before


def test_existing_target_is_replaced_only_when_asked(capsys, saved, tmp_path):
    out = tmp_path / "out.onnx"
    out.write_text("precious")
    status, _, err = run(capsys, "export", saved, out)
    assert status == 1
    assert "--overwrite" in err
    assert out.read_text() == "precious"
    assert run(capsys, "export", saved, out, "--overwrite")[0] == 0
    assert onnxruntime.InferenceSession(out).get_inputs()[0].name == "image"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--opset", "5"], "`opset`. Expected an integer from 13 to"),
        (["--atol", "-1"], "`atol`. Expected None or a finite number not below 0"),
        (["--rtol", "nan"], "`rtol`. Expected None or a finite number not below 0"),
        (["--seed", "-1"], "`seed`. Expected"),
    ],
)
def test_bad_values(capsys, saved, tmp_path, arguments, message):
    status, _, err = run(capsys, "export", saved, tmp_path / "out.onnx", *arguments)
    assert status == 1
    assert message in err
    assert [each.name for each in tmp_path.iterdir()] == ["model.keras"]


@pytest.mark.parametrize("arguments", [["nonsense"], ["inspect"], ["export", "a", "b", "--wrong"]])
def test_a_wrong_command_line_is_status_2(capsys, arguments):
    status, _, err = run(capsys, *arguments)
    assert status == 2
    assert "Usage: keras-dropouts" in err


def test_help_names_every_command(capsys):
    status, out, _ = run(capsys, "--help")
    assert status == 0
    for command in ("inspect", "strip", "freeze", "export", "verify", "doctor"):
        assert command in out


@pytest.mark.slow
def test_a_mistake_shows_no_traceback_in_a_process_of_its_own(tmp_path):
    module = "keras_dropouts_export.cli"
    command = [sys.executable, "-m", module, "inspect", "nothing.keras"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=os.environ)
    assert done.returncode == 1
    assert "Error: Invalid value for argument `model`" in done.stderr
    assert "Traceback" not in done.stderr
