"""The learned part of a force network: a multilayer perceptron, or one that remembers frames."""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from cervjax.learning.config import NetworkConfig


class AbstractTrunk(eqx.Module):
    """Features to outputs; normalized numbers in and out."""

    @abc.abstractmethod
    def __call__(self, features: Float[Array, "*frames features"]) -> Float[Array, " outputs"]:
        """Outputs of one row.

        Args:
            features: of each frame of a window, or of one frame.

        Returns:
            Normalized outputs, of the last frame.
        """


class FrameTrunk(AbstractTrunk):
    """One frame at a time."""

    layers: eqx.nn.MLP

    def __call__(self, features: Float[Array, "*frames features"]) -> Float[Array, " outputs"]:
        """Normalized outputs of one frame."""
        return self.layers(features)


class RecurrentTrunk(AbstractTrunk):
    """A gated recurrent unit over the frames of a window, then a perceptron on what it keeps."""

    cell: eqx.nn.GRUCell
    layers: eqx.nn.MLP

    def __call__(self, features: Float[Array, "*frames features"]) -> Float[Array, " outputs"]:
        """Normalized outputs of the window's last frame."""

        def step(kept: Array, frame: Array) -> tuple[Array, None]:
            return self.cell(frame, kept), None

        kept, _ = jax.lax.scan(step, jnp.zeros(self.cell.hidden_size, features.dtype), features)
        return self.layers(jnp.concatenate([kept, features[-1]]))


class ConvolutionTrunk(AbstractTrunk):
    """Causal convolutions with doubling gaps over a window, then a perceptron on the last frame."""

    filters: list[eqx.nn.Conv1d]
    layers: eqx.nn.MLP

    def __call__(self, features: Float[Array, "*frames features"]) -> Float[Array, " outputs"]:
        """Normalized outputs of the window's last frame."""
        kept = features.T
        for convolution in self.filters:
            # Zeros before the window's first frame: what comes later must not be seen.
            before = 2 * convolution.dilation[0]
            kept = jax.nn.gelu(convolution(jnp.pad(kept, ((0, 0), (before, 0)))))
        return self.layers(jnp.concatenate([kept[:, -1], features[-1]]))


def make_trunk(
    config: NetworkConfig, inputs: int, outputs: int, key: PRNGKeyArray
) -> AbstractTrunk:
    """A fresh trunk of the size that `config` says."""
    first, second = jax.random.split(key)

    def perceptron(inputs: int, key: PRNGKeyArray) -> eqx.nn.MLP:
        width, depth = config.width, config.depth
        return eqx.nn.MLP(inputs, outputs, width, depth, jax.nn.gelu, dtype=jnp.float32, key=key)

    if config.memory == "none":
        return FrameTrunk(perceptron(inputs, second))
    if config.memory == "recurrent":
        cell = eqx.nn.GRUCell(inputs, config.width, dtype=jnp.float32, key=first)
        return RecurrentTrunk(cell, perceptron(config.width + inputs, second))
    layers, reach, size = [], 1, inputs
    while reach < config.window:
        first, own = jax.random.split(first)
        gap = (reach + 1) // 2
        layers.append(
            eqx.nn.Conv1d(size, config.width, 3, dilation=gap, dtype=jnp.float32, key=own)
        )
        reach, size = reach + 2 * gap, config.width
    return ConvolutionTrunk(layers, perceptron(size + inputs, second))
