"""Tests of the files that `package` writes for Triton and KServe, and of what it refuses."""

import json
import re
from pathlib import Path

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
import yaml

import keras_dropouts_export as kde
from command_line import run
from graph_nets import GraphAttention, nodes_and_edges
from served import dense_model, image_model

SEVERAL = (
    "score/1/model.onnx",
    "score/config.pbtxt",
    "score/labels.txt",
    "score/sample_answer.json",
    "score/sample_request.json",
)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    model = dense_model()
    kde.export_onnx(model, folder / "score.onnx", samples=4, labels=["no", "yes"])
    kde.export_onnx(model, folder / "plain.onnx")
    kde.export_onnx(model, folder / "fixed.onnx", samples=4, fixed_masks=True)
    kde.export_onnx(model, folder / "all.onnx", samples=4, reduce=None, labels=["no", "yes"])
    return folder


def blocks(config):
    """Return the settings of each tensor of a config, by its name, as text."""
    return dict(re.findall(r'\{ name: "([^"]+)" (.*) \},?$', config, re.M))


def read(path):
    return json.loads(path.read_text())


def arrays(side):
    kinds = {"FP32": "float32", "INT64": "int64"}
    return {x["name"]: np.array(x["data"], kinds[x["datatype"]]).reshape(x["shape"]) for x in side}


def test_a_triton_repository_holds_config_model_labels_and_a_request(files, tmp_path):
    report = kde.package(files / "score.onnx", tmp_path / "models")
    assert (report.target, report.name, report.batching) == ("triton", "score", True)
    assert report.files == SEVERAL
    model = tmp_path / "models" / "score"
    assert (model / "1" / "model.onnx").read_bytes() == (files / "score.onnx").read_bytes()
    assert (model / "labels.txt").read_text() == "no\nyes\n"
    config = (model / "config.pbtxt").read_text()
    assert 'backend: "onnxruntime"\nmax_batch_size: 64\ndynamic_batching {' in config
    assert blocks(config) == {
        "features": "data_type: TYPE_FP32 dims: [ 4 ]",
        "seed": "data_type: TYPE_INT64 dims: [ 1 ] reshape { shape: [ ] }",
        "score_mean": 'data_type: TYPE_FP32 dims: [ 2 ] label_filename: "labels.txt"',
        "score_std": 'data_type: TYPE_FP32 dims: [ 2 ] label_filename: "labels.txt"',
    }
    assert read(tmp_path / "models" / "keras_dropouts_package.json")["files"] == list(SEVERAL)


def test_the_request_was_run_and_the_answer_is_that_of_onnxruntime(files, tmp_path):
    kde.package(files / "score.onnx", tmp_path / "models", max_batch_size=7)
    model = tmp_path / "models" / "score"
    assert "max_batch_size: 7\n" in (model / "config.pbtxt").read_text()
    request, answer = (read(model / f"sample_{side}.json") for side in ("request", "answer"))
    sent, got = arrays(request["inputs"]), arrays(answer["outputs"])
    assert {name: x.shape for name, x in sent.items()} == {"features": (2, 4), "seed": (2, 1)}
    session = onnxruntime.InferenceSession(model / "1" / "model.onnx")
    names = [each["name"] for each in request["outputs"]]
    answers = session.run(names, {**sent, "seed": sent["seed"][:, 0]})
    for name, x in zip(names, answers, strict=True):
        np.testing.assert_allclose(got[name], x, rtol=1e-6, atol=1e-7)


def test_a_model_without_samples_takes_no_seed(files, tmp_path):
    assert kde.package(files / "plain.onnx", tmp_path / "models", name="v2").batching
    config = (tmp_path / "models" / "v2" / "config.pbtxt").read_text()
    assert config.startswith('name: "v2"\n')
    assert list(blocks(config)) == ["features", "score"]


def test_labels_are_for_outputs_with_one_number_for_each_class(files, tmp_path):
    report = kde.package(files / "all.onnx", tmp_path / "models")
    assert "all/labels.txt" not in report.files


