"""Tests of `score_file`: tables of each kind, ranges of any size, bad input, and reruns."""

import csv
import os
import signal

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import keras_dropouts_export as kde
from keras_dropouts_export.scoring.parts import write_whole
from keras_dropouts_export.scoring.score_report import ScoreReport
from scored_models import (
    expected,
    export,
    mixed_model,
    mixed_rows,
    rows,
    table_model,
    write_csv,
    write_parquet,
)

TOLERANCE = {"rtol": 1e-6, "atol": 2e-6}  # of float32 numbers that are around 1
ROWS = 250
SEED = 7


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return (model, its file, what its rows' predictions are)."""
    model = table_model()
    path = export(model, tmp_path_factory.mktemp("score_file") / "model.onnx")
    return model, path, expected(model, rows(ROWS), SEED, ROWS)


@pytest.fixture
def data(tmp_path):
    """Return a folder with the same table of each kind."""
    x = rows(ROWS)
    write_parquet(tmp_path / "data.parquet", x)
    write_csv(tmp_path / "data.csv", x)
    np.savez(tmp_path / "data.npz", features=x, name=np.array([f"row {n}" for n in range(ROWS)]))
    return tmp_path


def score(data, out, model, **options):
    return kde.scoring.score_file(data, out, model, SEED, **options)


def columns(path):
    """Return (names of the columns, the mean of `kinds`, all of `name`) of a result."""
    if path.suffix == ".npz":
        with np.load(path) as found:
            return list(found), found["kinds_mean"], list(found["name"])
    if path.suffix == ".csv":
        with open(path, newline="") as file:
            lines = list(csv.DictReader(file))
        kinds = [[float(line[f"kinds_mean_{n}"]) for n in range(3)] for line in lines]
        return list(lines[0]), np.array(kinds, "float32"), [line["name"] for line in lines]
    found = pq.read_table(path)
    kinds = np.array(found["kinds_mean"].to_pylist(), "float32")
    return found.column_names, kinds, found["name"].to_pylist()


@pytest.mark.parametrize("to", ["parquet", "csv", "npz"])
@pytest.mark.parametrize("source", ["parquet", "csv", "npz"])
def test_each_kind_of_table_becomes_each_kind(made, data, source, to):
    _, model, wanted = made
    out = data / f"out.{to}"
    report = score(data / f"data.{source}", out, model, partition_size=80)
    assert report == ScoreReport(
        str(out), ROWS, ("risk_mean", "risk_std", "kinds_mean", "kinds_std"), 4, 0
    )
    names, kinds, texts = columns(out)
    # A CSV file has a comma in each text, which comes through as it is.
    assert texts[ROWS - 1] == f"row, {ROWS - 1}" if source == "csv" else f"row {ROWS - 1}"
    np.testing.assert_allclose(kinds, wanted.mean[1], rtol=1e-5, atol=1e-6)
    given = {"parquet": ["name", "features"], "npz": ["features", "name"]}.get(source)
    spread = [f"features_{n}" for n in range(4)]
    given = ["name", *spread] if given is None else given
    if to == "csv":
        given = [part for name in given for part in (spread if name == "features" else [name])]
        kinds_of = [f"kinds_{what}_{n}" for what in ("mean", "std") for n in range(3)]
        assert names == [*given, "risk_mean", "risk_std", *kinds_of]
    else:
        assert names == [*given, "risk_mean", "risk_std", "kinds_mean", "kinds_std"]
    assert not (data / f"out.{to}.parts").exists()


@pytest.mark.parametrize("size", [1, 7, 100, 250, 1000, None])
def test_ranges_of_any_size_are_the_same(made, data, size):
    _, model, wanted = made
    out = data / "out.npz"
    report = score(data / "data.parquet", out, model, partition_size=size, batch_size=64)
    assert report.ranges == -(-ROWS // (size or ROWS))
    with np.load(out) as found:
        risk = found["risk_mean"]
        assert risk.shape == (ROWS,)  # one number a row is a column of numbers
        np.testing.assert_allclose(risk, wanted.mean[0][:, 0], rtol=1e-5, atol=1e-6)
    whole = kde.scoring.OnnxScorer(model, SEED)({"features": rows(ROWS)})["risk_mean"]
    np.testing.assert_allclose(risk, whole[:, 0], **TOLERANCE)


def test_the_same_ranges_give_the_same_bytes(made, data):
    _, model, _ = made
    for name in ("one", "two"):
        score(data / "data.parquet", data / f"{name}.parquet", model, partition_size=60)
    assert (data / "one.parquet").read_bytes() == (data / "two.parquet").read_bytes()


@pytest.mark.parametrize("count", [0, 1])
@pytest.mark.parametrize("kind", ["parquet", "csv", "npz"])
def test_no_rows_and_one(made, tmp_path, kind, count):
    _, model, _ = made
    source, out = tmp_path / f"data.{kind}", tmp_path / f"out.{kind}"
    if kind == "npz":
        np.savez(source, features=rows(count))
    else:
        {"parquet": write_parquet, "csv": write_csv}[kind](source, rows(count))
    assert score(source, out, model).rows == count
    if kind == "parquet":
        found = pq.read_table(out)
        assert found.num_rows == count
        assert found.schema.field("kinds_mean").type == pa.list_(pa.float32())
    elif kind == "csv":
        assert len(out.read_text().splitlines()) == 1 + count
    else:
        with np.load(out) as found:
            assert found["kinds_mean"].shape == (count, 3)


def test_images_integers_and_numbers_in_columns(tmp_path):
    model, x = mixed_model(), mixed_rows(40)
    path = export(model, tmp_path / "mixed.onnx")
    nested = pa.array(x["image"].tolist(), pa.list_(pa.list_(pa.list_(pa.float64()))))
    tensor = pa.FixedShapeTensorArray.from_numpy_ndarray(x["image"])
    flat = pa.array(x["image"].reshape(40, 6).tolist())
    wanted = expected(model, x, SEED, 40).mean["score"]
    for image in (nested, tensor, flat):
        table = {"image": image, "word": pa.array(x["word"]), "age": pa.array(x["age"][:, 0])}
        pq.write_table(
            pa.table({**table, "when": pa.array([0] * 40, pa.timestamp("s"))}),
            tmp_path / "data.parquet",
        )
        out = tmp_path / "out.parquet"
        score(tmp_path / "data.parquet", out, path, partition_size=11, overwrite=True)
        found = pq.read_table(out)
        assert found.schema.field("when").type == pa.timestamp("ms")
        mean = np.array(found["score_mean"].to_pylist())
        np.testing.assert_allclose(mean, wanted, rtol=1e-5, atol=1e-6)


def test_the_outputs_alone(made, data):
    score(data / "data.csv", data / "out.parquet", made[1], outputs_only=True)
    found = pq.read_table(data / "out.parquet")
    assert found.column_names == ["risk_mean", "risk_std", "kinds_mean", "kinds_std"]


def test_nan_goes_through_and_a_missing_number_is_refused(made, data):
    x = rows(ROWS)
    x[120, 2] = np.nan
    write_csv(data / "nan.csv", x)
    score(data / "nan.csv", data / "out.npz", made[1])
    with np.load(data / "out.npz") as found:
        assert np.isnan(found["kinds_mean"]).all(axis=1).nonzero()[0].tolist() == [120]
    text = (data / "nan.csv").read_text().replace("nan", "")
    (data / "missing.csv").write_text(text)
    with pytest.raises(ValueError, match=r"rows 0 to 249: .*numbers in column 'features_2'.*''"):
        score(data / "missing.csv", data / "none.npz", made[1])
    table = pq.read_table(data / "data.parquet")
    features = table["features"].to_pylist()
    features[101] = None
    table = table.set_column(1, "features", pa.array(features, pa.list_(pa.float32())))
    pq.write_table(table, data / "null.parquet")
    with pytest.raises(ValueError, match=r"rows 100 to 149: .*Values are missing: 1 of 50"):
        score(data / "null.parquet", data / "none.npz", made[1], partition_size=50)
    assert not (data / "none.npz").exists()


def test_a_rerun_goes_on_where_a_damaged_file_stopped_it(made, data):
    """The file is cut off, then damaged in the middle, and each time mended."""
    _, model, wanted = made
    whole = (data / "data.parquet").read_bytes()
    out = data / "out.parquet"
    (data / "data.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"a whole Parquet file.*as if it was cut off or damaged"):
        score(data / "data.parquet", out, model, partition_size=50)
    damaged = bytearray(whole)
    group = pq.read_metadata(data_of(whole)).row_group(2)
    start = group.column(1).data_page_offset
    damaged[start : start + 40] = bytes(40)
    (data / "data.parquet").write_bytes(damaged)
    with pytest.raises(ValueError, match=r"rows 200 to 249: .*In rows 200 to 249 it cannot be"):
        score(data / "data.parquet", out, model, partition_size=50)
    assert not out.exists()
    parts = sorted(each.name for each in (data / "out.parquet.parts").rglob("*.npz"))
    assert [name.split("-")[0] for name in parts] == ["0", "100", "150", "50"]
    (data / "data.parquet").write_bytes(whole)
    report = score(data / "data.parquet", out, model, partition_size=50)
    assert (report.ranges, report.reused) == (5, 4)
    assert "4 of 5 parts were there from an earlier run" in str(report)
    np.testing.assert_allclose(columns(out)[1], wanted.mean[1], rtol=1e-5, atol=1e-6)
    again = data / "again.parquet"
    score(data / "data.parquet", again, model, partition_size=50)
    assert again.read_bytes() == out.read_bytes()


def data_of(content):
    return pa.BufferReader(content)


def stopped(data, model, **options):
    """Leave the parts of the first rows, as a run that was interrupted."""
    last = data / "last.csv"
    text = (data / "data.csv").read_text().splitlines()
    last.write_text("\n".join([*text[:201], "bad,x,x,x,x"]) + "\n")
    with pytest.raises(ValueError, match=r"It holds the text 'x'.*the same command goes on there"):
        score(last, data / "out.csv", model, partition_size=50, **options)


def test_only_the_same_model_seed_and_numbers_use_a_part_again(made, data, tmp_path):
    _, model, _ = made
    out = data / "out.csv"
    stopped(data, model)
    other = export(table_model(), tmp_path / "other.onnx")
    for options in ({"seed": 8}, {"model": other}, {"batch_size": 32}):
        arguments = {"seed": SEED, "model": model, "partition_size": 50, **options}
        with pytest.raises(ValueError, match="the text 'x'"):
            kde.scoring.score_file(data / "last.csv", out, **arguments)
    # Another number in a row of the second range: that range alone is computed again.
    x = rows(ROWS)
    x[70] += 1
    write_csv(data / "data.csv", x)
    assert score(data / "data.csv", out, model, partition_size=50).reused == 3


def test_a_part_that_is_damaged_is_said_and_computed_again(made, data, monkeypatch):
    _, model, _ = made
    out = data / "out.csv"
    stopped(data, model)
    part = next((data / "out.csv.parts").rglob("50-50-*.npz"))
    part.write_bytes(part.read_bytes()[:100])
    with pytest.raises(OSError, match=r"was damaged: .* Run the same command again"):
        score(data / "data.csv", out, model, partition_size=50)
    assert not part.exists()
    assert score(data / "data.csv", out, model, partition_size=50).reused == 4


def test_a_model_that_changes_meanwhile_is_refused(made, data, tmp_path):
    model = tmp_path / "changes.onnx"
    model.write_bytes(made[1].read_bytes())

    def change(done, total):
        if done == total:
            export(table_model(), model, overwrite=True)

    with pytest.raises(
        ValueError, match=r"`model`. Expected a file that does not change meanwhile"
    ):
        score(data / "data.csv", data / "out.csv", model, progress=change)
    assert not (data / "out.csv").exists()


def test_a_table_that_changes_meanwhile_is_refused_and_the_same_call_goes_on(made, data):
    source = data / "data.csv"
    text = source.read_text()

    def change(done, total):
        if done == total:
            source.write_text(text + "new,1,2,3,4\n")

    with pytest.raises(ValueError, match=r"`data`.*a file that does not change meanwhile"):
        score(source, data / "out.csv", made[1], progress=change, partition_size=50)
    assert not (data / "out.csv").exists()
    report = score(source, data / "out.csv", made[1], partition_size=50)
    assert (report.rows, report.ranges, report.reused) == (ROWS + 1, 6, 5)


def test_progress_goes_from_none_to_all(made, data):
    told = []
    score(data / "data.csv", data / "out.csv", made[1], progress=lambda *each: told.append(each))
    assert told[0] == (0, ROWS)
    assert told[-1] == (ROWS, ROWS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "name,features_0,features_1,features_2\na,1,2,3\n",
            "a column 'features', or columns "
            "'features_0' to 'features_3', for the input float32 of shape (batch, 4)",
        ),
        ("features_0,features_1,features_2,features_3\n1,2,x,4\n", "the text 'x'"),
        ("features_0,features_0\n1,2\n", "each column has a name of its own"),
        ("features_0,b\n1\n", "as many values in each line"),
        ("", "It is empty"),
        (
            "kinds_mean_1,features_0,features_1,features_2,features_3\n1,2,3,4,5\n",
            "a table without the columns 'kinds_mean_1', which the outputs are to be",
        ),
    ],
)
def test_a_csv_file_that_does_not_fit_is_one_sentence(made, tmp_path, text, message):
    (tmp_path / "data.csv").write_text(text)
    with pytest.raises(ValueError, match=r"Invalid value for argument `data`. Expected") as caught:
        score(tmp_path / "data.csv", tmp_path / "out.csv", made[1])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out.csv").exists()


def test_a_csv_file_that_is_no_text_is_one_sentence(made, tmp_path):
    (tmp_path / "data.csv").write_bytes(b"features_0,b\n\xff\xfe,1\n")
    with pytest.raises(ValueError, match="a CSV file in UTF-8"):
        score(tmp_path / "data.csv", tmp_path / "out.csv", made[1])


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array(["a"] * 3), "numbers in column 'features'.*the text 'a'"),
        (pa.array([[1.0] * 4, [1.0], [1.0]]), "lists of one length.*lengths \\[1, 4\\]"),
        (pa.array([[1.0, 2.0]] * 3), r"numbers that fit float32 of shape \(batch, 4\)"),
        (pa.array([[None] * 4] * 3, pa.list_(pa.float32())), "Values are missing: 4 of 4"),
        (pa.array([0] * 3, pa.timestamp("s")), "numbers in column 'features'.*holds timestamp"),
    ],
)
def test_a_column_that_does_not_fit_is_one_sentence(made, tmp_path, column, message):
    pq.write_table(pa.table({"features": column}), tmp_path / "data.parquet")
    with pytest.raises(ValueError, match=message):
        score(tmp_path / "data.parquet", tmp_path / "out.csv", made[1])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"features": rows(3), "b": np.zeros(2)}, "arrays of the same number of rows"),
        ({"features": np.float32(1)}, "arrays of the same number of rows"),
        ({"x": rows(3)}, "a column 'features'.*Its columns are 'x'"),
    ],
)
def test_arrays_that_do_not_fit_are_one_sentence(made, tmp_path, arrays, message):
    np.savez(tmp_path / "data.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        score(tmp_path / "data.npz", tmp_path / "out.csv", made[1])


def test_paths_that_do_not_fit_change_nothing(made, data):
    _, model, _ = made
    before = (data / "data.csv").read_bytes()
    (data / "link.csv").symlink_to("data.csv")
    (data / "taken.csv").write_text("mine")
    (data / "full.csv.parts").write_text("mine")
    cases = [
        ("data.txt", "out.csv", {}, "`data`. Expected a file name that ends in .parquet, .csv"),
        ("data.csv", "out.txt", {}, "`out`. Expected a file name that ends in .parquet, .csv"),
        ("none.csv", "out.csv", {}, "`data`. Expected a file that exists"),
        ("data.csv", "taken.csv", {}, "already exists. Pass `overwrite=True`"),
        ("data.csv", "data.csv", {"overwrite": True}, "another file than the one that is read"),
        ("link.csv", "data.csv", {"overwrite": True}, "another file than the one that is read"),
        ("data.csv", "link.csv", {"overwrite": True}, "a symbolic link, which is never replaced"),
        ("data.csv", "no/out.csv", {}, "Expected a path in an existing folder"),
        ("data.csv", "full.csv", {}, "a folder for parts, can be made"),
        (data / "data.csv", 3, {}, "`out`. Expected a path. Received: out=3"),
        ("data.csv", "out.csv", {"engine": "dask"}, "`engine`. Expected one of 'local', 'ray'"),
        ("data.csv", "out.csv", {"partition_size": 0}, "`partition_size`. Expected an integer"),
        ("data.csv", "out.csv", {"batch_size": 0}, "`batch_size`. Expected an integer not below 1"),
        ("data.csv", "out.csv", {"workers": 0}, "`workers`. Expected an integer not below 1"),
    ]
    for source, out, options, message in cases:
        with pytest.raises((ValueError, OSError)) as caught:
            score(data / source, data / out if isinstance(out, str) else out, model, **options)
        assert message in str(caught.value)
    assert (data / "data.csv").read_bytes() == before
    assert (data / "taken.csv").read_text() == (data / "full.csv.parts").read_text() == "mine"


def test_what_is_overwritten_is_whole_until_the_new_one_is_there(made, data):
    out = data / "out.csv"
    out.write_text("old")
    x = rows(ROWS)
    bad = write_csv(data / "bad.csv", x)
    bad.write_text(bad.read_text() + "bad,x,x,x,x\n")
    with pytest.raises(ValueError, match="the text 'x'"):
        score(bad, out, made[1], overwrite=True)
    assert out.read_text() == "old"
    score(data / "data.csv", out, made[1], overwrite=True)
    assert columns(out)[1].shape == (ROWS, 3)


def test_a_part_is_whole_before_an_interruption_is_delivered(tmp_path):
    def write(file):
        file.write(b"first ")
        signal.raise_signal(signal.SIGINT)
        file.write(b"second")

    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "part", write)
    assert [each.name for each in tmp_path.iterdir()] == ["part"]
    assert (tmp_path / "part").read_bytes() == b"first second"


