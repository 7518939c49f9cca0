"""Tests of mc_predict: what draws, from which stream, how often each part runs, bad input."""

import os
import subprocess
import sys
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_dropouts as kd
from keras_dropouts.monte_carlo import sampled_model
from subjects import SUBJECTS, Subject


def predict(model: Any, x: Any, samples: int = 6, seed: int | None = 7, **kwargs: Any) -> Any:
    return kd.mc_predict(model, x, samples=samples, seed=seed, verbose=False, **kwargs)


def network(rate: float = 0.5) -> keras.Model:
    """Return a model with a deterministic first half and a skip connection across its dropout."""
    inputs = keras.Input((6,))
    quiet = layers.Dense(8, activation="relu", name="quiet")(inputs)
    noisy = kd.ScheduledDropout(rate, name="drop")(quiet)
    joined = layers.Dense(8, name="noisy")(noisy) + quiet
    return keras.Model(inputs, layers.Dense(3, activation="softmax", name="head")(joined))


def data(rows: int = 10, width: int = 6) -> np.ndarray:
    return np.random.default_rng(3).standard_normal((rows, width)).astype("float32")


def close(left: Any, right: Any) -> None:
    """Compare what other batch shapes may round otherwise."""
    error = np.abs(np.asarray(left) - np.asarray(right)).max()
    np.testing.assert_allclose(left, right, atol=1e-5, rtol=1e-4, err_msg=f"largest {error}")


def state(model: keras.Model) -> list[Any]:
    generators = [v for layer in model._flatten_layers() for v in layer._seed_generators]
    variables = [*model.variables, *(generator.state for generator in generators)]
    return [ops.convert_to_numpy(variable) for variable in variables]


def test_mean_std_and_samples_have_their_shapes_and_values() -> None:
    result = predict(network(), data())
    assert result.samples.shape == (6, 10, 3)
    np.testing.assert_allclose(result.mean, result.samples.mean(0), atol=1e-6, rtol=1e-5)
    np.testing.assert_allclose(result.std, result.samples.std(0), atol=1e-6, rtol=1e-5)
    assert result.std.min() > 0.0
    assert result.seed == 7


def test_the_same_seed_gives_the_same_and_another_another() -> None:
    model, x = network(), data()
    first = predict(model, x)
    np.testing.assert_array_equal(first.samples, predict(model, x).samples)
    assert np.abs(first.samples - predict(model, x, seed=8).samples).max() > 1e-3
    fresh = predict(model, x, seed=None)
    np.testing.assert_array_equal(fresh.samples, predict(model, x, seed=fresh.seed).samples)


def test_rows_batches_and_samples_have_masks_of_their_own() -> None:
    model = keras.Sequential([keras.Input((64,)), layers.Dropout(0.5)])
    masks = predict(model, np.ones((6, 64)), batch_size=2, samples=4).samples != 0
    flat = masks.reshape(24, 64)
    assert len({row.tobytes() for row in flat}) == 24
    correlation = np.corrcoef(flat)[~np.eye(24, dtype=bool)]
    assert np.abs(correlation).max() < 5 / np.sqrt(64)


def test_the_number_of_samples_and_their_chunks_change_no_sample() -> None:
    model, x = network(), data()
    whole = predict(model, x, samples=7).samples
    for chunk_size in (1, 2, 7, 100):
        close(predict(model, x, samples=7, chunk_size=chunk_size).samples, whole)
    close(predict(model, x, samples=3).samples, whole[:3])


def test_fixed_masks_are_an_ensemble_of_sub_networks() -> None:
    model = keras.Sequential([keras.Input((64,)), layers.Dropout(0.5), layers.Dropout(0.3)])
    result = predict(model, np.ones((9, 64)), batch_size=4, fixed_masks=True).samples
    assert (result == result[:, :1]).all()
    assert len({sample.tobytes() for sample in result}) == 6
    other = predict(model, np.ones((9, 64)), batch_size=3, fixed_masks=True, chunk_size=4).samples
    np.testing.assert_array_equal(result, other)


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_samples_as_rows_are_samples_one_by_one(subject: Subject) -> None:
    model, x = subject.model(), subject.data(3)
    before = state(model)
    together = predict(model, x, samples=3, chunk_size=3)
    close(together.samples, predict(model, x, samples=3, chunk_size=1).samples)
    assert together.std.max() > 0.0
    for left, right in zip(before, state(model), strict=True):
        np.testing.assert_array_equal(left, right)


