"""Contractions in full precision."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def contract(subscripts: str, *operands: Float[Array, "..."]) -> Float[Array, "..."]:
    """`jnp.einsum`, never in the reduced precision that GPUs use for float32 by default."""
    return jnp.einsum(subscripts, *operands, precision=jax.lax.Precision.HIGHEST)
