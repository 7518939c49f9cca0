"""PyTorch's transforms of functions: those compiled, and those run for each example of a batch."""

import keras
import numpy as np
import pytest

import keras_dropouts as kd

if keras.backend.backend() == "torch":
    import torch
    from keras import layers

    X = np.random.default_rng(0).uniform(0.5, 1.5, (4, 8, 8, 6)).astype("float32")
    DROPOUTS = {
        "DropBlock2D and SpatialDropout": lambda: [
            kd.DropBlock2D(0.3, 3, seed=1),
            kd.SpatialDropout(0.3, seed=2),
        ],
        "odd shapes": lambda: [
            layers.Cropping2D(((1, 0), (1, 2))),
            kd.DropBlock2D(0.3, 3, border="clip", seed=1),
            kd.ScheduledDropout(0.4, seed=1),
        ],
        "ConcreteDropout": lambda: [kd.ConcreteDropout(layers.Conv2D(3, 3), seed=1, data_size=9)],
        "DropConnect": lambda: [kd.DropConnect(layers.Dense(3), 0.3, seed=1)],
    }

    def model_of(name):
        keras.utils.set_random_seed(3)
        return keras.Sequential([keras.Input(X.shape[1:]), *DROPOUTS[name]()])

    def trained(model, call):
        """Return two training calls and the gradients with respect to their inputs."""
        results = []
        for _ in range(2):
            x = torch.tensor(X, requires_grad=True)
            y = call(x, training=True)
            y.square().sum().backward()
            results += [y.detach().numpy(), x.grad.numpy()]
        return results

    # Dynamo looks at the gradient of each tensor that it meets, and leaves out of its graphs what
    # gives a wrapped layer other weights.
    @pytest.mark.slow
    @pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
    @pytest.mark.filterwarnings("ignore:Dynamo does not know how to trace:UserWarning")
    @pytest.mark.parametrize("name", DROPOUTS)
    def test_a_compiled_call_draws_what_an_eager_one_does(name):
        torch._dynamo.reset()
        model = model_of(name)
        compiled = trained(model, torch.compile(model, backend="aot_eager"))
        assert {layer.step for layer in model.layers if hasattr(layer, "step")} == {2}
        eager = model_of(name)
        for one, two in zip(compiled, trained(eager, eager), strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)
            np.testing.assert_array_equal(one == 0.0, two == 0.0)
        assert np.abs(compiled[0] - compiled[2]).max() > 0.1

    @pytest.mark.slow
    @pytest.mark.filterwarnings("ignore")  # of Inductor's own, about the machine
    def test_fit_with_jit_compile():
        torch._dynamo.reset()
        losses = []
        for jit_compile in (True, False):
            model = model_of("DropBlock2D and SpatialDropout")
            model.add(layers.Flatten())
            model.add(layers.Dense(1, kernel_initializer="ones"))
            model.compile("sgd", "mae", jit_compile=jit_compile)
            history = model.fit(X, np.ones((4, 1)), epochs=2, verbose=0, shuffle=False)
            losses.append(history.history["loss"])
            assert model.layers[0].step == 2
        np.testing.assert_allclose(*losses, rtol=1e-5, atol=1e-6)

    def under_vmap(layer, x, randomness):
        def one(row):
            return layer(row[None], training=True)[0]

        return torch.func.vmap(one, randomness=randomness)(torch.tensor(x)).detach().numpy()

    def test_vmap_has_a_mask_for_each_example_or_one_for_all():
        x = np.ones((5, 200), "float32")
        drop = [under_vmap(kd.ScheduledDropout(0.5, seed=1), x, "different") == 0 for _ in "12"]
        np.testing.assert_array_equal(*drop)
        assert abs(drop[0].mean() - 0.5) < 5.0 * 0.5 / np.sqrt(x.size)
        pairs = np.corrcoef(drop[0])[np.triu_indices(5, 1)]
        assert np.abs(pairs).max() < 5.0 / np.sqrt(200), pairs
        same = under_vmap(kd.ScheduledDropout(0.5, seed=1), x, "same")
        np.testing.assert_array_equal(same, np.broadcast_to(same[:1], same.shape))
        assert 0.0 < same.mean() < 2.0
        with pytest.raises(RuntimeError, match="randomness error mode"):
            under_vmap(kd.ScheduledDropout(0.5, seed=1), x, "error")

    @pytest.mark.parametrize(
        "make",
        [
            lambda: kd.GaussianDropout(0.4),
            lambda: kd.ConcreteDropout(layers.Dense(4), data_size=9),
            lambda: kd.VariationalDropout(layers.Dense(4), rate=0.5, data_size=9),
            lambda: kd.DropConnect(layers.Dense(4), 0.3),
            lambda: kd.MultiSampleDropout(layers.Dense(4), 0.3),
            lambda: kd.DropPath(0.5),
        ],
    )
    def test_vmap_runs_each_layer_with_a_mask_for_each_example(make):
        x, layer = np.ones((8, 20), "float32"), make()
        layer(x)
        y = under_vmap(layer, x, "different")
        assert len(np.unique(y, axis=0)) > 1
