from .dynamics import inverse_dynamics as inverse_dynamics
from .kinematics import (
    body_poses as body_poses,
    marker_positions as marker_positions,
    muscle_paths as muscle_paths,
)
from .labels import (
    DatasetPlan as DatasetPlan,
    LabelDataset as LabelDataset,
    Labeler as Labeler,
    LabelFactory as LabelFactory,
    build_factory as build_factory,
    generate_dataset as generate_dataset,
    stream_labels as stream_labels,
    verify_dataset as verify_dataset,
)
from .learning import (
    AbstractForceNetwork as AbstractForceNetwork,
    DatasetSource as DatasetSource,
    StreamSource as StreamSource,
    TrainingConfig as TrainingConfig,
    load_network as load_network,
    train as train,
)
from .model import Model as Model
from .motion import Motion as Motion, read_storage as read_storage, write_storage as write_storage
from .motion.recordings import read_markers as read_markers
from .motion.synthesis import sample_motion as sample_motion
from .optimization import (
    SolverResult as SolverResult,
    StaticOptimizationSettings as StaticOptimizationSettings,
    solve_motion as solve_motion,
    static_optimization as static_optimization,
    write_solution as write_solution,
)
from .people import (
    Measures as Measures,
    Personalizer as Personalizer,
    PopulationBox as PopulationBox,
    Subject as Subject,
)
from .spec import ModelSpec as ModelSpec, shipped_neck as shipped_neck
from .tracking import InverseKinematics as InverseKinematics, calibrate as calibrate

__version__: str
