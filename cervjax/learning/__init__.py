"""Force networks: inputs, rows, networks, losses, training."""

from .config import (
    DEFAULT_WEIGHTS as DEFAULT_WEIGHTS,
    LossWeights as LossWeights,
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
    Losses as Losses,
    Scales as Scales,
    label_losses as label_losses,
    physics_losses as physics_losses,
)
from .networks import (
    Actuation as Actuation,
    DualNetwork as DualNetwork,
    FeedForwardNetwork as FeedForwardNetwork,
    ForceNetwork as ForceNetwork,
    Normalization as Normalization,
    Prediction as Prediction,
    make_network as make_network,
)
from .noise import (
    SensorNoise as SensorNoise,
)
from .novelty import (
    Novelty as Novelty,
)
from .residuals import (
    Residuals as Residuals,
    residuals as residuals,
)
from .rows import (
    Balance as Balance,
    BalanceBuilder as BalanceBuilder,
    Frame as Frame,
    RowBuilder as RowBuilder,
    TrainingRows as TrainingRows,
    frame_balance as frame_balance,
    reserve_forces as reserve_forces,
    row_balance as row_balance,
    select_rows as select_rows,
)
from .run_folder import (
    RunFolder as RunFolder,
)
from .sources import (
    DatasetSource as DatasetSource,
    RowSource as RowSource,
    StreamSource as StreamSource,
    check_plan as check_plan,
)
from .training import (
    TrainingProgress as TrainingProgress,
    load_network as load_network,
    train as train,
)
