"""What to train and how: plain frozen values, written beside every run."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from .inputs import INPUT_SETS
from .noise import SensorNoise

Kind = Literal["direct", "physics", "label-free", "dual"]
Memory = Literal["none", "recurrent", "convolution"]
Head = Literal["bounded", "linear"]


@dataclass(frozen=True)
class NetworkConfig:
    """What a network is.

    Attributes:
        kind: `direct` learns forces; `physics` forces and mechanics; `label-free` mechanics alone;
            `dual` predicts multipliers and leaves the rest to mechanics.
        inputs: a name of `INPUT_SETS`.
        memory: of the frames before: none, a recurrent unit, or a temporal convolution.
        window: frames seen, with memory.
        width, depth: of the hidden layers.
        head: of all kinds but `dual`; see `FeedForwardNetwork`.
        newton_steps: of a `dual` network, that polish its answer.
    """

    kind: Kind = "physics"
    inputs: str = "full"
    memory: Memory = "none"
    window: int = 1
    width: int = 256
    depth: int = 3
    head: Head = "bounded"
    newton_steps: int = 10

    def __post_init__(self) -> None:
        for name, least in (
            ("window", 1),
            ("width", 1),
            ("depth", 1),
            ("newton_steps", 0),
        ):
            if getattr(self, name) < least:
                raise ValueError(f"{name} = {getattr(self, name)} is not at least {least}")
        for name, known in (("kind", Kind), ("memory", Memory), ("head", Head)):
            if getattr(self, name) not in get_args(known):
                raise ValueError(
                    f"no {name} {getattr(self, name)!r}; there are {', '.join(get_args(known))}"
                )
        if self.inputs not in INPUT_SETS:
            raise ValueError(f"no input set {self.inputs!r}; there are {', '.join(INPUT_SETS)}")
        if self.kind == "dual" and self.inputs != "full":
            raise ValueError(
                f"a dual network needs the row's mechanics, which inputs = {self.inputs!r} do not "
                "give; use `full`, or the kind physics"
            )
        if (self.memory == "none") != (self.window == 1):
            raise ValueError(
                f"window = {self.window} with memory = {self.memory!r}: a network without memory "
                "sees one frame, one with memory more"
            )


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms of the loss; see `cervjax.learning.losses`.

    Attributes:
        force, activation: distance from the labels.
        capacity: distance of what muscles can do from the force curves.
        balance: torque-balance residual.
        bounds: activations beyond their bounds, and muscles that push.
        optimality: distance from the optimum's own conditions.
    """

    force: float = 0.0
    activation: float = 0.0
    capacity: float = 0.0
    balance: float = 0.0
    bounds: float = 0.0
    optimality: float = 0.0

    def __post_init__(self) -> None:
        for name, weight in dataclasses.asdict(self).items():
            if not weight >= 0:
                raise ValueError(f"weight {name} = {weight} is negative")
        if not any(dataclasses.asdict(self).values()):
            raise ValueError("all weights are zero: there is nothing to learn")

    @property
    def needs_labels(self) -> bool:
        """Whether forces of the optimizer are looked at."""
        return bool(self.force or self.activation)

    @property
    def needs_physics(self) -> bool:
        """Whether mechanics and optimality are looked at."""
        return bool(self.balance or self.bounds or self.optimality)


DEFAULT_WEIGHTS: dict[str, LossWeights] = {
    "direct": LossWeights(force=1.0, activation=0.5, capacity=0.5),
    "physics": LossWeights(
        force=1.0, activation=0.5, capacity=0.5, balance=300.0, bounds=1.0, optimality=0.1
    ),
    "label-free": LossWeights(capacity=0.5, balance=0.1, bounds=1.0, optimality=1.0),
    "dual": LossWeights(force=0.5, activation=1.0, optimality=0.5),
}
"""Weights of each kind, where none are given."""

HIDDEN_BALANCE = 20.0
"""The most that balance weighs by default where sensors or gaps in what is known of a person hide
part of the torques: there is less to be had from it, and it costs forces."""


