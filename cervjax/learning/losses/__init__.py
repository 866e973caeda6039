"""Terms of the loss of a force network, one file each."""

from .activation import ActivationLoss as ActivationLoss
from .balance import BalanceLoss as BalanceLoss
from .base import (
    LOSSES as LOSSES,
    AbstractLoss as AbstractLoss,
    LossContext as LossContext,
    Scales as Scales,
    check_terms as check_terms,
    mean_square as mean_square,
    register_loss as register_loss,
)
from .bounds import BoundsLoss as BoundsLoss
from .capacity import CapacityLoss as CapacityLoss
from .force import ForceLoss as ForceLoss
from .optimality import OptimalityLoss as OptimalityLoss
from .residuals import Residuals as Residuals, residuals as residuals
from .worst_muscles import WorstMusclesLoss as WorstMusclesLoss
