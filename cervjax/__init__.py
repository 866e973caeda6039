"""cervjax: physics-informed differentiable musculoskeletal modelling in JAX, made for the neck.

The walk from an OpenSim file to muscle forces:

    spec = shipped_neck().with_reserves()       # or conversion.read_osim("mine.osim")
    person = Personalizer(spec)(Subject.of(neck_length=1.05, head_mass=0.9))  # a Model: arrays
    solution = static_optimization(person, q, qd, qdd)   # one frame; jax.vmap for many

Names are imported when first used: importing this package loads none of its parts.
"""

import lazy_loader

__version__ = "0.2.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
