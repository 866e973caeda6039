"""Healthy people like the one assessed: drawn, and how strongly they can push."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from cervjax.model import Model
from cervjax.optimization.isometric_strength import torque_capacity
from cervjax.people import LIMITS, AnsurPopulation, AssessedPerson, Personalizer, Sex, Subject
from cervjax.spec import ModelSpec

PEOPLE = 24
"""Healthy people alike."""


def people_alike(
    model: Model,
    own: Float[np.ndarray, " ratios"],
    person: AssessedPerson,
    people: int = PEOPLE,
    seed: int = 0,
) -> Float[np.ndarray, "people ratios"]:
    """Healthy people of the person's sex, age and size: strength and head mass vary.

    Args:
        model: that ratios are to.
        own: the person's ratios, in the order of `LIMITS`.
        person: whose sex and age the others have.
        people: how many.
        seed: of them.

    Returns:
        Ratios to the model, no unit.
    """
    nearest = float(np.clip(person.age, 19.0, 89.0))
    population = AnsurPopulation.of(
        model,
        np.ones(3),
        women=1.0 if person.sex == Sex.FEMALE else 0.0,
        ages=(nearest - 1.0, nearest + 1.0),
    )
    vectors = np.array(_drawn(population, jnp.arange(people), seed))
    names = list(LIMITS)
    for size in ("neck_length", "shoulder_width", "head_size"):
        vectors[:, names.index(size)] = own[names.index(size)]
    return vectors


def peer_capacity(
    spec: ModelSpec, person: AssessedPerson, subject: Subject, seed: int = 0
) -> Float[np.ndarray, "3 6"]:
    """The largest isometric moments of healthy people alike, in each of `MAIN`.

    Args:
        spec: of the model that ratios are to.
        person: whose sex and age the others have.
        subject: whose size they have.
        seed: of them.

    Returns:
        5th, 50th and 95th percentile, N m.
    """
    model = Model.from_spec(spec)
    others = people_alike(model, np.asarray(subject.as_vector()), person, seed=seed)
    return np.nanpercentile(torque_capacity(Personalizer(model), others), (5, 50, 95), axis=0)


# It runs once: compiling it well would take longer than it saves.
@partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
def _drawn(
    population: AnsurPopulation, index: Int[Array, " people"], seed: Int[Array, ""] | int
) -> Float[Array, "people ratios"]:
    key = jax.random.key(seed)
    return jax.vmap(lambda k: population(k, key).subject.as_vector())(index)
