"""People drawn jointly from ANSUR II, with head mass, strength and range of motion beside it."""

import dataclasses
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jaxtyping import Array, Float, Integer, PRNGKeyArray

from cervjax.math.contraction import contract
from cervjax.model import Model
from cervjax.spec import PLANES

from .anthropometry import VARIABLES, Anthropometry, ansur2
from .person import MEASUREMENTS, Person, Sex
from .physiology import Physiology
from .subject import Subject

OUT_OF_DISTRIBUTION: dict[str, tuple[str, bool]] = {
    "short-neck": ("neck_link", False),
    "long-neck": ("neck_link", True),
    "narrow-shoulders": ("biacromial_breadth", False),
    "broad-shoulders": ("biacromial_breadth", True),
    "light-head": ("head_mass", False),
    "heavy-head": ("head_mass", True),
    "weak": ("strength", False),
    "strong": ("strength", True),
}
"""Populations beyond the 1st or the 99th percentile of their sex in one variable, the others
following by their correlations: the variable, and whether its upper end."""

_LATENT = (*VARIABLES, "head_mass", "strength", "flexor", "extensor", *PLANES)
_TAIL = 0.01
_TAIL_SAMPLE = 50_000
_CUT = 3.5
"""Standard deviations from the mean of one's sex and age that nobody is beyond."""


