"""People: joint draws of body sizes, strength and range of motion, keyed by a person's index."""

from .anthropometry import (
    Anthropometry as Anthropometry,
    ansur2 as ansur2,
    read_anthropometry as read_anthropometry,
    write_anthropometry as write_anthropometry,
)
from .box import BoxPopulation as BoxPopulation, PopulationBox as PopulationBox
from .people import OUT_OF_DISTRIBUTION as OUT_OF_DISTRIBUTION, AnsurPopulation as AnsurPopulation
from .person import MEASUREMENTS as MEASUREMENTS, Person as Person, Sex as Sex
from .physiology import Physiology as Physiology
from .sobol import sobol_points as sobol_points
