"""A person: described, measured, drawn from a survey, personalised from a model."""

from .ansur_population import (
    OUT_OF_DISTRIBUTION as OUT_OF_DISTRIBUTION,
    AnsurPopulation as AnsurPopulation,
)
from .anthropometry import (
    Anthropometry as Anthropometry,
    ansur2 as ansur2,
    read_anthropometry as read_anthropometry,
    write_anthropometry as write_anthropometry,
)
from .body_personalizer import (
    AbstractPersonalizer as AbstractPersonalizer,
    AbstractSubject as AbstractSubject,
)
from .body_scaling import (
    InertiaRule as InertiaRule,
    scale_model as scale_model,
)
from .box import (
    BoxPopulation as BoxPopulation,
    PopulationBox as PopulationBox,
)
from .description import (
    AssessedPerson as AssessedPerson,
)
from .person import (
    MEASUREMENTS as MEASUREMENTS,
    Person as Person,
    Sex as Sex,
)
from .personalizer import (
    Personalizer as Personalizer,
)
from .physiology import (
    Physiology as Physiology,
)
from .ratios import (
    BodyPersonalizer as BodyPersonalizer,
    BodySubject as BodySubject,
    Ratio as Ratio,
    RatioPopulation as RatioPopulation,
)
from .size_norms import SizeNorms as SizeNorms
from .sobol import (
    sobol_points as sobol_points,
)
from .subject import (
    LIMITS as LIMITS,
    Measures as Measures,
    ScalingRecipe as ScalingRecipe,
    Subject as Subject,
    subject_at as subject_at,
)