def test_files_of_others_in_the_folder_of_parts_stay(made, data):
    folder = data / "out.csv.parts"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    score(data / "data.csv", data / "out.csv", made[1])
    assert os.listdir(folder) == ["mine.txt"]


def test_two_runs_to_one_path_do_not_mix(made, data):
    def second(done, _):
        if not done:
            with pytest.raises(FileExistsError, match="a path that no other run is writing to"):
                score(data / "data.csv", data / "out.csv", made[1])
            told.append(done)

    told = []
    score(data / "data.csv", data / "out.csv", made[1], progress=second)
    assert told


def test_rows_of_a_recurrent_model_may_differ_in_length_between_parts_only(tmp_path):
    x = keras.Input((None, 1), name="x")
    kde.export_onnx(keras.Model(x, keras.layers.LSTM(2, name="y")(x)), tmp_path / "m.onnx")
    lists = [[[1.0]] * length for length in (2, 2, 3, 3)]
    pq.write_table(pa.table({"x": pa.array(lists)}), tmp_path / "data.parquet")
    out = tmp_path / "out.parquet"
    score(tmp_path / "data.parquet", out, tmp_path / "m.onnx", partition_size=2)
    assert np.array(pq.read_table(out)["y"].to_pylist()).shape == (4, 2)
    with pytest.raises(ValueError, match=r"lists of one length.*\[2, 3\]"):
        score(tmp_path / "data.parquet", tmp_path / "b.parquet", tmp_path / "m.onnx")