def test_rows_that_share_masks_are_not_put_together(files, tmp_path):
    report = kde.package(files / "fixed.onnx", tmp_path / "models")
    assert report.alone == "rows of 'score_mean' depend on the rows beside them"
    assert "must not be put together" in str(report)
    config = (tmp_path / "models" / "fixed" / "config.pbtxt").read_text()
    assert "max_batch_size: 0" in config
    assert "dynamic_batching" not in config
    assert blocks(config)["seed"] == "data_type: TYPE_INT64 dims: [ -1 ]"
    request = read(tmp_path / "models" / "fixed" / "sample_request.json")
    assert arrays(request["inputs"])["seed"].shape == (2,)


def test_a_fixed_number_of_rows_is_not_put_together(tmp_path):
    layers = [keras.Input((4,), name="x"), keras.layers.Dense(2, name="y")]
    three = keras.InputSpec("float32", (3, 4), name="x")
    kde.export_onnx(keras.Sequential(layers), tmp_path / "three.onnx", input_signature=three)
    report = kde.package(tmp_path / "three.onnx", tmp_path / "models")
    assert report.alone == "'x' has a fixed number of rows"
    config = (tmp_path / "models" / "three" / "config.pbtxt").read_text()
    assert blocks(config)["x"] == "data_type: TYPE_FP32 dims: [ 3, 4 ]"


class Centred(keras.layers.Layer):
    """Mixes the rows of a batch."""

    def call(self, x):
        return x - keras.ops.mean(x, axis=0, keepdims=True)


def test_rows_that_a_layer_mixes_are_not_put_together(tmp_path):
    layers = [keras.Input((4,), name="x"), Centred(), keras.layers.Dense(2, name="y")]
    kde.export_onnx(keras.Sequential(layers), tmp_path / "mixed.onnx")
    report = kde.package(tmp_path / "mixed.onnx", tmp_path / "models")
    assert report.alone == "rows of 'y' depend on the rows beside them"


@pytest.mark.slow
def test_nodes_and_edges_are_not_put_together(tmp_path):
    model, graph = GraphAttention(), nodes_and_edges()
    model(graph)
    kde.export_onnx(model, tmp_path / "graph.onnx", sample_inputs=graph)
    report = kde.package(tmp_path / "graph.onnx", tmp_path / "models")
    assert report.alone == "'output' has a fixed number of rows"


def test_a_file_with_weights_beside_it_is_packaged_with_them(files, tmp_path):
    model = onnx.load(files / "score.onnx")
    (weights,) = (x for x in model.graph.initializer if list(x.dims) == [4, 3])
    onnx.external_data_helper.set_external_data(weights, "large.onnx.data")
    large = tmp_path / "large.onnx"
    onnx.save(model, large)
    report = kde.package(large, tmp_path / "models")
    assert "large/1/large.onnx.data" in report.files
    session = onnxruntime.InferenceSession(tmp_path / "models" / "large" / "1" / "model.onnx")
    x = {"features": np.ones((2, 4), "float32"), "seed": np.array([1, 2])}
    wanted = onnxruntime.InferenceSession(files / "score.onnx").run(None, x)
    np.testing.assert_allclose(session.run(None, x)[0], wanted[0], rtol=1e-6, atol=1e-7)


def test_a_kserve_service_points_to_the_repository_beside_it(files, tmp_path):
    uri = 's3://models/"mine"'
    kde.package(files / "score.onnx", tmp_path / "a", target="kserve", storage_uri=uri)
    service = yaml.safe_load((tmp_path / "a" / "inference_service.yaml").read_text())
    assert (service["apiVersion"], service["kind"]) == (
        "serving.kserve.io/v1beta1",
        "InferenceService",
    )
    assert service["metadata"] == {"name": "score"}
    assert service["spec"]["predictor"]["model"] == {
        "modelFormat": {"name": "triton"},
        "protocolVersion": "v2",
        "storageUri": uri,
    }
    assert (tmp_path / "a" / "model_repository" / "score" / "config.pbtxt").is_file()
    kde.package(files / "score.onnx", tmp_path / "b", target="kserve")
    text = (tmp_path / "b" / "inference_service.yaml").read_text()
    assert "in place of the one that is there now" in text
    model = yaml.safe_load(text)["spec"]["predictor"]["model"]
    assert model["storageUri"] == "s3://REPLACE-ME/model_repository"


