"""Tests of rewriting a model: which layers are replaced, and that all else is kept."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropouts as kd
from keras_dropouts.surgery.rewrite import rewrite


def keep(layer):
    return None


def without(*kinds):
    return lambda layer: [] if isinstance(layer, kinds) else None


def data(*shape):
    return np.random.default_rng(3).standard_normal(shape).astype("float32")


def equal(left, right):
    keras.tree.map_structure(
        lambda a, b: np.testing.assert_array_equal(
            ops.convert_to_numpy(a), ops.convert_to_numpy(b)
        ),
        left,
        right,
    )


def functional():
    a = keras.Input((4,), name="a")
    b = keras.Input((4,), name="b")
    shared = keras.layers.Dense(4, name="shared")
    x = keras.layers.Dropout(0.5, name="drop")(shared(a)) + shared(b)
    x = keras.layers.BatchNormalization(name="norm")(ops.relu(x) * 2.0)
    named = {"sum": x, "both": [keras.layers.Dense(2, name="p")(x), x - 1.0]}
    return keras.Model({"a": a, "b": b}, named, name="two")


def test_a_functional_model_keeps_its_structure_names_and_predictions():
    model = functional()
    x = {"a": data(3, 4), "b": data(3, 4)}
    new = rewrite(model, without(keras.layers.Dropout))
    names = {layer.name for layer in model.layers} - {"drop"}
    assert {layer.name for layer in new.layers} == names
    assert new.name == "two"
    assert [each.name for each in new.inputs] == [each.name for each in model.inputs]
    equal(new(x, training=False), model(x, training=False))
    equal(new.predict(x, verbose=0), model.predict(x, verbose=0))


def test_the_old_model_is_not_changed_and_shares_nothing():
    model = functional()
    nodes = [len(each._inbound_nodes) for each in model.operations]
    before = [ops.convert_to_numpy(w).copy() for w in model.weights]
    new = rewrite(model, keep)
    assert [len(each._inbound_nodes) for each in model.operations] == nodes
    for weight in new.weights:
        weight.assign(weight + 1.0)
    equal([ops.convert_to_numpy(w) for w in model.weights], before)
    assert not {id(w) for w in new.weights} & {id(w) for w in model.weights}


def test_a_shared_layer_is_made_once():
    new = rewrite(functional(), keep)
    assert len(new.get_layer("shared")._inbound_nodes) == 2


def test_a_sequential_model_stays_sequential():
    model = keras.Sequential(
        [keras.Input((4,), name="in"), keras.layers.Dropout(0.5), keras.layers.Dense(3, name="d")],
        name="s",
    )
    new = rewrite(model, without(keras.layers.Dropout))
    assert type(new) is keras.Sequential
    assert (new.name, [layer.name for layer in new.layers]) == ("s", ["d"])
    assert new.inputs[0].name == "in"
    equal(new(data(2, 4)), model(data(2, 4)))


def test_a_functional_model_of_nothing_but_dropout_becomes_the_identity(tmp_path):
    inputs = keras.Input((4,))
    nested = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.5)])
    x = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    outer = keras.Model(inputs, nested(keras.layers.Dropout(0.3)(inputs)))
    twice = keras.Model(inputs, {"one": outer(inputs), "two": keras.layers.Dropout(0.5)(inputs)})
    for model in (
        keras.Model(inputs, keras.layers.Dropout(0.5, name="drop")(inputs)),
        outer,
        twice,
    ):
        new = rewrite(model, without(keras.layers.Dropout))
        new.save(tmp_path / "new.keras")
        for kept in (new, keras.saving.load_model(tmp_path / "new.keras")):
            # A model that Keras 3.10 loads takes a list of its one input.
            inputs = keras.tree.map_structure(lambda _: x, kept.input)
            for y in keras.tree.flatten(kept(inputs)):
                np.testing.assert_array_equal(ops.convert_to_numpy(y), x)


def test_a_sequential_model_of_nothing_but_dropout_becomes_the_identity():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.5, name="only")])
    new = rewrite(model, without(keras.layers.Dropout))
    assert [type(layer).__name__ for layer in new.layers] == ["Identity"]
    equal(new(data(2, 4)), data(2, 4))


def test_nested_models_and_time_distributed_are_walked():
    inner = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(4), keras.layers.Dropout(0.5)], name="inner"
    )
    x = keras.Input((3, 4))
    y = keras.layers.TimeDistributed(inner, name="each")(x)
    y = keras.layers.TimeDistributed(keras.layers.Dropout(0.5), name="gone")(y)
    deep = keras.Model(y_in := keras.Input((4,)), inner(y_in) * 2.0, name="deep")
    model = keras.Model(x, deep(y[:, 0]))
    new = rewrite(model, without(keras.layers.Dropout))
    kinds = {type(layer).__name__ for layer in new._flatten_layers()}
    assert "Dropout" not in kinds
    assert "gone" not in [layer.name for layer in new.layers]
    assert new.get_layer("deep").get_layer("inner") is new.get_layer("each").layer
    equal(new(data(2, 3, 4), training=False), model(data(2, 3, 4), training=False))


def test_one_layer_becomes_two_and_its_parts_keep_their_weights():
    model = keras.Sequential(
        [keras.Input((4,)), kd.ConcreteDropout(keras.layers.Dense(3, name="inner"), name="outer")]
    )
    new = rewrite(
        model, lambda layer: layer.frozen() if isinstance(layer, kd.ConcreteDropout) else None
    )
    assert [layer.name for layer in new.layers] == ["outer", "inner"]
    equal(new(data(2, 4)), model(data(2, 4)))


def test_baked_call_arguments_stay():
    x = keras.Input((4,))
    norm = keras.layers.BatchNormalization(name="norm")
    model = keras.Model(
        x, keras.layers.Dropout(0.5, name="d")(norm(x, training=False), training=True)
    )
    new = rewrite(model, keep)
    assert new.get_layer("norm")._inbound_nodes[0].arguments.kwargs == {"training": False}
    assert new.get_layer("d")._inbound_nodes[0].arguments.kwargs == {"training": True}


def test_masks_and_initial_states_pass():
    tokens = keras.Input((5,), dtype="int32")
    x = keras.layers.Embedding(9, 4, mask_zero=True)(tokens)
    x = keras.layers.Dropout(0.5)(x)
    x, state = keras.layers.GRU(3, return_sequences=True, return_state=True)(x)
    x = keras.layers.GRU(3)(x, initial_state=state)
    model = keras.Model(tokens, x)
    x = np.array([[1, 2, 0, 0, 0], [3, 4, 5, 6, 7]])
    new = rewrite(model, without(keras.layers.Dropout))
    equal(new(x, training=False), model(x, training=False))


def test_trainable_flags_are_carried_over():
    model = functional()
    model.trainable = False
    model.get_layer("p").trainable = True
    new = rewrite(model, keep)
    assert [layer.trainable for layer in new.layers] == [layer.trainable for layer in model.layers]
    assert not new.trainable


def test_a_dropout_that_casts_leaves_the_cast():
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(3, dtype="float32"),
            keras.layers.Dropout(0.5, dtype="mixed_float16"),
            keras.layers.Softmax(dtype="mixed_float16"),
        ]
    )
    new = rewrite(model, without(keras.layers.Dropout))
    equal(new(data(2, 4)), model(data(2, 4)))


def test_dtypes_of_layers_that_forget_theirs_are_kept():
    model = keras.Sequential(
        [keras.Input((4, 4)), keras.layers.SpatialDropout1D(0.5, dtype="mixed_float16")]
    )
    assert rewrite(model, keep).layers[0].dtype_policy.name == "mixed_float16"


# On JAX Keras's own lookup asks for int64, which JAX has only if told so at its start.
@pytest.mark.filterwarnings("ignore:(?s).*Explicitly requested dtype int64:UserWarning")
def test_vocabularies_are_carried_over():
    layer = keras.layers.IntegerLookup()
    layer.adapt(np.array([3, 5, 7]))
    model = keras.Sequential([keras.Input((2,), dtype="int64"), layer])
    new = rewrite(model, keep)
    equal(new(np.array([[5, 9]])), model(np.array([[5, 9]])))


def test_a_lambda_and_an_unregistered_layer_are_carried_over():
    class Plus(keras.layers.Layer):
        def call(self, inputs):
            return inputs + 1.0

    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Lambda(lambda x: ops.abs(x)),
            Plus(),
            keras.layers.Dense(2),
        ]
    )
    new = rewrite(model, keep)
    equal(new(data(2, 4)), model(data(2, 4)))


def test_a_class_that_takes_inputs_and_outputs_stays():
    class Mine(keras.Model):
        def train_step(self, *args):
            return super().train_step(*args)

    x = keras.Input((4,))
    model = Mine(x, keras.layers.Dense(2)(x))
    assert type(rewrite(model, keep)).__name__ == "Mine"


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(2)

    def call(self, inputs):
        return self.dense(inputs)


def test_bad_models_are_refused():
    with pytest.raises(ValueError, match=r"`model`\. Expected a keras\.Model\. Received: model=3"):
        rewrite(3, keep)
    with pytest.raises(ValueError, match="Expected a built model"):
        rewrite(keras.Sequential([keras.layers.Dense(2)]), keep)
    model = Subclassed()
    model(data(2, 4))
    with pytest.raises(ValueError, match="Expected a Sequential or Functional model"):
        rewrite(model, keep)


class Forgetful(keras.layers.Layer):
    """Cannot be made again from its config."""

    def __init__(self, function, inner):
        super().__init__(name="forgetful")
        self.function = function
        self.parts = {"inner": inner, "list": [keras.layers.Dense(4), keras.layers.Dropout(0.5)]}
        self.inner = inner

    def call(self, inputs):
        return self.function(self.inner(self.parts["list"][0](inputs)))


def test_a_layer_without_a_config_is_copied():
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4), keras.layers.Dropout(0.1)])
    model = keras.Sequential([keras.Input((4,)), Forgetful(lambda x: ops.relu(x) + 1.0, inner)])
    new = rewrite(model, keep)
    before = model(data(2, 4))
    equal(new(data(2, 4)), before)
    forgetful = new.layers[0]
    assert forgetful.inner is forgetful.parts["inner"]
    assert forgetful.inner is not inner
    for weight in new.weights:
        weight.assign(weight + 1.0)
    equal(model(data(2, 4)), before)
    new.compile("sgd", "mse")
    new.fit(data(2, 4), data(2, 4), verbose=0)
    equal(model(data(2, 4)), before)


class Stubborn(keras.layers.Layer):
    """Can be neither copied nor made again."""

    def __new__(cls, function):
        return super().__new__(cls, function)

    def __init__(self, function):
        super().__init__(name="stubborn")
        self.function = function

    def call(self, inputs):
        return self.function(inputs)


def test_a_layer_that_can_be_neither_copied_nor_made_again_is_named():
    model = keras.Sequential([keras.Input((4,)), Stubborn(ops.relu)])
    with pytest.raises(ValueError, match="layer 'stubborn' of class Stubborn"):
        rewrite(model, keep)
