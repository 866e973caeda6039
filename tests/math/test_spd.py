import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cervjax.math import inverse_spd, solve_spd


@pytest.mark.parametrize("size", [1, 3, 10, 11, 23, 50])
def test_small_systems_are_numpys(size):
    """All three ways of elimination, of tables with condition numbers up to some thousand; rounding
    times that."""
    rng = np.random.default_rng(size)
    half = rng.normal(size=(4, size, size))
    matrix = half @ half.transpose(0, 2, 1) + 0.1 * np.eye(size)
    right = rng.normal(size=(4, size))
    found = jax.jit(jax.vmap(solve_spd))(jnp.asarray(matrix), jnp.asarray(right))
    expected = np.linalg.solve(matrix, right[..., None])[..., 0]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    inverse = jax.jit(jax.vmap(inverse_spd))(jnp.asarray(matrix))
    np.testing.assert_allclose(inverse, np.linalg.inv(matrix), rtol=1e-9, atol=1e-9)