def test_a_package_replaces_a_package_and_nothing_else(files, tmp_path):
    out = tmp_path / "models"
    kde.package(files / "score.onnx", out)
    with pytest.raises(FileExistsError, match=r"already exists. Pass `overwrite=True`"):
        kde.package(files / "plain.onnx", out)
    assert (out / "score").is_dir()
    kde.package(files / "plain.onnx", out, overwrite=True)
    assert sorted(each.name for each in out.iterdir()) == ["keras_dropouts_package.json", "plain"]
    (out / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"`out`. Expected a folder that `package` .*notes.txt"):
        kde.package(files / "score.onnx", out, overwrite=True)
    assert (out / "notes.txt").read_text() == "mine"
    other = tmp_path / "other"
    other.mkdir()
    (other / "precious").write_text("mine")
    with pytest.raises(ValueError, match=r"`out`. Expected a folder .* It is something else"):
        kde.package(files / "score.onnx", other, overwrite=True)
    assert [each.name for each in other.iterdir()] == ["precious"]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"target": "tf"}, ValueError, "`target`. Expected one of 'triton', 'kserve', 'mlflow'."),
        ({"path": "no.onnx"}, FileNotFoundError, "`path`. Expected an .onnx file that exists."),
        ({"out": "no/models"}, FileNotFoundError, "`out`. Expected a path in an existing folder."),
        ({"out": "models.onnx"}, ValueError, "`out`. Expected the name of a folder, without"),
        ({"out": 3}, ValueError, "`out`. Expected a path. Received: out=3"),
        ({"name": "a/b"}, ValueError, "`name`. Expected a name of letters, digits"),
        ({"name": ""}, ValueError, "`name`. Expected None or a text. Received: name=''"),
        ({"max_batch_size": 0}, ValueError, "`max_batch_size`. Expected an integer not below 1."),
        ({"storage_uri": "s3://a"}, ValueError, "Expected None where `target` is 'triton'."),
        ({"target": "mlflow", "name": "a"}, ValueError, "Expected None where `target` is 'mlflow'"),
        ({"target": "kserve", "name": "A_b"}, ValueError, "`name`. Expected a name of Kubernetes"),
        (
            {"target": "mlflow"},
            ModuleNotFoundError,
            "needs mlflow. Install it: pip install 'keras-dropouts[mlflow]'",
        ),
        (
            {"overwrite": 1},
            ValueError,
            "`overwrite`. Expected True or False. Received: overwrite=1",
        ),
    ],
    ids=str,
)
def test_a_mistake_is_one_sentence_and_nothing_is_written(
    arguments, error, message, files, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=re.escape(message)):
        kde.package(**{"path": files / "score.onnx", "out": "models", **arguments})
    assert not list(tmp_path.iterdir())


