"""Tests of Monte-Carlo dropout in artifacts: the masks of mc_predict, at the cost of what drops."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
from keras import layers

import keras_dropouts as kd
import keras_dropouts_export as kde
from keras_dropouts_export.errors import ExportError
from keras_dropouts_export.formats.onnx.tf2onnx.adapter import MAXIMUM_OPSET

SEED = 9
LEVELS = ("ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL")


def classifier() -> keras.Model:
    """Return a convolutional classifier whose only dropout is in its head."""
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1), name="image"),
            layers.Conv2D(4, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.GlobalAveragePooling2D(),
            kd.ScheduledDropout(0.5),
            layers.Dense(8, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(3, activation="softmax", name="digit"),
        ]
    )
    return model


def images(rows: int = 5) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((rows, 8, 8, 1)).astype("float32")


def serve(path: Path, x: Any, seed: int | None = SEED, level: str = LEVELS[-1]) -> dict[str, Any]:
    """Return the outputs of an ONNX file by name."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    feeds = {session.get_inputs()[0].name: x}
    if seed is not None:
        feeds["seed"] = kd.row_seeds(seed, len(x))
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def predicted(model: Any, x: Any, samples: int, seed: int = SEED) -> kd.MonteCarloPrediction:
    return kd.mc_predict(model, x, samples=samples, seed=seed, verbose=False)


def close(left: Any, right: Any) -> None:
    error = np.abs(np.asarray(left, "float64") - np.asarray(right, "float64")).max()
    np.testing.assert_allclose(left, right, atol=2e-4, rtol=1e-4, err_msg=f"largest {error}")


def masked(*drops: Any, shape: tuple[int, ...] = (6, 6, 4)) -> keras.Model:
    return keras.Sequential([keras.Input(shape), *drops])


def recurrent() -> keras.Model:
    inputs = keras.Input((5, 4))
    x = layers.LSTM(4, dropout=0.3, recurrent_dropout=0.3, return_sequences=True)(inputs)
    x = layers.MultiHeadAttention(2, 3, dropout=0.4)(x, x)
    x = layers.TimeDistributed(layers.GaussianDropout(0.3))(x)
    return keras.Model(inputs, layers.Bidirectional(layers.GRU(3, dropout=0.4))(x))


def test_keras_s_recurrent_and_attention_layers_draw_the_same(tmp_path: Path) -> None:
    model = recurrent()
    x = np.random.default_rng(0).standard_normal((3, 5, 4)).astype("float32")
    kde.export_onnx(model, tmp_path / "m.onnx", samples=3, reduce=None)
    got = next(iter(serve(tmp_path / "m.onnx", x).values()))
    close(np.moveaxis(got, 1, 0), predicted(model, x, 3).samples)


