"""`Model`: the neck as arrays."""

from .coordinates import (
    AxisMotion as AxisMotion,
    CoordinateMap as CoordinateMap,
)
from .functions import (
    jax_function as jax_function,
)
from .model import (
    BushingParameters as BushingParameters,
    Model as Model,
    ReserveParameters as ReserveParameters,
)
from .topology import (
    Topology as Topology,
    topology_of as topology_of,
)
