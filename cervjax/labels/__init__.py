"""Labels: rows of (person, motion) -> muscle forces, drawn, solved, stored and checked."""

from .block_runner import (
    BlockRunner as BlockRunner,
)
from .columns import (
    COLUMNS as COLUMNS,
    AbstractColumn as AbstractColumn,
    register_column as register_column,
)
from .dataset import (
    LabelDataset as LabelDataset,
)
from .factory import (
    LabelFactory as LabelFactory,
)
from .generate import (
    generate_dataset as generate_dataset,
)
from .labeling import (
    Labeler as Labeler,
    moment_arms as moment_arms,
)
from .plan import (
    DatasetPlan as DatasetPlan,
    Splits as Splits,
    build_factory as build_factory,
)
from .row import (
    LabelBatch as LabelBatch,
    RowOptions as RowOptions,
    RowStatus as RowStatus,
    Solution as Solution,
    label_row as label_row,
    level_names as level_names,
)
from .store import (
    DatasetError as DatasetError,
)
from .stream import (
    StreamedLabels as StreamedLabels,
    stream_labels as stream_labels,
)
from .verify import (
    Verification as Verification,
    verify_dataset as verify_dataset,
)
