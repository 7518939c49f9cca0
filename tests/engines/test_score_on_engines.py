"""Tests of `keras-dropouts score --engine`: equal to the local scores, also after kills."""

import csv

import keras
import numpy as np
import pytest

from engines.running import COMMAND, Running, parent, running, wait_until
from scored_models import expected, export, rows, table_model, write_csv, write_parquet

ROWS = 250
SEED = 7
ENGINES = ("ray", "spark", "beam")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return (folder with the file and tables, the model's samples)."""
    folder, model = tmp_path_factory.mktemp("command"), table_model()
    export(model, folder / "model.onnx")
    write_parquet(folder / "data.parquet", rows(ROWS))
    write_csv(folder / "data.csv", rows(ROWS))
    return folder, expected(model, rows(ROWS), SEED, ROWS)


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """Return a folder with a file that takes long, so that there is time to kill in."""
    folder = tmp_path_factory.mktemp("slow")
    x = keras.Input((4,), name="features")
    hidden = keras.layers.Dense(512, activation="relu")(x)
    hidden = keras.layers.Dense(512, activation="relu")(keras.layers.Dropout(0.5)(hidden))
    y = keras.layers.Dense(2, name="kinds")(keras.layers.Dropout(0.5)(hidden))
    export(keras.Model(x, y), folder / "model.onnx", samples=256)
    write_parquet(folder / "data.parquet", rows(600))
    return folder


def command(folder, out, engine, *options, data="data.parquet"):
    model = ("--model", folder / "model.onnx", "--seed", SEED)
    workers = () if engine == "local" else ("--workers", 2)
    place = ("--engine", engine, *workers)
    return (COMMAND, "score", folder / data, "-o", folder / out, *model, *place, *options)


def scored(folder, out, engine, *options, **more):
    with running(*command(folder, out, engine, *options, **more)) as run:
        status, printed, complained = run.result()
    assert (status, complained) == (0, ""), complained
    return printed


def numbers(path):
    with open(path, newline="") as file:
        lines = list(csv.DictReader(file))
    names = [name for name in lines[0] if name.split("_")[0] in ("risk", "kinds")]
    return [line["name"] for line in lines], {
        name: np.array([float(line[name]) for line in lines]) for name in names
    }


@pytest.mark.parametrize("size", [7, 100, 1000])
@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_gives_the_local_scores_in_the_order_of_the_rows(made, engine, size):
    folder, samples = made
    options = ("--partition-size", size, "--overwrite")
    scored(folder, "local.csv", "local", *options)
    printed = scored(folder, f"{engine}.csv", engine, *options)
    assert printed == (
        f"{folder / engine}.csv: 250 rows with the outputs risk_mean, risk_std, kinds_mean, "
        "kinds_std\n"
    )
    order, wanted = numbers(folder / "local.csv")
    texts, found = numbers(folder / f"{engine}.csv")
    assert texts == order == [f"row {n}" for n in range(ROWS)]
    for name, x in wanted.items():
        largest = float(np.abs(x).max())
        print(f"{engine} {size} {name}: error {np.abs(found[name] - x).max():.2e} of {largest:.2e}")
        np.testing.assert_allclose(found[name], x, rtol=1e-6, atol=1e-6 * largest)
    for n in range(3):
        means = samples.mean[1][:, n]
        np.testing.assert_allclose(found[f"kinds_mean_{n}"], means, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_cannot_be_scored_is_one_line_and_the_rest_stays(made, engine):
    folder, _ = made
    bad = folder / "bad.csv"
    bad.write_text((folder / "data.csv").read_text() + "bad,x,x,x,x\n")
    out = f"bad_{engine}.csv"
    options = ("--partition-size", 50)
    with running(*command(folder, out, engine, *options, data="bad.csv")) as run:
        status, printed, complained = run.result()
    assert (status, printed) == (1, "")
    assert complained.startswith("Error: rows 250 to 250: Invalid value for argument `data`.")
    assert "It holds the text 'x'. What was scored stays in" in complained
    assert complained.count("\n") == 1
    assert not (folder / out).exists()
    printed = scored(folder, out, engine, *options, data="data.csv")
    assert printed.endswith("; 5 of 5 parts were there from an earlier run\n")


def done_parts(folder, out):
    return len(list((folder / f"{out}.parts").rglob("*.done")))


def undisturbed(slow, engine):
    out = slow / f"{engine}_whole.parquet"
    if not out.exists():
        scored(slow, out.name, engine, "--partition-size", 20)
    return out.read_bytes()


def ray_worker(run: Running) -> int:
    return next((n for n, line in run.processes().items() if line.startswith("ray::work")), 0)


def spark_worker(run: Running) -> int:
    daemons = {n for n, line in run.processes().items() if "pyspark.daemon" in line}
    return next((n for n in daemons if parent(n) in daemons), 0)


@pytest.mark.parametrize(
    ("engine", "worker"), [("ray", ray_worker), ("spark", spark_worker)], ids=["ray", "spark"]
)
def test_a_worker_that_is_killed_changes_no_bit(slow, engine, worker):
    wanted, out = undisturbed(slow, engine), f"{engine}_killed.parquet"
    with running(*command(slow, out, engine, "--partition-size", 20)) as run:
        wait_until(lambda: done_parts(slow, out) >= 4 and worker(run) > 0, run)
        victim = worker(run)
        run.kill(victim)
        before = done_parts(slow, out)
        assert before < 30  # there were parts left to lose
        status, _, complained = run.result()
    assert (status, complained) == (0, "")
    print(f"{engine}: {victim} killed after {before} of 30 parts")
    assert (slow / out).read_bytes() == wanted


@pytest.mark.parametrize("engine", [*ENGINES, "local"])
def test_a_run_that_is_killed_goes_on_to_the_same_bits(slow, engine):
    wanted, out = undisturbed(slow, engine), f"{engine}_again.parquet"
    arguments = command(slow, out, engine, "--partition-size", 20)
    with running(*arguments) as run:
        wait_until(lambda: done_parts(slow, out) >= 4, run)
        run.kill_all()
    assert not (slow / out).exists()
    before = len(list((slow / f"{out}.parts").rglob("*-*-*.npz")))
    assert 4 <= before < 30
    with running(*arguments) as run:
        status, printed, complained = run.result()
    assert (status, complained) == (0, "")
    print(printed)
    assert f"; {before} of 30 parts were there from an earlier run" in printed
    assert (slow / out).read_bytes() == wanted


def test_an_engine_whose_java_is_missing_is_one_line(made, tmp_path):
    folder, _ = made
    path = COMMAND.parent
    arguments = command(folder, "nojava.csv", "spark")
    with running("env", f"PATH={path}", "JAVA_HOME=/nowhere", *arguments) as run:
        status, printed, complained = run.result()
    assert (status, printed) == (1, "")
    assert complained.startswith("Error: The engine 'spark' failed: ")
    assert complained.count("\n") == 1