def test_other_artifacts_and_files_that_take_no_seed_are_refused(tmp_path):
    model = dense_model()
    kde.export_saved_model(model, tmp_path / "saved")
    with pytest.raises(ValueError, match=r"`path`. Expected an .onnx file, which servers take"):
        kde.package(tmp_path / "saved", tmp_path / "models")
    kde.export_onnx(model, tmp_path / "native.onnx", samples=4, rng="native")
    with pytest.raises(ValueError, match=r"`path`. Expected an .onnx file that holds a self-test"):
        kde.package(tmp_path / "native.onnx", tmp_path / "models")
    kde.export_onnx(model, tmp_path / "sc ore.onnx")
    with pytest.raises(ValueError, match="It comes from the file's name: pass `name`"):
        kde.package(tmp_path / "sc ore.onnx", tmp_path / "models")
    kde.export_onnx(model, tmp_path / "lines.onnx", labels=["a\nb", "c"])
    with pytest.raises(ValueError, match=r"`path`. Expected a file whose labels are one line each"):
        kde.package(tmp_path / "lines.onnx", tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_a_file_that_fails_its_self_test_is_not_packaged(files, tmp_path):
    model = onnx.load(files / "score.onnx")
    (weights,) = (x for x in model.graph.initializer if list(x.dims) == [3, 2])
    weights.CopyFrom(onnx.numpy_helper.from_array(np.ones((3, 2), "float32"), weights.name))
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(kde.ExportError, match=r"fails its own self-test(.|\n)*differs"):
        kde.package(tmp_path / "other.onnx", tmp_path / "models")
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("damage", ["cut", "noise", "empty", "labels", "self-test"])
def test_a_damaged_file_is_one_sentence(damage, files, tmp_path):
    path, data = tmp_path / "score.onnx", (files / "score.onnx").read_bytes()
    changed = {"cut": data[:2000], "noise": b"noise", "empty": b""}.get(damage)
    if changed is None:
        model = onnx.load(files / "score.onnx")
        (entry,) = (
            each
            for each in model.metadata_props
            if each.key == f"keras_dropouts.{damage.replace('-', '_')}"
        )
        entry.value = "[1]"
        changed = model.SerializeToString()
    path.write_bytes(changed)
    with pytest.raises(ValueError, match=r"Invalid value for argument `path`. Expected a "):
        kde.package(path, tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_a_file_that_takes_too_long_is_stopped(files, tmp_path):
    message = r"Expected an artifact that gives its outputs within 1e-06 seconds"
    with pytest.raises(ValueError, match=message):
        kde.package(files / "score.onnx", tmp_path / "models", time_limit=1e-6)
    assert kde.package(files / "score.onnx", tmp_path / "models", time_limit=None).batching


def test_the_command_packages_and_says_what_it_wrote(capsys, files, tmp_path):
    out = tmp_path / "models"
    status, text, _ = run(capsys, "package", files / "score.onnx", "--for", "triton", out)
    assert status == 0
    assert "score/config.pbtxt\n" in text
    command = ("package", files / "score.onnx", out, "--for", "kserve")
    status, _, err = run(capsys, *command)
    assert status == 1
    assert "already exists" in err
    options = ("--overwrite", "--json", "--name", "mine", "--max-batch-size", 8)
    status, text, _ = run(capsys, *command, *options, "--storage-uri", "pvc://claim/models")
    assert status == 0
    assert json.loads(text)["name"] == "mine"
    assert "pvc://claim/models" in (out / "inference_service.yaml").read_text()
    status, _, err = run(capsys, "package", files / "score.onnx", out, "--for", "torchserve")
    assert status == 2
    assert "'torchserve' is not one of 'triton', 'kserve', 'mlflow'" in err


def test_the_page_on_servers_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    softmax = keras.layers.Dense(3, activation="softmax", name="digit")
    rows = [keras.Input((8, 8, 1), name="image"), keras.layers.Flatten(), keras.layers.Dropout(0.5)]
    model = keras.Sequential([*rows, softmax])
    kde.export_onnx(model, "digits.onnx", samples=4, labels=["a", "b", "c"])
    page = (Path(__file__).parents[3] / "docs" / "servers.md").read_text()
    blocks = re.findall(r"<!-- test: (\w+) -->\n```python\n(.*?)```", page, re.S)
    assert [name for name, _ in blocks] == ["package", "triton"]
    names = {}
    exec(blocks[0][1], names)
    assert f"```\n{capsys.readouterr().out}```\n" in page
    exec(blocks[1][1], names)
    sent = read(tmp_path / "models" / "digits" / "sample_request.json")
    shapes = [
        [(x["name"], x["shape"], x["datatype"]) for x in each["inputs"]]
        for each in (names["body"], sent)
    ]
    assert shapes[0] == shapes[1]


def test_a_model_of_images_with_every_layer_is_packaged(tmp_path):
    kde.export_onnx(image_model(), tmp_path / "images.onnx", samples=2)
    report = kde.package(tmp_path / "images.onnx", tmp_path / "models")
    assert report.batching
    config = (tmp_path / "models" / "images" / "config.pbtxt").read_text()
    assert blocks(config)["pixels"] == "data_type: TYPE_FP32 dims: [ 8, 8, 1 ]"
