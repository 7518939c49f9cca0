"""A SavedModel with tables runs in a second process, and its files travel with it."""

import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import keras_dropouts_export as kde
from keras_dropouts_export.checks.trial_inputs import trial_inputs
from keras_dropouts_export.formats.saved_model import lone_process
from keras_dropouts_export.tracing.inference_function import inference_function
from runtimes import answers
from served import dense_model, graph_model


class FromFile(layers.Layer):
    """Looks words up in a table that is filled from a file."""

    def __init__(self, file, **kwargs):
        super().__init__(**kwargs)
        lines, numbers = tf.lookup.TextFileIndex.WHOLE_LINE, tf.lookup.TextFileIndex.LINE_NUMBER
        filled = tf.lookup.TextFileInitializer(file, tf.string, lines, tf.int64, numbers)
        self.tables = {"words": [tf.lookup.StaticHashTable(filled, -1)]}

    def call(self, inputs):
        return self.tables["words"][0].lookup(inputs)


class Mutable(layers.Layer):
    """Looks words up in a table that was filled step by step."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
        self.table.insert(tf.constant(["a", "b"]), tf.constant([3, 4], tf.int64))

    def call(self, inputs):
        return self.table.lookup(inputs)

    def compute_output_spec(self, inputs):
        return keras.KerasTensor(inputs.shape, "int64")


def of_words(layer):
    words = keras.Input((), dtype="string", name="words")
    return keras.Model(words, layer(words))


@pytest.fixture
def vocabulary(tmp_path):
    (tmp_path / "train").mkdir()
    path = tmp_path / "train" / "vocabulary.txt"
    path.write_text("a\nb\n")
    return path


@pytest.mark.slow  # TensorFlow is imported once more
@pytest.mark.parametrize(
    ("make", "wanted"),
    [
        (lambda file: FromFile(str(file)), [1, -1]),
        (lambda file: layers.StringLookup(vocabulary=str(file)), [2, 0]),
    ],
    ids=["table", "StringLookup"],
)
def test_files_travel_with_the_folder(make, wanted, vocabulary, tmp_path):
    report = kde.export_saved_model(of_words(make(vocabulary)), tmp_path / "m")
    assert {row.runtime for row in report.parity.rows} == {"SavedModel", "second process"}
    shutil.rmtree(vocabulary.parent)
    moved = shutil.move(tmp_path / "m", tmp_path / "elsewhere")
    (got,) = answers(moved, {"words": np.array(["b", "zz"], object)}).values()
    assert got.tolist() == wanted


@pytest.mark.slow  # TensorFlow is imported once more
def test_tables_that_change_keep_their_state(tmp_path):
    report = kde.export_saved_model(of_words(Mutable()), tmp_path / "m")
    (got,) = answers(report.path, {"words": np.array(["b", "zz"], object)}).values()
    assert got.tolist() == [4, -1]


def test_a_table_outside_the_model_is_refused_by_the_name_of_the_layer(tmp_path):
    table = Mutable().table

    class Elsewhere(layers.Layer):
        def call(self, inputs):
            return table.lookup(inputs)

        compute_output_spec = Mutable.compute_output_spec

    with pytest.raises(kde.ExportError, match="Layer 'elsewhere' reads a table"):
        kde.export_saved_model(of_words(Elsewhere(name="elsewhere")), tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("make", [dense_model, graph_model])
def test_plain_models_cannot_depend_on_their_process(make, tmp_path):
    report = kde.export_saved_model(make(), tmp_path / "m")
    assert {row.runtime for row in report.parity.rows} == {"SavedModel"}
    assert not lone_process.reaches_outside(tmp_path / "m")


@pytest.mark.slow  # TensorFlow is imported once more
def test_it_is_asked_where_the_user_wants_it(tmp_path):
    model = graph_model()
    report = kde.export_saved_model(model, tmp_path / "m", second_process=True)
    rows = [row for row in report.parity.rows if row.runtime == "second process"]
    assert len(rows) == len(report.parity.rows) / 2
    assert all(row.ok for row in rows)
    with pytest.raises(ValueError, match="Invalid value for argument `second_process`"):
        kde.verify(model, tmp_path / "m", second_process=1)


def test_another_answer_there_is_a_difference(tmp_path, monkeypatch):
    def wrong(path, function, trials):
        outputs = [function.expected(each) for each in trials]
        return [{name: x + 1 for name, x in each.items()} for each in outputs]

    monkeypatch.setattr(lone_process, "answers_alone", wrong)
    with pytest.raises(kde.ExportError, match=r"its outputs are not the model's(?s:.)*second proc"):
        kde.export_saved_model(dense_model(), tmp_path / "m", second_process=True)
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_fails_says_why(tmp_path, monkeypatch):
    model = dense_model()
    kde.export_saved_model(model, tmp_path / "m")
    function = inference_function(model)
    trials = [inputs for _, inputs, _ in trial_inputs(function)]
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(ValueError, match=r"a second process serves.*It ended with 1"):
        lone_process.answers_alone(tmp_path / "m", function, trials)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "missing"))
    with pytest.raises(ValueError, match="a second process serves"):
        lone_process.answers_alone(tmp_path / "m", function, trials)


@pytest.mark.parametrize("package", ["keras_dropouts", "keras_dropouts_export", "keras"])
def test_it_has_neither_keras_nor_this_package(package):
    start = lone_process._SCRIPT.split("import tensorflow")[0]
    command = [sys.executable, "-I", "-c", f"{start}\nimport {package}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "ModuleNotFoundError" in done.stderr
