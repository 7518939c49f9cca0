"""Tests that a program that JAX exports for any batch size draws the decisions of each size."""

from __future__ import annotations

import keras
import numpy as np
import pytest

JAX = keras.backend.backend() == "jax"


@pytest.mark.skipif(not JAX, reason="JAX alone exports programs with symbolic sizes")
def test_an_exported_program_draws_what_each_size_draws() -> None:
    import jax
    import jax.export
    import jax.numpy as jnp

    from keras_dropouts.backends import draws_jax

    key = jnp.array([1, 2], jnp.int32)

    def drawn(x: jax.Array) -> jax.Array:
        return draws_jax.decisions(key, jnp.int32(3), 5, x.shape, jnp.int32(1 << 22))

    (rows,) = jax.export.symbolic_shape("rows")
    program = jax.export.export(jax.jit(drawn))(jax.ShapeDtypeStruct((rows,), jnp.float32))
    for size in (1, 31, 32, 33, 65, 1000):
        x = jnp.zeros(size)
        wanted = np.asarray(drawn(x))
        np.testing.assert_array_equal(np.asarray(program.call(x)), wanted)
    assert 0.6 < wanted.mean() < 0.9