def test_the_file_has_the_model_s_inputs_a_seed_and_two_outputs(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    report = kde.export_onnx(classifier(), path, samples=8)
    file = onnx.load(path)
    onnx.checker.check_model(file, full_check=True)
    assert [each.name for each in file.graph.input] == ["image", "seed"]
    assert [each.name for each in file.graph.output] == ["digit_mean", "digit_std"]
    assert file.graph.input[1].type.tensor_type.elem_type == onnx.TensorProto.INT64
    assert len(file.graph.input[1].type.tensor_type.shape.dim) == 1
    for value in (*file.graph.input, *file.graph.output):
        assert value.type.tensor_type.shape.dim[0].dim_param == "batch"
    properties = {each.key: each.value for each in file.metadata_props}
    assert json.loads(properties["keras_dropouts.monte_carlo"])["samples"] == 8
    kept = json.loads(properties["keras_dropouts.kept"])
    assert [row["rate"] for row in kept] == [0.5, 0.3]
    assert report.samples == 8
    assert "dropout kept, for 8 samples: 2" in str(report)
    assert json.loads(report.to_json())["samples"] == 8


def test_mean_and_std_are_those_of_mc_predict(tmp_path: Path) -> None:
    model, x = classifier(), images()
    kde.export_onnx(model, tmp_path / "m.onnx", samples=16)
    expected = predicted(model, x, 16)
    for level in LEVELS:
        got = serve(tmp_path / "m.onnx", x, level=level)
        close(got["digit_mean"], expected.mean)
        close(got["digit_std"], expected.std)
    other = serve(tmp_path / "m.onnx", x, seed=SEED + 1)
    assert np.abs(other["digit_mean"] - expected.mean).max() > 1e-4
    close(
        serve(tmp_path / "m.onnx", x, seed=2**62 + 3)["digit_mean"],
        predicted(model, x, 16, seed=2**62 + 3).mean,
    )


def test_uncertainty_is_that_of_the_prediction(tmp_path: Path) -> None:
    model, x = classifier(), images()
    kde.export_onnx(model, tmp_path / "m.onnx", samples=6, uncertainty=True)
    got, expected = serve(tmp_path / "m.onnx", x), predicted(model, x, 6)
    close(got["digit_entropy"], expected.predictive_entropy)
    close(got["digit_expected_entropy"], expected.expected_entropy)
    close(got["digit_mutual_information"], expected.mutual_information)
    assert got["digit_mutual_information"].min() >= 0.0


def is_loop_over_samples(node: onnx.NodeProto) -> bool:
    return node.op_type == "Loop" and "/Draw/" not in node.name  # a draw has a loop over rounds


@pytest.mark.parametrize("chunk_size", [1, 3, 6])
def test_chunks_give_the_same_samples(chunk_size: int, tmp_path: Path) -> None:
    model, x = classifier(), images()
    path = tmp_path / "m.onnx"
    kde.export_onnx(model, path, samples=7, reduce=None, chunk_size=chunk_size)
    loops = [node for node in onnx.load(path).graph.node if is_loop_over_samples(node)]
    assert len(loops) == (1 if chunk_size < 7 else 0)
    close(np.moveaxis(serve(path, x)["digit_samples"], 1, 0), predicted(model, x, 7).samples)


def test_what_no_mask_touches_is_computed_once(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    kde.export_onnx(classifier(), path, samples=8)
    file = onnx.load(path)
    assert [node.op_type for node in file.graph.node].count("Conv") == 1
    assert not any(map(is_loop_over_samples, file.graph.node))
    # The rows that each of these nodes is run on, asked of the runtime itself.
    asked = [node for node in file.graph.node if node.op_type in ("Conv", "MatMul", "Gemm")]
    del file.graph.output[:]
    for node in asked:
        file.graph.output.append(onnx.ValueInfoProto(name=node.output[0]))
    session = onnxruntime.InferenceSession(file.SerializeToString())
    feeds = {"image": images(5), "seed": kd.row_seeds(1, 5)}
    rows = {
        node.op_type: len(value)
        for node, value in zip(asked, session.run(None, feeds), strict=True)
    }
    assert rows.pop("Conv") == 5
    assert set(rows.values()) == {40}


def test_a_skip_connection_across_the_first_dropout_is_repeated_where_it_meets(
    tmp_path: Path,
) -> None:
    inputs = keras.Input((6,), name="x")
    quiet = layers.Dense(8, activation="relu")(inputs)
    joined = layers.Dense(8)(layers.Dropout(0.5)(quiet)) + quiet
    model = keras.Model(inputs, layers.Dense(2, name="y")(joined))
    x = np.random.default_rng(0).standard_normal((3, 6)).astype("float32")
    kde.export_onnx(model, tmp_path / "m.onnx", samples=4, reduce=None)
    got = serve(tmp_path / "m.onnx", x)["y_samples"]
    close(np.moveaxis(got, 1, 0), predicted(model, x, 4).samples)
    file = onnx.load(tmp_path / "m.onnx")
    assert [node.op_type for node in file.graph.node].count("Tile") == 1


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """Return what onnxruntime drops in two layers: booleans (layer, row, sample, unit)."""
    path = tmp_path_factory.mktemp("drawn") / "m.onnx"
    inputs = keras.Input((512,))
    outputs = [kd.ScheduledDropout(0.3, seed=1, name=f"layer_{i}")(inputs) for i in range(2)]
    kde.export_onnx(keras.Model(inputs, outputs), path, samples=16, reduce=None)
    return np.stack([*serve(path, np.ones((8, 512), "float32")).values()]) == 0


def test_the_rate_that_onnxruntime_realises_is_the_asked_one(drawn: np.ndarray) -> None:
    bound = 5 * np.sqrt(0.3 * 0.7 / drawn.size)
    assert abs(drawn.mean() - 0.3) < bound
    rows = drawn.reshape(-1, 512).mean(axis=1)
    assert np.abs(rows - 0.3).max() < 5 * np.sqrt(0.3 * 0.7 / 512)


def test_layers_samples_and_rows_are_independent_in_onnxruntime(drawn: np.ndarray) -> None:
    flat = drawn.reshape(-1, 512).astype("float64")
    correlation = np.corrcoef(flat)[~np.eye(len(flat), dtype=bool)]
    assert np.abs(correlation).max() < 6 / np.sqrt(512)
    assert abs(correlation.mean()) < 5 / np.sqrt(512 * correlation.size / 2)


def test_the_model_is_not_changed(tmp_path: Path) -> None:
    model = classifier()
    before = [variable.numpy() for variable in model.variables]
    kde.export_onnx(model, tmp_path / "m.onnx", samples=3)
    kde.export_saved_model(model, tmp_path / "saved", samples=3)
    for left, right in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(left, right.numpy())
    assert [len(layer._inbound_nodes) for layer in model.layers] == [1] * len(model.layers)


def test_the_saved_model_is_deterministic_and_samples_beside(tmp_path: Path) -> None:
    model, x = classifier(), images()
    kde.export_saved_model(model, tmp_path / "saved", samples=4, uncertainty=True)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    assert sorted(loaded.signatures) == ["serving_default", "serving_mc"]
    close(loaded.signatures["serving_default"](image=tf.constant(x))["digit"], model(x))
    got = loaded.signatures["serving_mc"](
        image=tf.constant(x), seed=tf.constant(kd.row_seeds(SEED, 5))
    )
    expected = predicted(model, x, 4)
    close(got["digit_mean"], expected.mean)
    close(got["digit_std"], expected.std)
    close(got["digit_mutual_information"], expected.mutual_information)
    names = [variable.name for variable in loaded.weights]
    assert not any("rate" in name or "seed" in name for name in names)


def test_verify_knows_such_artifacts(tmp_path: Path) -> None:
    model, other = classifier(), classifier()
    kde.export_onnx(model, tmp_path / "m.onnx", samples=4)
    kde.export_saved_model(model, tmp_path / "saved", samples=4)
    for path in (tmp_path / "m.onnx", tmp_path / "saved"):
        report = kde.verify(model, path)
        assert report.ok
        assert report.max_abs_error < 1e-5
        assert {row.runtime.endswith("other seed") for row in report.other_seed} == {True}
        assert not kde.verify(other, path).ok


def test_a_file_whose_seed_changes_nothing_is_no_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from keras_dropouts_export.checks import sampled_parity

    monkeypatch.setattr(
        sampled_parity, "_with_other_seed", lambda function, sampling, inputs: inputs
    )
    with pytest.raises(ExportError, match="its outputs are not the model's"):
        kde.export_onnx(classifier(), tmp_path / "m.onnx", samples=3)
    assert not list(tmp_path.iterdir())


def test_native_numbers_take_no_seed(tmp_path: Path) -> None:
    model = masked(kd.ScheduledDropout(0.4), shape=(256,))
    path = tmp_path / "m.onnx"
    report = kde.export_onnx(model, path, samples=32, rng="native", opset=15)
    assert len(report.inputs) == 1
    kinds = {node.op_type for node in onnx.load(path).graph.node}
    assert "RandomUniformLike" in kinds
    assert "BitwiseXor" not in kinds
    got = next(iter(serve(path, np.ones((4, 256), "float32"), seed=None).values()))
    assert abs(got.mean() - 1.0) < 5 * np.sqrt(0.4 / 0.6 / (4 * 256 * 32))


def test_only_standard_operations_are_in_the_file(tmp_path: Path) -> None:
    kde.export_onnx(classifier(), tmp_path / "m.onnx", samples=3)
    file = onnx.load(tmp_path / "m.onnx")
    assert {node.domain for node in file.graph.node} <= {"", "ai.onnx"}
    assert [(each.domain, each.version) for each in file.opset_import if not each.domain] == [
        ("", 18)
    ]
    assert not kde.audit(tmp_path / "m.onnx").random_ops


@pytest.mark.parametrize("samples", [0, -3, 2.0, True, "4"])
@pytest.mark.parametrize("export", [kde.export_onnx, kde.export_saved_model])
def test_samples_must_be_a_positive_integer(export: Any, samples: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"`samples`\. Expected an integer not below 1"):
        export(classifier(), tmp_path / "m.onnx", samples=samples)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"samples": 2, "reduce": "median"}, r"`reduce`\. Expected one of 'mean_std', None"),
        ({"samples": 2, "uncertainty": 1}, r"`uncertainty`\. Expected True or False"),
        ({"samples": 2, "chunk_size": 0}, r"`chunk_size`\. Expected an integer not below 1"),
        (
            {"samples": 2, "rng": "mersenne"},
            r"`rng`\. Expected one of 'philox', 'portable', 'native'",
        ),
        *(
            (
                {"samples": 2, "opset": opset},
                r"`opset`\. Expected 18 or above with `samples`, as the",
            )
            for opset in (13, 15, 17)
        ),
        (
            {"samples": 2, "opset": 22, "rng": "native"},
            r"`opset`\. Expected 21 or below with rng='native', as onnxruntime has no later Random",
        ),
        ({"uncertainty": True}, r"`uncertainty`\. Expected False where `samples` is None"),
        ({"rng": "native"}, r"`rng`\. Expected 'philox' where `samples` is None"),
        ({"reduce": None}, r"`reduce`\. Expected 'mean_std' where `samples` is None"),
        ({"chunk_size": 3}, r"`chunk_size`\. Expected None where `samples` is None"),
    ],
)
def test_bad_options_are_named(arguments: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        kde.export_onnx(classifier(), tmp_path / "m.onnx", **arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("opset", sorted({21, 22, MAXIMUM_OPSET}))
def test_later_opsets_draw_the_same(opset: int, tmp_path: Path) -> None:
    model, x = masked(layers.Dropout(0.4)), np.ones((3, 6, 6, 4), "float32")
    kde.export_onnx(model, tmp_path / "m.onnx", samples=3, reduce=None, opset=opset)
    (got,) = serve(tmp_path / "m.onnx", x).values()
    np.testing.assert_array_equal(np.moveaxis(got, 1, 0), predicted(model, x, 3).samples)


@pytest.mark.parametrize("export", [kde.export_onnx, kde.export_saved_model])
@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (layers.Dense(2), "Nothing in model 'plain' drops: it has no dropout layer"),
        (layers.Dropout(0.0), "Nothing in model 'plain' drops: all of its 1 rates are 0"),
    ],
)
def test_a_model_without_dropout_is_an_error(
    export: Any, layer: Any, message: str, tmp_path: Path
) -> None:
    model = keras.Sequential([keras.Input((6,)), layer], name="plain")
    with pytest.raises(ValueError, match=message):
        export(model, tmp_path / f"m{'.onnx' if export is kde.export_onnx else ''}", samples=2)
    assert not list(tmp_path.iterdir())


