"""Tests of `OnnxScorer`: seeds by row number, arrays that fit, and clear errors for the others."""

import pickle
import subprocess
import sys
import threading

import keras
import numpy as np
import onnxruntime
import pytest

import keras_dropouts as kd
import keras_dropouts_export as kde
import scored_models
from scored_models import expected, export, mixed_model, mixed_rows, rows, table_model

TOLERANCE = {"rtol": 1e-6, "atol": 2e-6}  # of float32 numbers that are around 1

# Each key stands for one sentence of the error.
BAD_INPUTS = {
    "Expected a dict of arrays by the names of the inputs": np.zeros((2, 4)),
    "Expected a dict of arrays by the inputs ['features']. Received: inputs=[]": {},
    "Received: inputs=['age', 'features']": {"features": rows(2), "age": rows(2)},
    "numbers that fit float32 of shape (batch, 4). Received: inputs['features']='float32 of shape "
    "(2, 3)": {"features": rows(2)[:, :3]},
    "inputs['features']='<U1 of shape (2, 4)": {"features": np.full((2, 4), "a")},
    "inputs['features']='object of shape (2, 4)": {"features": np.full((2, 4), None)},
    "inputs['features']='complex64 of shape (2, 4)": {"features": rows(2) + 1j},
    "1e+300 is no float32": {"features": np.full((2, 4), 1e300)},
    "inputs['features']='float64 of shape ()": {"features": 1.0},
    "inputs['features']=[[1], [1, 2]]": {"features": [[1], [1, 2]]},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return (model, its file with samples, its file without dropout)."""
    folder, model = tmp_path_factory.mktemp("scorer"), table_model()
    kde.export_onnx(model, folder / "plain.onnx")
    return model, export(model, folder / "samples.onnx"), folder / "plain.onnx"


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    model = mixed_model()
    return model, export(model, tmp_path_factory.mktemp("mixed") / "mixed.onnx")


def equal(one, other):
    assert sorted(one) == sorted(other)
    for name, x in one.items():
        assert x.dtype == other[name].dtype
        np.testing.assert_array_equal(x, other[name])


def test_the_rows_have_the_masks_of_mc_predict(made):
    model, path, _ = made
    x = rows(50)
    found = kde.scoring.OnnxScorer(path, seed=-9)({"features": x})
    wanted = expected(model, x, -9, 50)
    for number, name in enumerate(("risk", "kinds")):
        np.testing.assert_allclose(found[f"{name}_mean"], wanted.mean[number], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found[f"{name}_std"], wanted.std[number], rtol=1e-4, atol=1e-6)
    assert found["risk_mean"].shape == (50, 1)
    assert found["kinds_std"].dtype == np.float32


def test_it_is_the_session_of_onnxruntime_with_seeds(made):
    _, path, plain = made
    x = rows(20)
    session = onnxruntime.InferenceSession(path)
    names = [each.name for each in session.get_outputs()]
    seeds = kd.row_seeds(5, 20, first=30)
    wanted = dict(zip(names, session.run(names, {"features": x, "seed": seeds}), strict=True))
    equal(kde.scoring.OnnxScorer(path, 5)({"features": x}, first=30), wanted)
    equal(kde.scoring.OnnxScorer(path, 5)({"features": x, "seed": seeds}), wanted)
    session = onnxruntime.InferenceSession(plain)
    names = [each.name for each in session.get_outputs()]
    wanted = dict(zip(names, session.run(names, {"features": x}), strict=True))
    equal(kde.scoring.OnnxScorer(plain)({"features": x}), wanted)


@pytest.mark.parametrize("size", [1, 3, 20, 50, None])
def test_parts_and_batches_of_any_size_are_the_whole(made, size):
    _, path, _ = made
    x = rows(50)
    whole = kde.scoring.OnnxScorer(path, 7)({"features": x})
    scorer = kde.scoring.OnnxScorer(path, 7, batch_size=size)
    parts = [scorer({"features": x[first : first + 17]}, first) for first in range(0, 50, 17)]
    for name in whole:
        together = np.concatenate([part[name] for part in parts])
        np.testing.assert_allclose(together, whole[name], **TOLERANCE)
        np.testing.assert_allclose(scorer({"features": x})[name], whole[name], **TOLERANCE)


def test_rows_in_any_order_have_the_seeds_of_their_numbers(made):
    _, path, _ = made
    x, order = rows(50), np.random.default_rng(0).permutation(50)
    scorer = kde.scoring.OnnxScorer(path, 7)
    whole = scorer({"features": x})
    found = scorer({"features": x[order]}, row_numbers=order)
    for name in whole:
        np.testing.assert_allclose(found[name], whole[name][order], **TOLERANCE)


def test_a_scorer_goes_to_another_process_and_gives_the_same_bits(made, tmp_path):
    _, path, _ = made
    scorer, x = kde.scoring.OnnxScorer(path, 7, batch_size=16, intra_op_threads=1), rows(40)
    here = scorer({"features": x}, first=3)
    (tmp_path / "scorer").write_bytes(pickle.dumps(scorer))  # opened, and still without its session
    np.save(tmp_path / "x.npy", x)
    script = """
import pickle, sys
import numpy as np
scorer = pickle.load(open("scorer", "rb"))
np.savez("there.npz", **scorer({"features": np.load("x.npy")}, first=3))
print([name for name in ("keras", "keras_dropouts", "tensorflow", "onnx") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
    with np.load(tmp_path / "there.npz") as there:
        equal(here, dict(there))


def test_threads_share_a_scorer(made):
    _, path, _ = made
    scorer, x = kde.scoring.OnnxScorer(path, 7, intra_op_threads=1), rows(30)
    found = {}
    threads = [
        threading.Thread(target=lambda n=n: found.update({n: scorer({"features": x}, first=n)}))
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n in range(4):
        equal(found[n], scorer({"features": x}, first=n))


def test_a_dict_of_an_image_an_integer_and_a_number(mixed):
    model, path = mixed
    x = mixed_rows(30)
    scorer = kde.scoring.OnnxScorer(path, 2)
    wanted = expected(model, x, 2, 30)
    found = scorer(x)
    np.testing.assert_allclose(found["score_mean"], wanted.mean["score"], rtol=1e-5, atol=1e-6)
    # Rows that lie flat, other widths, and (rows,) for (rows, 1) are the same numbers.
    other = {"image": x["image"].reshape(30, 6).astype("float64"), "age": x["age"][:, 0]}
    equal(scorer({**other, "word": x["word"].astype("uint8")}), found)
    assert {value.name: str(value) for value in scorer.inputs} == {
        "image": "float32 of shape (batch, 3, 2, 1)",
        "word": "int32 of shape (batch,)",
        "age": "float32 of shape (batch, 1)",
    }


@pytest.mark.parametrize(
    "word", [np.full(3, 1.0), np.full(3, 2**40), np.full(3, -1, "int64").astype("uint64")]
)
def test_numbers_that_are_no_int32_are_refused(mixed, word):
    with pytest.raises(ValueError, match=r"inputs\['word'\]`. Expected numbers that fit int32"):
        kde.scoring.OnnxScorer(mixed[1])({**mixed_rows(3), "word": word})


def test_no_rows_are_no_answers_of_the_right_shape(made):
    _, path, _ = made
    found = kde.scoring.OnnxScorer(path)({"features": rows(0)})
    shapes = {name: x.shape for name, x in found.items()}
    assert shapes["risk_mean"] == (0, 1)
    assert shapes["kinds_std"] == (0, 3)
    assert found["risk_mean"].dtype == np.float32


def test_a_recurrent_file_takes_no_rows_though_onnxruntime_would_end(tmp_path):
    model = keras.Sequential([keras.Input((3, 2), name="x"), keras.layers.LSTM(2, name="y")])
    kde.export_onnx(model, tmp_path / "lstm.onnx")
    found = kde.scoring.OnnxScorer(tmp_path / "lstm.onnx")({"x": np.zeros((0, 3, 2), "float32")})
    assert found["y"].shape == (0, 2)


def test_nan_is_a_number_that_stays_in_its_row(made):
    _, path, _ = made
    x = rows(6)
    scorer = kde.scoring.OnnxScorer(path)
    clean = scorer({"features": x})
    x[2, 1] = np.nan
    found = scorer({"features": x})
    assert np.isnan(found["kinds_mean"][2]).all()
    others = [0, 1, 3, 4, 5]
    np.testing.assert_allclose(
        found["kinds_mean"][others], clean["kinds_mean"][others], **TOLERANCE
    )


def test_rows_of_fixed_masks_share_one_seed(tmp_path):
    path = export(table_model(), tmp_path / "fixed.onnx", fixed_masks=True)
    scorer, x = kde.scoring.OnnxScorer(path, 7), np.repeat(rows(1), 9, axis=0)
    found = scorer({"features": x}, first=4)
    assert (found["kinds_mean"] == found["kinds_mean"][0]).all()
    alone = kde.scoring.OnnxScorer(path, 7, batch_size=1)({"features": x})
    np.testing.assert_allclose(alone["kinds_mean"], found["kinds_mean"], **TOLERANCE)


def test_a_file_of_one_row_is_run_row_by_row(tmp_path):
    signature = [keras.InputSpec(shape=(1, 4), dtype="float32", name="features")]
    model = table_model()
    kde.export_onnx(model, tmp_path / "one.onnx", input_signature=signature[0])
    found = kde.scoring.OnnxScorer(tmp_path / "one.onnx")({"features": rows(5)})
    wanted = model(rows(5), training=False)
    np.testing.assert_allclose(found["risk"], wanted[0], rtol=1e-5, atol=1e-6)


def test_a_file_of_several_rows_is_refused(tmp_path):
    signature = keras.InputSpec(shape=(4, 4), dtype="float32", name="features")
    kde.export_onnx(table_model(), tmp_path / "four.onnx", input_signature=signature)
    with pytest.raises(ValueError, match=r"takes any number of rows, or one.*It takes \[4\] rows"):
        kde.scoring.OnnxScorer(tmp_path / "four.onnx")({"features": rows(4)})


def test_an_own_input_called_seed_is_data(tmp_path):
    seed = keras.Input((2,), name="seed")
    model = keras.Model(seed, keras.layers.Dense(1, name="y")(keras.layers.Dropout(0.5)(seed)))
    path = export(model, tmp_path / "seed.onnx")
    scorer = kde.scoring.OnnxScorer(path, 3)
    x = rows(5)[:, :2]
    assert [value.name for value in scorer.inputs] == ["seed"]
    wanted = expected(model, x, 3, 5)
    np.testing.assert_allclose(scorer({"seed": x})["y_mean"], wanted.mean, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("message", BAD_INPUTS)
def test_inputs_that_do_not_fit_are_refused(made, message):
    scorer = kde.scoring.OnnxScorer(made[1])
    with pytest.raises(ValueError, match="Invalid value for argument `inputs") as caught:
        scorer(BAD_INPUTS[message])
    assert message in str(caught.value)


def test_inputs_of_several_numbers_of_rows_are_refused(mixed):
    x = {**mixed_rows(5), "word": np.zeros(4, "int32")}
    with pytest.raises(ValueError, match=r"arrays of the same number of rows. .*'word': 4"):
        kde.scoring.OnnxScorer(mixed[1])(x)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"first": -1}, "`first`. Expected an integer not below 0"),
        ({"first": 1, "row_numbers": [1, 2]}, "`first`. Expected 0 where `row_numbers` is given"),
        ({"row_numbers": [1]}, r"of shape \(2,\). Received: row_numbers='int64 of shape \(1,\)"),
        ({"row_numbers": [1, -1]}, "`row_numbers`. Expected integers from 0 to 2"),
        ({"row_numbers": [1.0, 2.0]}, "row_numbers='float64 of shape"),
    ],
)
def test_numbers_of_rows_that_do_not_fit_are_refused(made, arguments, message):
    with pytest.raises(ValueError, match=message):
        kde.scoring.OnnxScorer(made[1])({"features": rows(2)}, **arguments)


def test_seeds_are_given_in_one_way_only(made):
    x = {"features": rows(2), "seed": [1, 2]}
    with pytest.raises(ValueError, match="Expected no 'seed' where rows have numbers"):
        kde.scoring.OnnxScorer(made[1])(x, first=2)
    with pytest.raises(ValueError, match=r"`row_seeds`. Expected an array of .* shape \(2,\)"):
        kde.scoring.OnnxScorer(made[1])({"features": rows(2), "seed": [1, 2, 3]})
    with pytest.raises(ValueError, match=r"a dict of arrays by the inputs \['features'\]"):
        kde.scoring.OnnxScorer(made[2])(x)  # it has no dropout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"path": 3}, "`path`. Expected a path. Received: path=3"),
        ({"seed": 2**63}, "`seed`. Expected an integer from -2"),
        ({"batch_size": 0}, "`batch_size`. Expected an integer not below 1"),
        ({"intra_op_threads": 0}, "`intra_op_threads`. Expected an integer not below 1"),
        ({"providers": ["TPU"]}, r"`providers`. Expected a list of names out of \["),
        ({"providers": "CPUExecutionProvider"}, "`providers`. Expected a list of names"),
    ],
)
def test_bad_arguments_are_refused_at_once(arguments, message):
    with pytest.raises(ValueError, match=message):
        kde.scoring.OnnxScorer(**{"path": "x.onnx", **arguments})


def test_a_file_that_is_missing_or_damaged_is_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Expected an .onnx file that exists"):
        kde.scoring.OnnxScorer(tmp_path / "none.onnx")({"x": rows(1)})
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(ValueError, match=r"an .onnx file that onnxruntime loads.*It does not:"):
        kde.scoring.OnnxScorer(tmp_path / "bad.onnx")({"x": rows(1)})


def test_a_file_whose_dropout_takes_no_seed_is_refused(tmp_path):
    path = export(table_model(), tmp_path / "native.onnx", rng="native")
    with pytest.raises(ValueError, match=r"an .onnx file whose dropout takes seeds.*without `rng`"):
        kde.scoring.OnnxScorer(path)({"features": rows(1)})


def test_what_onnxruntime_cannot_run_is_one_sentence(mixed):
    x = {**mixed_rows(2), "word": np.array([1, 99], "int32")}  # no such word
    with pytest.raises(ValueError, match=r"an .onnx file that onnxruntime runs.*It does not:"):
        kde.scoring.OnnxScorer(mixed[1])(x)


def test_the_shared_models_have_as_many_samples_as_the_tests_say(made):
    assert kde.scoring.OnnxScorer(made[1])._file.sampling.samples == scored_models.SAMPLES
