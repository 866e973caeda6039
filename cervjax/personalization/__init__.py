"""From a model to a person: `Subject`, `Personalizer`, sizes."""

from .scaling import InertiaRule as InertiaRule, Personalizer as Personalizer
from .subject import (
    LIMITS as LIMITS,
    Measures as Measures,
    ScalingRecipe as ScalingRecipe,
    Subject as Subject,
    subject_at as subject_at,
)
