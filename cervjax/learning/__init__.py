"""Force networks: data, losses, training, evaluation."""

from .data import (
    TrainingRows as TrainingRows,
    converged_rows as converged_rows,
    select_rows as select_rows,
    training_rows as training_rows,
)
from .evaluation import (
    LEAST_VARIATION as LEAST_VARIATION,
    Evaluation as Evaluation,
    evaluate as evaluate,
)
from .losses import Losses as Losses, losses as losses
from .network import (
    ForceNetwork as ForceNetwork,
    Normalization as Normalization,
    network_inputs as network_inputs,
)
from .training import (
    TrainingConfig as TrainingConfig,
    load_network as load_network,
    train as train,
    train_on_stream as train_on_stream,
)