class AnsurPopulation(eqx.Module):
    """Adults with the joint, sex-specific distribution of ANSUR II.

    Age is uniform; the other variables follow given age (clipped to the 18 to 57 years of the
    survey), sizes normal or lognormal with the survey's means, covariances and correlations.
    Ratios are to the survey's mean man, whom HYOID stands for, but head mass is to the model's.
    Nobody moves further than the model's range, which is less than that of a healthy adult: half
    of the people have all of it in pitch and roll, five in six in yaw.

    Attributes:
        mean: of the latent normal variables, given sex.
        sd: of the same, given age too.
        factor: what an independent normal vector adds to them, age held fixed.
        age_slope: change of each per year of age.
        tail_slope: change of each per unit of the variable whose tail is drawn, age held fixed.
        tail_edge: percentile of women and men beyond which the tail's people lie.
        head_mass: kg, of the model.
        model_range: rad, of the model in pitch, roll, yaw.
        women: share of women.
        youngest, oldest: years.
        tail: a name of `OUT_OF_DISTRIBUTION`, or None.
    """

    mean: Float[Array, "2 latent"]
    sd: Float[Array, "2 latent"]
    factor: Float[Array, "2 latent latent"]
    age_slope: Float[Array, "2 latent"]
    tail_slope: Float[Array, "2 latent"]
    tail_edge: Float[Array, " 2"]
    head_mass: Float[Array, ""]
    model_range: Float[Array, " 3"]
    physiology: Physiology = eqx.field(static=True)
    women: float = eqx.field(static=True)
    youngest: float = eqx.field(static=True)
    oldest: float = eqx.field(static=True)
    survey_ages: tuple[float, float] = eqx.field(static=True)
    mean_man: tuple[float, float, float] = eqx.field(static=True)
    tail: str | None = eqx.field(static=True)

    @classmethod
    def of(
        cls,
        model: Model,
        model_range: Float[np.ndarray, " 3"],
        *,
        survey: Anthropometry | None = None,
        physiology: Physiology = Physiology(),
        women: float = 0.5,
        ages: tuple[float, float] = (18.0, 65.0),
        tail: str | None = None,
    ) -> "AnsurPopulation":
        """The population for the neck `model`, in numbers of its precision.

        Args:
            model_range: rad, pitch, roll and yaw that the model can turn through.
            survey: ANSUR II if None.
            women: share of women.
            ages: years, youngest and oldest.
            tail: a name of `OUT_OF_DISTRIBUTION` for people beyond a percentile.

        Returns:
            A function of a person's index and a key.

        Raises:
            ValueError: an option is out of range.
        """
        if not 0 <= women <= 1:
            raise ValueError(f"women = {women} is a share, between 0 and 1")
        if not 18 <= ages[0] < ages[1] <= 90:
            raise ValueError(f"ages = {ages} are not two increasing ages between 18 and 90")
        if tail is not None and tail not in OUT_OF_DISTRIBUTION:
            raise ValueError(f"no tail {tail!r}; there are {', '.join(OUT_OF_DISTRIBUTION)}")
        survey = ansur2() if survey is None else survey
        mean, covariance = _latent(survey, physiology)
        age = _LATENT.index("age")
        age_slope = covariance[:, :, age] / covariance[:, age, age][:, None]
        given = covariance - age_slope[:, :, None] * covariance[:, None, age, :]
        variable = _LATENT.index(OUT_OF_DISTRIBUTION[tail][0] if tail else "strength")
        # A singular direction (age itself) has a zero row in the factor.
        values, vectors = np.linalg.eigh(given)
        factor = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]

        def array(x: object) -> Array:
            return jnp.asarray(np.asarray(x, float), model.body_mass.dtype)

        names = list(VARIABLES)
        man = survey.mean[Sex.MALE]
        sizes = ("neck_link", "biacromial_breadth", "head_circumference")
        everybody = cls(
            mean=array(mean),
            sd=array(np.sqrt(np.diagonal(given, axis1=1, axis2=2))),
            factor=array(factor),
            age_slope=array(age_slope),
            tail_slope=array(given[:, :, variable] / given[:, variable, variable][:, None]),
            tail_edge=array(np.zeros(2)),
            head_mass=array(
                sum(model.body_mass[model.body_index(b)] for b in model.topology.anatomy.head)
            ),
            model_range=array(model_range),
            physiology=physiology,
            women=women,
            youngest=ages[0],
            oldest=ages[1],
            survey_ages=(18.0, 57.0),
            mean_man=(
                float(man[names.index(sizes[0])]),
                float(man[names.index(sizes[1])]),
                float(man[names.index(sizes[2])]),
            ),
            tail=None,
        )
        return everybody if tail is None else everybody._beyond(tail)

    def _beyond(self, tail: str) -> "AnsurPopulation":
        """The same population beyond a percentile, found from a sample of everybody."""
        key = jax.random.key(0)
        sample = jax.jit(jax.vmap(lambda k: self(k, key)))(jnp.arange(_TAIL_SAMPLE))
        name, upper = OUT_OF_DISTRIBUTION[tail]
        if name == "strength":
            values = np.asarray(sample.subject.strength)
        else:
            values = np.asarray(sample.measurement)[:, list(MEASUREMENTS).index(name)]
        sex = np.asarray(sample.sex)
        part = 1 - _TAIL if upper else _TAIL
        edges = [np.quantile(values[sex == s], part) if np.any(sex == s) else 0.0 for s in Sex]
        return dataclasses.replace(self, tail_edge=jnp.asarray(edges, self.mean.dtype), tail=tail)

    def __call__(self, index: Integer[Array, ""], key: PRNGKeyArray) -> Person:
        """Person `index` of the population that `key` draws."""
        dtype = self.mean.dtype
        # One call of the generator: on a CPU every call is a loop of its own.
        count = self.mean.shape[1]
        uniforms = jax.random.uniform(jax.random.fold_in(key, index), (3 + count,), dtype)
        male = uniforms[0] >= self.women
        sex = jnp.where(male, int(Sex.MALE), int(Sex.FEMALE))

        def of_sex(table: Array) -> Array:
            return jnp.where(male, table[1], table[0])

        mean, sd = of_sex(self.mean), of_sex(self.sd)
        age = self.youngest + (self.oldest - self.youngest) * uniforms[1]
        surveyed = jnp.clip(age, *self.survey_ages)
        centered = jnp.clip(2 * uniforms[3:] - 1, -0.9999999, 0.9999999)
        noise = math.sqrt(2) * jax.lax.erf_inv(centered)
        away = contract("ij,j->i", of_sex(self.factor), noise)
        latent = mean + of_sex(self.age_slope) * (surveyed - mean[0])
        latent = latent + jnp.clip(away, -_CUT * sd, _CUT * sd)
        if self.tail is None:
            return self._person(sex, male, age, dict(zip(_LATENT, latent, strict=True)), {})
        name, upper = OUT_OF_DISTRIBUTION[self.tail]
        at = _LATENT.index(name)
        # As far beyond the percentile as a normal variable's tail reaches.
        depth = jax.scipy.special.ndtri(_TAIL * jnp.maximum(uniforms[2], 0.02))
        beyond = sd[at] * (float(scipy.special.ndtri(_TAIL)) - depth)
        edge = of_sex(self.tail_edge)
        if name == "strength":
            wanted = edge * jnp.exp(jnp.where(upper, beyond, -beyond))
        else:
            wanted = edge + jnp.where(upper, beyond, -beyond)
            latent = latent + of_sex(self.tail_slope) * (wanted - latent[at])
        people = dict(zip(_LATENT, latent, strict=True))
        return self._person(sex, male, age, people, {name: wanted})

    def _person(
        self,
        sex: Array,
        male: Array,
        age: Array,
        latent: dict[str, Array],
        given: dict[str, Array],
    ) -> Person:
        known = self.physiology
        weight = jnp.exp(latent["weight"])
        women, men = self.mean[:, _LATENT.index("weight")]
        log_median = jnp.where(male, men, women)
        shift = latent["weight"] - log_median
        linear = known.head_mass_per_weight * jnp.exp(log_median) * (1 + shift)
        head_mass = latent["head_mass"] + known.head_mass_per_weight * weight - linear
        head_mass = given.get("head_mass", head_mass)

        lost = jnp.maximum(age - jnp.where(male, *known.decline_from[::-1]), 0.0)
        strength = jnp.exp(latent["strength"] - jnp.where(male, *known.decline[::-1]) * lost)
        strength = given.get("strength", strength)
        neck, shoulders, head = self.mean_man
        ratios = Subject(
            neck_length=latent["neck_link"] / neck,
            shoulder_width=latent["biacromial_breadth"] / shoulders,
            head_mass=head_mass / self.head_mass,
            head_size=latent["head_circumference"] / head,
            strength=strength,
            flexor_strength=jnp.exp(latent["flexor"]),
            extensor_strength=jnp.exp(latent["extensor"]),
        )
        loss = known.range_loss * jnp.maximum(age - 28.0, 0.0)
        ranges = jnp.stack([latent[plane] for plane in PLANES]) - loss
        measurement = [
            age,
            latent["stature"],
            weight,
            jnp.exp(latent["neck_circumference"]),
            latent["biacromial_breadth"],
            latent["neck_link"],
            latent["head_circumference"],
            head_mass,
        ]
        return Person(
            sex=sex.astype(jnp.int32),
            measurement=jnp.stack(measurement),
            subject=ratios,
            range_of_motion=jnp.clip(ranges / self.model_range, 0.2, 1.0),
        )