def test_a_model_that_keeps_state_is_an_error(tmp_path: Path) -> None:
    series = keras.Input(batch_shape=(2, 3, 6))
    model = keras.Sequential([series, layers.LSTM(3, stateful=True, dropout=0.2)])
    with pytest.raises(ValueError, match=r"keeps no state between calls.*stateful=False"):
        kde.export_onnx(model, tmp_path / "m.onnx", samples=2)


def test_uncertainty_needs_probabilities(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((6,)), layers.Dropout(0.5), layers.Dense(2, name="y")])
    with pytest.raises(ValueError, match=r"Output 'y' is not; give the model a softmax"):
        kde.export_onnx(model, tmp_path / "m.onnx", samples=2, uncertainty=True)


class Odd(layers.Layer):
    """Draws with a seed that nobody can reach."""

    def call(self, inputs: Any) -> Any:
        return inputs + keras.random.normal(keras.ops.shape(inputs), seed=3)


class Gamma(layers.Layer):
    """Draws from its generator, by what we have no seeded counterpart of."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.generator = keras.random.SeedGenerator(1)

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training:
            return inputs
        return inputs * keras.random.gamma(keras.ops.shape(inputs), 2.0, seed=self.generator)


class Raw(layers.Layer):
    """Draws by TensorFlow's own generator."""

    def call(self, inputs: Any) -> Any:
        return inputs + tf.random.uniform(tf.shape(inputs))


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        (Odd, "layer 'odd' of class Odd, which draws by `keras.random.normal`"),
        (Gamma, "layer 'odd' of class Gamma, which draws by `keras.random.gamma`"),
        (Raw, "odd.*, a RandomUniform of TensorFlow's own"),
    ],
)
def test_a_noise_source_that_cannot_be_seeded_is_named(
    kind: Any, named: str, tmp_path: Path
) -> None:
    model = keras.Sequential([keras.Input((6,)), kind(name="odd"), layers.Dropout(0.5)])
    message = f"(?s)Expected noise sources that can be seeded.*{named}"
    with pytest.raises(ExportError, match=message):
        kde.export_onnx(model, tmp_path / "m.onnx", samples=2)
    with pytest.raises(ValueError, match=message):
        predicted(model, np.ones((2, 6), "float32"), 2)
    assert not list(tmp_path.iterdir())


def test_a_saved_model_names_it_too(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((6,)), Gamma(name="odd"), layers.Dropout(0.5)])
    with pytest.raises(ExportError, match="layer 'odd' of class Gamma, which draws by"):
        kde.export_saved_model(model, tmp_path / "saved", samples=2)
    model = keras.Sequential([keras.Input((6,)), Raw(name="odd"), layers.Dropout(0.5)])
    with pytest.raises(ExportError, match="odd_1/random_uniform/RandomUniform"):
        kde.export_saved_model(model, tmp_path / "saved", samples=2)
