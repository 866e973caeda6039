"""cervjax: a differentiable musculoskeletal model of the human neck in JAX.

The walk from an OpenSim file to muscle forces:

    spec = shipped_neck().with_reserves()       # or conversion.read_osim("mine.osim")
    model = NeckModel.from_spec(spec)           # arrays
    person = Personalizer(spec, model)(Subject.of(neck_length=1.05, head_mass=0.9))
    solution = static_optimization(person, q, qd, qdd)   # one frame; vmap for many
"""

from .dynamics import inverse_dynamics as inverse_dynamics, mechanics as mechanics
from .kinematics import (
    body_poses as body_poses,
    marker_positions as marker_positions,
    muscle_paths as muscle_paths,
)
from .labels import (
    DatasetPlan as DatasetPlan,
    LabelDataset as LabelDataset,
    Labeler as Labeler,
    generate_dataset as generate_dataset,
    stream_labels as stream_labels,
    verify_dataset as verify_dataset,
)
from .learning import ForceNetwork as ForceNetwork, TrainingConfig as TrainingConfig, train as train
from .model import NeckModel as NeckModel
from .motion import Motion as Motion, read_storage as read_storage, write_storage as write_storage
from .optimization import (
    SolverResult as SolverResult,
    StaticOptimization as StaticOptimization,
    static_optimization as static_optimization,
)
from .personalization import (
    Measures as Measures,
    Personalizer as Personalizer,
    Subject as Subject,
)
from .population import PopulationBox as PopulationBox
from .solve import solve_motion as solve_motion, write_solution as write_solution
from .spec import NeckSpec as NeckSpec, shipped_neck as shipped_neck

__version__ = "0.1.0"
