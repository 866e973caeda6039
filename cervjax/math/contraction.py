"""Contractions in full precision."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def contract(subscripts: str, *operands: Float[Array, "..."]) -> Float[Array, "..."]:
    """`jnp.einsum` (unit of the product), never in GPUs' reduced default precision of float32."""
    return jnp.einsum(subscripts, *operands, precision=jax.lax.Precision.HIGHEST)
