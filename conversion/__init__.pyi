from .isolated import read_osim as read_osim
from .mjcf_writer import load_mjcf as load_mjcf, write_mjcf as write_mjcf
from .model_source import load_model as load_model
from .opensim_loads import (
    read_actuators as read_actuators,
    read_external_loads as read_external_loads,
)
from .opensim_scales import read_scale_set as read_scale_set
from .opensim_support import UnsupportedComponentError as UnsupportedComponentError
from .opensim_writer import write_osim as write_osim
