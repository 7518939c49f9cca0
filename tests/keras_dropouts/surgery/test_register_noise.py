"""Classes that users make known are noise sources, and what looks like dropout is warned of."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropouts as kd


class DropBlock2D(keras.layers.Layer):
    """The DropBlock of someone else, with a seed generator."""

    def __init__(self, drop_prob: float, block_size: int = 3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.drop_prob = drop_prob
        self.block_size = block_size
        self.seed_generator = keras.random.SeedGenerator(3)

    def call(self, x: Any, training: bool = False) -> Any:
        if not training or not self.drop_prob:
            return x
        gamma = self.drop_prob / self.block_size**2
        seeds = keras.random.uniform(ops.shape(x), seed=self.seed_generator) < gamma
        blocks = ops.max_pool(ops.cast(seeds, x.dtype), self.block_size, 1, "same")
        return x * (1.0 - blocks)

    def compute_output_shape(self, shape: Any) -> Any:
        return shape

    def get_config(self) -> dict[str, Any]:
        own = {"drop_prob": self.drop_prob, "block_size": self.block_size}
        return {**super().get_config(), **own}


class KeepingDropPath(keras.layers.Layer):
    """The drop path of someone else, without a seed generator, that holds what it keeps."""

    def __init__(self, keep_prob: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.keep_prob = keep_prob

    def call(self, x: Any, training: bool = False) -> Any:
        if not training or self.keep_prob == 1.0:
            return x
        shape = (ops.shape(x)[0], *(1 for _ in x.shape[1:]))
        kept = keras.random.uniform(shape) < self.keep_prob
        return x * ops.cast(kept, x.dtype) / self.keep_prob

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "keep_prob": self.keep_prob}


class ScaledDrop(DropBlock2D):
    """A layer that does more than to drop."""

    def call(self, x: Any, training: bool = False) -> Any:
        return 2.0 * super().call(x, training=training)


class VariableDrop(keras.layers.Layer):
    """A layer whose rate is a variable."""

    def __init__(self, p: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.p = self.add_weight(
            shape=(), initializer=keras.initializers.Constant(p), trainable=False
        )

    def call(self, x: Any, training: bool = False) -> Any:
        if not training:
            return x
        return x * ops.cast(keras.random.uniform(ops.shape(x)) >= self.p, x.dtype)


class Block(keras.layers.Layer):
    """A layer that holds a Dense layer, a rate of its own and a seed generator."""

    def __init__(self, drop_path: float = 0.25, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(4)
        self.drop_path = drop_path
        self.seed_generator = keras.random.SeedGenerator(1)

    def call(self, x: Any, training: bool = False) -> Any:
        y = self.dense(x)
        return keras.random.dropout(y, self.drop_path, seed=self.seed_generator) if training else y


KINDS: list[tuple[Any, str, bool]] = [
    (DropBlock2D, "drop_prob", False),
    (KeepingDropPath, "keep_prob", True),
    (VariableDrop, "p", False),
    (Block, "drop_path", False),
]


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the classes known for one test."""
    from keras_dropouts.surgery import noise_table

    monkeypatch.setattr(noise_table, "_KINDS", dict(noise_table._KINDS))
    for kind, attribute, keeps in KINDS:
        assert kd.register_noise(kind, rate=attribute, keeps=keeps) is kind


def _model(kind: Any, rate: float) -> keras.Model:
    layers = [
        keras.Input((4, 4, 2)),
        keras.layers.Dense(4),
        kind(rate, name="noise"),
        keras.layers.Flatten(),
        keras.layers.Dense(2),
    ]
    return keras.Sequential(layers)


def _x() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(8, 4, 4, 2)).astype("float32")


def _rate(model: Any) -> float:
    (row,) = kd.inspect_dropout(model)
    return row.rate


@pytest.mark.parametrize(
    ("kind", "attribute", "keeps"), KINDS, ids=lambda x: getattr(x, "__name__", x)
)
@pytest.mark.usefixtures("registered")
def test_a_registered_class_is_listed_set_and_sampled(
    kind: Any, attribute: str, keeps: bool
) -> None:
    model = _model(kind, 0.75 if keeps else 0.25)
    (row,) = kd.inspect_dropout(model)
    assert row.path == "noise"
    assert row.rate == pytest.approx(0.25)
    expected = "Block(drop_path=)" if kind is Block else kind.__name__
    assert row.layer in (expected, f"{expected}({attribute}=)")
    result = kd.mc_predict(model, _x(), samples=8, seed=1, verbose=False)
    assert (result.std > 0).any()
    kd.set_rates(model, 0.5)
    held = getattr(model.get_layer("noise"), attribute)
    assert float(ops.convert_to_numpy(held)) == pytest.approx(0.5)
    assert _rate(model) == pytest.approx(0.5)
    kd.set_rates(model, {kind.__name__: 0.125})
    assert _rate(model) == pytest.approx(0.125)
    kd.set_rates(model, 0.0)
    with pytest.raises(ValueError, match="Nothing in model"):
        kd.mc_predict(model, _x(), verbose=False)


@pytest.mark.usefixtures("registered")
def test_a_registered_class_is_replaced() -> None:
    new = kd.replace_dropout(
        _model(DropBlock2D, 0.25), lambda old: kd.DropBlock2D(old.drop_prob, 3)
    )
    (row,) = kd.inspect_dropout(new)
    assert (row.layer, row.rate) == ("DropBlock2D", 0.25)
    assert isinstance(new.layers[1], kd.DropBlock2D)


@pytest.mark.usefixtures("registered")
def test_callbacks_know_a_registered_class() -> None:
    model = _model(DropBlock2D, 0.25)
    model.compile("sgd", "mse")
    history = model.fit(
        _x(), np.ones((8, 2)), epochs=2, verbose=0, callbacks=[kd.RateLogger()]
    ).history
    assert history["rate/noise"] == [0.25, 0.25]


