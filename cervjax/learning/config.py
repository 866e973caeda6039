"""What to train and how: plain frozen values, written beside every run."""

import dataclasses
from dataclasses import dataclass, field
from typing import Literal, get_args

from .inputs import INPUT_SETS
from .noise import SensorNoise

Memory = Literal["none", "recurrent", "convolution"]
Head = Literal["bounded", "linear"]


@dataclass(frozen=True)
class NetworkConfig:
    """What a network is.

    Attributes:
        kind: `direct` learns forces; `physics` forces and mechanics; `label-free` mechanics alone;
            `dual` predicts multipliers and leaves the rest to mechanics; or a kind that was
            registered (`cervjax.learning.register_network`).
        inputs: a name of `INPUT_SETS`.
        memory: of the frames before: none, a recurrent unit, or a temporal convolution.
        window: frames seen, with memory.
        width, depth: of the hidden layers.
        head: of all kinds but `dual`; see `FeedForwardNetwork`.
        newton_steps: of a `dual` network, that polish its answer.
    """

    kind: str = "physics"
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
        for name, known in (("memory", Memory), ("head", Head)):
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


Losses = dict[str, float]
"""Weight of each term of the loss by its name; see `cervjax.learning.losses`."""

DEFAULT_LOSSES: dict[str, Losses] = {
    "direct": {"force": 1.0, "activation": 0.5, "capacity": 0.5},
    "physics": {
        "force": 1.0,
        "activation": 0.5,
        "capacity": 0.5,
        "balance": 300.0,
        "bounds": 1.0,
        "optimality": 0.1,
    },
    "label-free": {"capacity": 0.5, "balance": 0.1, "bounds": 1.0, "optimality": 1.0},
    "dual": {"force": 0.5, "activation": 1.0, "optimality": 0.5},
}
"""Weights of each kind, where none are given."""

HIDDEN_BALANCE = 20.0
"""Largest default weight of `balance` where sensors, or missing inputs of a person, hide part of
the torques: the term can fall less then, and it costs accuracy of the forces."""


@dataclass(frozen=True)
class TrainingConfig:
    """How to train.

    Attributes:
        network: what to train.
        losses: weight of each term of the loss; those of the kind in `DEFAULT_LOSSES` if None.
        physics_start: initial factor on the physics weights (balance, bounds, optimality) where
            there are labels; it grows geometrically to 1 ...
        physics_ramp: ... over this part of the steps. Without labels it is 1 from the start.
        physics_share: part of the rows of a batch that terms without labels are computed on: they
            cost most of a step.
        labels_end: final factor on the weights of force and activation; it falls linearly from 1.
        steps, batch_size: gradient steps, and rows in each.
        optimizer: `muon` (orthogonalized momentum for matrices, Adam for the rest) or `adam`.
        learning_rate: peak of a cosine schedule with a short warm-up.
        weight_decay: of the matrices.
        missing_inputs: part of the rows in which some inputs of the person are hidden from the
            network; the mechanics of a dual network use them all the same.
        noise: added to sensor inputs, drawn again in every step.
        validate_every: steps between validations, lines of metrics and checkpoints.
        patience: validations without progress after which training stops; 0 for never.
        seed: of the network, the order of rows and the noise.
    """

    network: NetworkConfig = NetworkConfig()
    losses: Losses | None = None
    physics_start: float = 0.002
    physics_ramp: float = 1.0
    physics_share: float = 0.25
    labels_end: float = 1.0
    steps: int = 10_000
    batch_size: int = 2048
    optimizer: Literal["muon", "adam"] = "muon"
    learning_rate: float = 1e-2
    weight_decay: float = 1e-4
    missing_inputs: float = 0.0
    noise: SensorNoise = field(default_factory=SensorNoise)
    validate_every: int = 500
    patience: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "validate_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)} is not at least 1")
        parts = ("physics_start", "physics_ramp", "physics_share", "labels_end", "missing_inputs")
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
        for name, weight in self.weights.items():
            if not weight >= 0:
                raise ValueError(f"weight {name} = {weight} is negative")
        if not any(self.weights.values()):
            raise ValueError("all weights are zero: there is nothing to learn")
        labels = [n for n in ("force", "activation") if self.weights.get(n)]
        if self.network.kind == "label-free" and labels:
            raise ValueError("a label-free network has no weight on force or activation")
        if self.noise.any and self.network.inputs not in ("sensor", "sensor-rates"):
            raise ValueError(f"noise is of sensors, not of inputs = {self.network.inputs!r}")
        if self.noise.dropout and self.network.window == 1:
            raise ValueError(
                f"noise.dropout = {self.noise.dropout}: a network of window = 1 has no frame before"
            )

    @property
    def weights(self) -> Losses:
        """Weights of the loss: those chosen, or the kind's own.

        Returns:
            Weights, without unit, by the names of terms.

        Raises:
            ValueError: none are chosen, and the kind of network has none.
        """
        if self.losses is not None:
            return self.losses
        if self.network.kind not in DEFAULT_LOSSES:
            raise ValueError(
                f"the kind {self.network.kind!r} has no default weights; give `losses`, the weight "
                "of each term by its name"
            )
        weights = dict(DEFAULT_LOSSES[self.network.kind])
        hidden = self.network.inputs != "full" or self.missing_inputs
        if hidden and "balance" in weights:
            weights["balance"] = min(weights["balance"], HIDDEN_BALANCE)
        return weights

    @property
    def resolved(self) -> "TrainingConfig":
        """The same with the weights written out."""
        return dataclasses.replace(self, losses=self.weights)
