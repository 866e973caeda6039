"""Force networks: inputs, rows, networks, losses, training, prediction."""

from .config import (
    DEFAULT_LOSSES as DEFAULT_LOSSES,
    NetworkConfig as NetworkConfig,
    TrainingConfig as TrainingConfig,
)
from .evaluation import (
    LEAST_VARIATION as LEAST_VARIATION,
    Evaluation as Evaluation,
    evaluate as evaluate,
    predict_rows as predict_rows,
)
from .inputs import (
    INPUT_SETS as INPUT_SETS,
    PERSON_INPUTS as PERSON_INPUTS,
    NetworkInputs as NetworkInputs,
    described_person as described_person,
    input_names as input_names,
    known_of as known_of,
    motion_inputs as motion_inputs,
    motion_size as motion_size,
    orientation_columns as orientation_columns,
    person_inputs as person_inputs,
)
from .intervals import (
    ForceEnsemble as ForceEnsemble,
    IntervalPrediction as IntervalPrediction,
)
from .losses import (
    LOSSES as LOSSES,
    AbstractLoss as AbstractLoss,
    LossContext as LossContext,
    Residuals as Residuals,
    Scales as Scales,
    register_loss as register_loss,
    residuals as residuals,
)
from .networks import (
    NETWORKS as NETWORKS,
    AbstractForceNetwork as AbstractForceNetwork,
    ActuatorBounds as ActuatorBounds,
    DualNetwork as DualNetwork,
    FeedForwardNetwork as FeedForwardNetwork,
    NetworkParts as NetworkParts,
    Normalization as Normalization,
    Prediction as Prediction,
    Spreads as Spreads,
    make_network as make_network,
    multipliers_of as multipliers_of,
    register_network as register_network,
)
from .noise import SensorNoise as SensorNoise
from .novelty import Novelty as Novelty
from .rows import (
    LabelledPose as LabelledPose,
    RowBuilder as RowBuilder,
    TrainingRows as TrainingRows,
    pose_equation as pose_equation,
    reserve_forces as reserve_forces,
    row_equations as row_equations,
    select_rows as select_rows,
    torque_equation as torque_equation,
)
from .run_folder import RunFolder as RunFolder
from .sources import (
    DatasetSource as DatasetSource,
    RowSource as RowSource,
    StreamSource as StreamSource,
    check_plan as check_plan,
)
from .step import (
    StepPlan as StepPlan,
    corrupt_inputs as corrupt_inputs,
    train_step as train_step,
    validation_loss as validation_loss,
)
from .training import (
    TrainingProgress as TrainingProgress,
    load_network as load_network,
    train as train,
)
from .weights import read_weights as read_weights, write_weights as write_weights