class NamedDropout(keras.layers.Layer):
    """A dropout of someone else's that notes the rates with which it was traced."""

    def __init__(self, p: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.p = p
        self.traced: list[float] = []
        self.seed_generator = keras.random.SeedGenerator(1)

    def call(self, x: Any, training: bool = False) -> Any:
        if training:
            self.traced.append(self.p)
            x = keras.random.dropout(x, self.p, seed=self.seed_generator)
        return x


@pytest.mark.usefixtures("registered")
def test_a_scheduler_sets_the_rates_of_named_layers_while_they_train() -> None:
    kd.register_noise(NamedDropout, rate="p")
    model = keras.Sequential(
        [
            keras.Input((2,)),
            NamedDropout(0.5, name="named"),
            keras.layers.Dropout(0.125, name="keras"),
            keras.layers.Dense(1),
        ]
    )
    model.compile("sgd", "mse")
    halve = kd.RateScheduler(lambda epoch: 0.5 if epoch < 2 else 0.25, layers=["named"])
    history = model.fit(
        np.ones((4, 2)), np.ones((4, 1)), epochs=4, verbose=0, callbacks=[halve, kd.RateLogger()]
    ).history
    assert history["rate/named"] == [0.5, 0.5, 0.25, 0.25]
    assert history["rate/keras"] == [0.125] * 4
    traced = model.get_layer("named").traced
    assert sorted(set(traced)) == [0.25, 0.5]
    assert traced == sorted(traced, reverse=True)
    with pytest.raises(ValueError, match=r"`layers`\. Expected paths or classes out of: named\."):
        model.fit(
            np.ones((4, 2)), np.ones((4, 1)), verbose=0, callbacks=[kd.RateScheduler(abs, ["no"])]
        )


@pytest.mark.parametrize(
    ("kind", "rate", "advice"),
    [
        (DropBlock2D, 0.25, 'kd.register_noise(DropBlock2D, rate="drop_prob")'),
        (KeepingDropPath, 0.75, 'kd.register_noise(KeepingDropPath, rate="keep_prob", keeps=True)'),
        (VariableDrop, 0.25, 'kd.register_noise(VariableDrop, rate="p")'),
        (Block, 0.25, 'kd.register_noise(Block, rate="drop_path")'),
    ],
    ids=lambda x: getattr(x, "__name__", x),
)
def test_what_looks_like_dropout_is_warned_of(kind: Any, rate: float, advice: str) -> None:
    inner = _model(kind, rate)
    model = keras.Sequential([keras.Input((4, 4, 2)), inner, keras.layers.Dropout(0.5)])
    for function in (kd.inspect_dropout, lambda each: kd.mc_predict(each, _x(), 2, verbose=False)):
        with pytest.warns(UserWarning, match="look like dropout") as caught:
            function(model)
        (warning,) = [each for each in caught if "look like dropout" in str(each.message)]
        assert advice in str(warning.message)
        assert f"noise' of class {kind.__name__}" in str(warning.message)
        assert warning.filename == __file__


@pytest.mark.usefixtures("registered")
def test_a_class_that_is_said_to_make_no_noise_is_not_warned_of() -> None:
    class Dropper(DropBlock2D):
        """It looks like dropout, and its base class is."""

    kd.register_noise(Dropper, rate=None)
    assert kd.inspect_dropout(_model(Dropper, 0.25)) == ()


class LearningModel(keras.Model):
    """A model that holds a generator, and numbers that are no rates of dropping."""

    def __init__(self) -> None:
        super().__init__()
        self.learning_rate = 0.001
        self.dilation_rate = 0.5
        self.momentum = 0.9
        self.seed_generator = keras.random.SeedGenerator(1)


class DropdownEncoder(keras.layers.Layer):
    """Called with "drop", and without a rate."""

    def __init__(self) -> None:
        super().__init__()
        self.choices = 3
        self.scale = 0.5


class DropoutBlock(keras.layers.Layer):
    """A block whose rate is that of the layer of Keras that it holds."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.inner = keras.layers.Dropout(rate)


class CutOut(keras.layers.RandomFlip):
    """Augmentation of a user's, made from Keras's."""

    def __init__(self) -> None:
        super().__init__()
        self.rate = 0.5


@pytest.mark.parametrize(
    "make",
    [LearningModel, DropdownEncoder, lambda: DropoutBlock(0.5), CutOut, lambda: DropBlock2D(0.0)],
    ids=["numbers", "no rate", "known inside", "augmentation", "rate 0"],
)
def test_no_false_alarms(make: Any) -> None:
    layer = make()
    model = layer if isinstance(layer, keras.Model) else keras.Sequential([layer])
    kd.inspect_dropout(model)  # warnings are errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cls": DropBlock2D(0.5)}, r"`cls`\. Expected a subclass of keras\.layers\.Layer"),
        ({"cls": int}, r"`cls`\. Expected a subclass of keras\.layers\.Layer"),
        ({"cls": keras.layers.Layer}, "`cls`. Expected a class that is not known"),
        ({"cls": keras.layers.Dropout}, "`cls`. Expected a class that is not known"),
        ({"cls": kd.DropPath}, "`cls`. Expected a class that is not known"),
        ({"cls": Block, "rate": 0.5}, "`rate`. Expected the name of an attribute"),
        ({"cls": Block, "rate": "drop path"}, "`rate`. Expected the name of an attribute"),
        ({"cls": Block, "rate": "path"}, "an attribute that can be set, not a read-only"),
        ({"cls": Block, "keeps": 1}, "`keeps`. Expected True or False"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("`. ", r"`\. ")):
        kd.register_noise(**arguments)