def recurrent() -> keras.Model:
    inputs = keras.Input((5,), dtype="int32")
    x = layers.Embedding(9, 4, mask_zero=True)(inputs)
    x = layers.LSTM(4, dropout=0.3, recurrent_dropout=0.3, return_sequences=True)(x)
    return keras.Model(inputs, layers.Bidirectional(layers.GRU(3, dropout=0.4))(x))


def attention() -> keras.Model:
    inputs = keras.Input((5, 4))
    x = layers.MultiHeadAttention(2, 3, dropout=0.4)(inputs, inputs)
    x = layers.Attention(dropout=0.4)([x, inputs])
    return keras.Model(inputs, layers.TimeDistributed(layers.Dropout(0.3))(x))


def noises() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((5, 4)),
            layers.SpatialDropout1D(0.3),
            layers.GaussianDropout(0.2),
            layers.GaussianNoise(0.3),
            layers.AlphaDropout(0.2),
            layers.Dropout(0.3, noise_shape=(1, None, None)),
        ]
    )


@pytest.mark.parametrize("make", [recurrent, attention, noises])
def test_keras_s_own_layers_draw_from_the_streams(make: Any) -> None:
    model = make()
    x = np.random.default_rng(0).integers(0, 9, (4, 5)) if make is recurrent else None
    x = np.random.default_rng(0).standard_normal((4, 5, 4)) if x is None else x
    before = state(model)
    together = predict(model, x, samples=4, chunk_size=4)
    close(together.samples, predict(model, x, samples=4, chunk_size=1).samples)
    assert together.std.max() > 1e-3
    for left, right in zip(before, state(model), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.LSTM(3, dropout=0.5),
        lambda: layers.GRU(3, dropout=0.5),
        lambda: layers.Bidirectional(layers.LSTM(3, dropout=0.5)),
    ],
    ids=["lstm", "gru", "bidirectional"],
)
def test_a_recurrent_layer_that_drops_its_inputs_alone_drops_in_each_sample(make: Any) -> None:
    # PyTorch may run all of it as one operation, whose dropout the layer's `training` decides.
    layer = make()
    model = keras.Sequential([keras.Input((5, 4)), layer])
    result = predict(model, np.ones((4, 5, 4), "float32"), samples=4)
    assert (result.std.max(axis=-1) > 1e-3).all(), result.std
    plain = keras.ops.convert_to_numpy(model(np.ones((4, 5, 4), "float32")))
    assert all(np.abs(each - plain).max() > 1e-3 for each in result.samples)
    assert getattr(layer, "use_cudnn", "auto") == "auto"


def test_only_dropout_is_active() -> None:
    inputs = keras.Input((8, 8, 3))
    x = layers.RandomFlip()(inputs)
    x = layers.BatchNormalization()(x, training=True)
    outputs = layers.Dropout(0.5, name="drop")(x, training=True)
    model = keras.Model(inputs, outputs)
    x = np.random.default_rng(0).standard_normal((4, 8, 8, 3)).astype("float32")
    plain = x / np.sqrt(1.0 + model.layers[2].epsilon)
    result = predict(model, x).samples
    for sample in result:
        kept = sample != 0
        np.testing.assert_allclose(sample[kept], (2 * plain)[kept], atol=1e-5, rtol=1e-4)
    np.testing.assert_array_equal(ops.convert_to_numpy(model.layers[2].moving_mean), 0)


def test_the_mean_goes_to_the_expectation_at_the_rate_of_the_root() -> None:
    model = keras.Sequential([keras.Input((200,)), kd.ScheduledDropout(0.4)])
    x = np.ones((1, 200), "float32")
    for samples in (16, 256):
        error = predict(model, x, samples=samples).mean - 1.0
        expected = np.sqrt(0.4 / 0.6 / samples)
        assert abs(np.sqrt(np.mean(error**2)) / expected - 1.0) < 5 / np.sqrt(400)


