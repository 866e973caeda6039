"""From a recording to where a person's movement falls short of healthy people's."""

from cervjax.tracking import with_limits as with_limits

from .assess import (
    Assessment as Assessment,
    AssessmentOptions as AssessmentOptions,
    assess_markers as assess_markers,
    assess_motion as assess_motion,
    assess_orientations as assess_orientations,
)
from .deficits import (
    Change as Change,
    Deficit as Deficit,
    Findings as Findings,
    changes as changes,
    find_deficits as find_deficits,
)
from .directions import (
    DIRECTION_VECTORS as DIRECTION_VECTORS,
    DIRECTIONS as DIRECTIONS,
    MAIN as MAIN,
    head_turns as head_turns,
)
from .envelope import (
    Envelope as Envelope,
)
from .forces import (
    ForceSummary as ForceSummary,
)
from .healthy import (
    MovementNorms as MovementNorms,
    Mover as Mover,
)
from .instruction import (
    PACES as PACES,
    Instruction as Instruction,
    paced_norms as paced_norms,
)
from .measures import (
    MEASURES as MEASURES,
    Measure as Measure,
    measure as measure,
)
from .poses import (
    healthy_limits as healthy_limits,
)
from .quality import (
    Quality as Quality,
)
