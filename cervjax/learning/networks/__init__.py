"""Force networks: one interface, `network(inputs, equation) -> Prediction`, for one row."""

from .base import (
    NETWORKS as NETWORKS,
    AbstractForceNetwork as AbstractForceNetwork,
    ActuatorBounds as ActuatorBounds,
    NetworkParts as NetworkParts,
    Normalization as Normalization,
    Prediction as Prediction,
    Spreads as Spreads,
    make_network as make_network,
    register_network as register_network,
)
from .dual import DualNetwork as DualNetwork, multipliers_of as multipliers_of
from .feed_forward import FeedForwardNetwork as FeedForwardNetwork
from .trunks import AbstractTrunk as AbstractTrunk