def count_calls(monkeypatch: pytest.MonkeyPatch, model: keras.Model) -> dict[str, list[int]]:
    """Count rows that each Dense layer of a model is given."""
    rows: dict[str, list[int]] = {}
    original = layers.Dense.call

    def call(self: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        rows.setdefault(self.name, []).append(inputs.shape[0])
        return original(self, inputs, *args, **kwargs)

    monkeypatch.setattr(layers.Dense, "call", call)
    return rows


def test_what_no_mask_touches_runs_once_for_any_number_of_samples(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = network()
    rows = count_calls(monkeypatch, model)
    predict(model, data(4), samples=8, chunk_size=8, batch_size=4)
    assert rows == {"quiet": [4], "noisy": [32], "head": [32]}


def test_nested_models_are_split_too(monkeypatch: pytest.MonkeyPatch) -> None:
    trunk = keras.Sequential([keras.Input((6,)), layers.Dense(5, name="trunk")], name="inner")
    head = keras.Sequential(
        [keras.Input((5,)), layers.Dense(4, name="before"), layers.Dropout(0.5)], name="head"
    )
    model = keras.Sequential([keras.Input((6,)), trunk, head, layers.Dense(2, name="after")])
    rows = count_calls(monkeypatch, model)
    predict(model, data(4), samples=3, batch_size=4)
    assert rows == {"trunk": [4], "before": [4], "after": [12]}


def test_several_inputs_and_outputs_keep_their_structure() -> None:
    first, second = keras.Input((4,), name="first"), keras.Input((4,), name="second")
    outputs = {"noisy": layers.Dropout(0.5)(first) + second, "quiet": layers.Dense(2)(second)}
    model = keras.Model({"first": first, "second": second}, outputs)
    result = predict(model, {"first": data(3, 4), "second": data(3, 4)})
    assert result.samples["noisy"].shape == (6, 3, 4)
    assert result.std["noisy"].max() > 0.1
    assert result.std["quiet"].max() == 0.0
    listed = keras.Model([first, second], outputs["noisy"])
    by_name = predict(listed, {"first": data(3, 4), "second": data(3, 4)})
    np.testing.assert_array_equal(by_name.samples, result.samples["noisy"])
    np.testing.assert_array_equal(
        by_name.samples, predict(listed, [data(3, 4), data(3, 4)]).samples
    )


class Subclassed(keras.Model):
    """A model whose graph is not known."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = layers.Dense(4)
        self.drops = [kd.ScheduledDropout(0.5), layers.Dropout(0.2)]
        self.norm = layers.BatchNormalization()

    def call(self, inputs: Any, training: bool = False) -> Any:
        x = self.dense(inputs)
        for drop in self.drops:
            x = drop(x, training=training)
        return self.norm(x, training=training)


def test_a_subclassed_model_is_one_stochastic_step() -> None:
    model = Subclassed()
    model(data(1))
    result = predict(model, data(), samples=4)
    close(result.samples, predict(model, data(), samples=4, chunk_size=1).samples)
    assert result.std.max() > 0.1


class Sampling(layers.Layer):
    """A layer that always draws, as that of a variational autoencoder does."""

    def __init__(self, seed: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed_generator = seed

    def call(self, inputs: Any) -> Any:
        return inputs + keras.random.normal(ops.shape(inputs), seed=self.seed_generator)


def test_a_layer_with_a_seed_generator_is_seeded() -> None:
    layer = Sampling(keras.random.SeedGenerator(1))
    model = keras.Sequential([keras.Input((6,)), layer, layers.Dense(2)])
    before = state(model)
    result = predict(model, data())
    np.testing.assert_array_equal(result.samples, predict(model, data()).samples)
    assert result.std.min() > 0.0
    for left, right in zip(before, state(model), strict=True):
        np.testing.assert_array_equal(left, right)


def test_a_noise_source_that_cannot_be_seeded_is_named() -> None:
    model = keras.Sequential([keras.Input((6,)), Sampling(3, name="odd"), layers.Dropout(0.5)])
    with pytest.raises(ValueError, match=r"layer 'odd' of class Sampling, which draws by `keras"):
        predict(model, data())


def test_the_rate_that_counts_is_the_present_one() -> None:
    model, x = network(), data()
    wide = predict(model, x).std.mean()
    model.get_layer("drop").rate = 0.05
    assert predict(model, x).std.mean() < wide
    model = keras.Sequential([keras.Input((6,)), layers.Dropout(0.5)])
    half = predict(model, x)
    model.layers[0].rate = 0.1
    assert predict(model, x).std.mean() < half.std.mean()


def test_weights_that_change_are_seen() -> None:
    model, x = network(), data()
    before = predict(model, x).mean
    model.get_layer("head").bias.assign([5.0, 0.0, 0.0])
    assert np.abs(predict(model, x).mean - before).max() > 0.1


def test_another_process_gives_the_same(tmp_path: Any) -> None:
    model, x = network(), data()
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", x)
    script = (
        "import sys, keras, numpy as np, keras_dropouts as kd\n"
        "model = keras.saving.load_model(sys.argv[1] + '/model.keras')\n"
        "x = np.load(sys.argv[1] + '/x.npy')\n"
        "result = kd.mc_predict(model, x, samples=6, seed=7, verbose=False)\n"
        "np.save(sys.argv[1] + '/samples.npy', result.samples)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ})
    np.testing.assert_array_equal(np.load(tmp_path / "samples.npy"), predict(model, x).samples)


def test_a_model_is_not_kept_alive() -> None:
    import gc
    import weakref

    model = network()
    predict(model, data())
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_masks_of_keras_go_with_the_rows() -> None:
    inputs = keras.Input((4,), dtype="int32")
    x = layers.Embedding(5, 3, mask_zero=True)(inputs)
    x = layers.Dropout(0.3)(x)
    model = keras.Model(inputs, layers.GlobalAveragePooling1D()(x))
    tokens = np.array([[1, 2, 0, 0], [3, 4, 1, 0]])
    longer = np.array([[1, 2, 0, 0], [3, 4, 1, 0]])
    longer[:, 3] = 0
    result = predict(model, tokens, samples=3)
    assert np.isfinite(result.samples).all()
    close(result.samples, predict(model, tokens, samples=3, chunk_size=1).samples)


@pytest.mark.parametrize("samples", [0, -1, 2.5, True, "8", None])
def test_samples_must_be_a_positive_integer(samples: Any) -> None:
    with pytest.raises(ValueError, match=r"`samples`\. Expected an integer not below 1"):
        predict(network(), data(), samples=samples)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": 2**63}, "`seed`"),
        ({"seed": -(2**63) - 1}, "`seed`"),
        ({"seed": 1.5}, "`seed`"),
        ({"batch_size": 0}, "`batch_size`"),
        ({"chunk_size": 0}, "`chunk_size`"),
        ({"fixed_masks": 1}, "`fixed_masks`"),
        ({"without_dropout": "ignore"}, "`without_dropout`"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        predict(network(), data(), **arguments)


@pytest.mark.parametrize(
    "x",
    [
        np.zeros((0, 6)),
        np.array(1.0),
        [data(2), data(3)],
        np.array([["a"] * 6]),
        data(3, 7),
        np.zeros((3, 6, 2)),
    ],
    ids=["no rows", "scalar", "two inputs", "text", "seven features", "a rank too many"],
)
def test_bad_data_is_named(x: Any) -> None:
    with pytest.raises(ValueError, match="Invalid value for argument `x`"):
        predict(network(), x)


def test_a_model_without_dropout_is_an_error_or_a_warning() -> None:
    model = keras.Sequential([keras.Input((6,)), layers.Dense(2)], name="plain")
    with pytest.raises(ValueError, match=r"Nothing in model 'plain' drops: it has no dropout"):
        predict(model, data())
    with pytest.warns(UserWarning, match="All samples are the same"):
        result = predict(model, data(), without_dropout="warn")
    assert result.std.max() == 0.0
    close(result.mean, ops.convert_to_numpy(model(data())))
    zero = keras.Sequential([keras.Input((6,)), kd.ScheduledDropout(0.0)])
    with pytest.raises(ValueError, match="all of its 1 rates are 0"):
        predict(zero, data())


def test_other_bad_models_are_named() -> None:
    with pytest.raises(ValueError, match=r"`model`. Expected a keras\.Model"):
        predict("model", data())
    with pytest.raises(ValueError, match="Expected a built model"):
        predict(keras.Sequential([layers.Dropout(0.5)]), data())
    cells = layers.LSTM(3, dropout=0.5, stateful=True)
    stateful = keras.Sequential([keras.Input(batch_shape=(2, 4, 3)), cells])
    with pytest.raises(ValueError, match="keeps no state between calls"):
        predict(stateful, np.zeros((2, 4, 3)))


def test_the_split_is_made_of_steps() -> None:
    split = sampled_model.SampledModel(network())
    noisy = [step.stochastic for step in split.steps]
    assert noisy == sorted(noisy)
    assert sum(noisy) == 4  # dropout, Dense, addition, Dense
    assert len(split.frontier) == 1  # dropout and the skip connection take the same value
