"""`ForceNetwork`: head kinematics and a person's ratios to muscle forces."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from cervjax.labels import LabelBatch


class Normalization(eqx.Module):
    """Mean and spread of a quantity over the training rows; a constant of the network."""

    mean: Float[Array, " n"]
    spread: Float[Array, " n"]

    @classmethod
    def of(cls, values: Float[Array, "rows n"]) -> "Normalization":
        """Mean and standard deviation of the columns; a constant column has spread one."""
        spread = jnp.std(values, axis=0)
        return cls(jnp.mean(values, axis=0), jnp.where(spread > 1e-8, spread, 1.0))

    def apply(self, values: Float[Array, "*n"]) -> Float[Array, "*n"]:
        """`values` with mean zero and spread one."""
        return (values - jax.lax.stop_gradient(self.mean)) / jax.lax.stop_gradient(self.spread)

    def undo(self, values: Float[Array, "*n"]) -> Float[Array, "*n"]:
        """The inverse of `apply`."""
        return values * jax.lax.stop_gradient(self.spread) + jax.lax.stop_gradient(self.mean)


class ForceNetwork(eqx.Module):
    """A feed-forward network from `network_inputs` to the forces of all muscles, N."""

    layers: eqx.nn.MLP
    inputs: Normalization
    outputs: Normalization

    @classmethod
    def of(
        cls,
        inputs: Float[Array, "rows inputs"],
        forces: Float[Array, "rows muscles"],
        *,
        width: int,
        depth: int,
        key: PRNGKeyArray,
    ) -> "ForceNetwork":
        """A fresh network, normalized to the training rows `inputs` and `forces`."""
        layers = eqx.nn.MLP(inputs.shape[1], forces.shape[1], width, depth, jax.nn.gelu, key=key)
        return cls(layers, Normalization.of(inputs), Normalization.of(forces))

    def __call__(self, inputs: Float[Array, " inputs"]) -> Float[Array, " muscles"]:
        """Forces (N) of one frame."""
        return self.outputs.undo(self.layers(self.inputs.apply(inputs)))


def network_inputs(labels: LabelBatch) -> Float[Array, "rows inputs"]:
    """What the network sees of each row: `q, qd, qdd`, gravity and the person's ratios."""
    return jnp.concatenate(
        [labels.q, labels.qd, labels.qdd, labels.gravity, labels.subject], axis=1
    )
