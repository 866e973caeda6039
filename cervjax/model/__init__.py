"""`Model`: the neck as arrays."""

from .coordinate_forces import smooth_step as smooth_step
from .coordinates import (
    AxisMotion as AxisMotion,
    CoordinateMap as CoordinateMap,
)
from .function_paths import (
    FunctionPaths as FunctionPaths,
    polynomial as polynomial,
)
from .functions import (
    jax_function as jax_function,
)
from .model import (
    BushingParameters as BushingParameters,
    Model as Model,
    ReserveParameters as ReserveParameters,
)
from .path_element import (
    PATH_ELEMENTS as PATH_ELEMENTS,
    AbstractPathElement as AbstractPathElement,
    Line as Line,
    PathFrame as PathFrame,
    PathLines as PathLines,
    Stretch as Stretch,
    register_path_element as register_path_element,
)
from .topology import (
    Topology as Topology,
    topology_of as topology_of,
)
