"""What drives muscles: activations that are given, as measured or assumed ones are."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class GivenActivation(eqx.Module):
    """Activations from a table, straight between its rows and constant beyond its ends.

    Attributes:
        time: s.
        values: activation of each muscle.
    """

    time: Float[Array, " n"]
    values: Float[Array, "n muscles"]

    def at(self, time: Float[Array, ""]) -> Float[Array, " muscles"]:
        """Activations.

        Args:
            time: s.

        Returns:
            One for each muscle, no unit.
        """
        return jax.vmap(jnp.interp, (None, None, 1))(time, self.time, self.values)