def _latent(survey: Anthropometry, known: Physiology) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the latent variables of women and men.

    Head mass is linear in stature and in the logarithm of weight here, so that everything is
    jointly normal; what that leaves out is added when a person is drawn.
    """
    size, sizes = len(_LATENT), len(VARIABLES)
    at = {name: i for i, name in enumerate(_LATENT)}
    mean, covariance = np.zeros((2, size)), np.zeros((2, size, size))
    overall = np.sqrt(np.multiply(known.flexor_strength, known.extensor_strength))
    for s in range(2):
        sd = survey.latent_sd[s]
        # Independent parts: the survey's variables and those of the rest; `spread` mixes them.
        parts = np.zeros((size, size))
        parts[:sizes, :sizes] = survey.correlation[s] * np.outer(sd, sd)
        mean[s, :sizes] = survey.latent_mean[s]
        deviations = {
            "head_mass": known.head_mass_residual,
            "strength": known.strength_sd,
            "flexor": known.direction_sd,
            "extensor": known.direction_sd,
            **dict(zip(PLANES, known.range_sd, strict=True)),
        }
        for name, deviation in deviations.items():
            parts[at[name], at[name]] = deviation**2
        median_weight = np.exp(mean[s, at["weight"]])
        spread = np.eye(size)
        spread[at["head_mass"], at["weight"]] = known.head_mass_per_weight * median_weight
        spread[at["head_mass"], at["stature"]] = known.head_mass_per_stature
        covariance[s] = spread @ parts @ spread.T

        sized = (
            known.head_mass_per_weight * survey.mean[s, at["weight"]]
            + known.head_mass_per_stature * survey.mean[s, at["stature"]]
        )
        if s == Sex.MALE:
            intercept = known.men_head_mass_intercept
        else:
            intercept = known.women_head_mass_share * survey.mean[s, at["weight"]] - sized
        mean[s, at["head_mass"]] = (
            intercept
            + known.head_mass_per_weight * median_weight
            + known.head_mass_per_stature * mean[s, at["stature"]]
        )
        mean[s, at["strength"]] = np.log(overall[s])
        mean[s, at["flexor"]] = np.log(known.flexor_strength[s] / overall[s])
        mean[s, at["extensor"]] = np.log(known.extensor_strength[s] / overall[s])
        for plane, middle in zip(PLANES, known.range_mean, strict=True):
            mean[s, at[plane]] = middle
    return mean, covariance
