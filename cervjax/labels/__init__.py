"""Labels: rows of (person, motion) -> muscle forces, sampled, solved and stored."""

from .labeling import (
    LabelBatch as LabelBatch,
    Labeler as Labeler,
    moment_arms as moment_arms,
)
from .sampling import sample_rows as sample_rows
from .store import read_labels as read_labels, write_labels as write_labels