@dataclass(frozen=True)
class TrainingConfig:
    """How to train.

    Attributes:
        network: what.
        losses: weights of the loss; those of the kind in `DEFAULT_WEIGHTS` if None.
        physics_start: part of their weight that balance, bounds and optimality begin with, beside
            labels ...
        physics_ramp: ... and part of the steps after which they have all of it, by the same factor
            every step: forces first, then their sum. Without labels they have it from the start.
        physics_share: part of the rows of a batch that the terms without labels look at: they cost
            most of a step.
        labels_end: part of their weight that force and activation end with.
        steps, batch_size: gradient steps, and rows in each.
        optimizer: `muon` (orthogonalized momentum for matrices, Adam for the rest) or `adam`.
        learning_rate: peak of a cosine schedule with a short warm-up.
        weight_decay: of the matrices.
        unknown_person: part of the rows of which something about the person is hidden from the
            network; the mechanics of a dual network know it all the same.
        noise: added to sensor inputs, anew in every step.
        validate_every: steps between validations, lines of metrics and checkpoints.
        patience: validations without progress after which training stops; 0 for never.
        seed: of the network, the order of rows and the noise.
    """

    network: NetworkConfig = NetworkConfig()
    losses: LossWeights | None = None
    physics_start: float = 0.002
    physics_ramp: float = 1.0
    physics_share: float = 0.25
    labels_end: float = 1.0
    steps: int = 10_000
    batch_size: int = 2048
    optimizer: Literal["muon", "adam"] = "muon"
    learning_rate: float = 1e-2
    weight_decay: float = 1e-4
    unknown_person: float = 0.0
    noise: SensorNoise = field(default_factory=SensorNoise)
    validate_every: int = 500
    patience: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "validate_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)} is not at least 1")
        parts = ("physics_start", "physics_ramp", "physics_share", "labels_end", "unknown_person")
        for name in parts:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} = {getattr(self, name)} is not between 0 and 1")
        if self.physics_start == 0:
            raise ValueError("physics_start = 0.0 can't grow; take a small part, such as 1e-3")
        if not self.learning_rate > 0 or self.weight_decay < 0 or self.patience < 0:
            raise ValueError(
                "learning_rate must be positive, weight_decay and patience not negative"
            )
        if self.optimizer not in ("muon", "adam"):
            raise ValueError(f"no optimizer {self.optimizer!r}; muon or adam")
        if self.network.kind == "label-free" and self.weights.needs_labels:
            raise ValueError("a label-free network has no weight on force or activation")
        if self.noise.any and self.network.inputs not in ("sensor", "sensor-rates"):
            raise ValueError(f"noise is of sensors, not of inputs = {self.network.inputs!r}")
        if self.noise.dropout and self.network.window == 1:
            raise ValueError(
                f"noise.dropout = {self.noise.dropout}: a network of window = 1 has no frame before"
            )

    @property
    def weights(self) -> LossWeights:
        """Weights of the loss, chosen or the kind's own."""
        if self.losses is not None:
            return self.losses
        weights = DEFAULT_WEIGHTS[self.network.kind]
        if self.network.inputs == "full" and not self.unknown_person:
            return weights
        return dataclasses.replace(weights, balance=min(weights.balance, HIDDEN_BALANCE))

    def to_json(self) -> dict[str, Any]:
        """Plain values, resolved."""
        return dataclasses.asdict(dataclasses.replace(self, losses=self.weights))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "TrainingConfig":
        """The inverse of `to_json`.

        Raises:
            ValueError: a value is missing, unknown or out of range.
        """
        names = {f.name for f in dataclasses.fields(cls)}
        if set(values) != names:
            raise ValueError(f"not a training run: {sorted(set(values) ^ names)} differ")
        parts = {
            "network": NetworkConfig(**values["network"]),
            "losses": LossWeights(**values["losses"]),
            "noise": SensorNoise(**values["noise"]),
        }
        return cls(**{**values, **parts})
