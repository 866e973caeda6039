"""A new column of a label is one file: this one."""

import json
from typing import ClassVar

import numpy as np
import pytest

from cervjax.labels import (
    COLUMNS,
    AbstractColumn,
    DatasetPlan,
    LabelDataset,
    generate_dataset,
    register_column,
)
from cervjax.spec import shipped_neck


class MusclePower(AbstractColumn):
    """What each muscle does to the bones."""

    name: ClassVar[str] = "muscle_power"
    dimensions: ClassVar[tuple[str, ...]] = ("muscle",)
    unit: ClassVar[str] = "W"

    def __call__(self, frame, solution):
        return -solution.muscle_force * frame.lengthening_speed


def test_a_label_column(tmp_path):
    """Muscles' powers add up to the torques' that they supply, from disk."""
    register_column(MusclePower)
    try:
        plan = DatasetPlan(
            persons=8, movements=1, frames=4, joint_loads=False, columns=("muscle_power",)
        )
        generate_dataset(tmp_path / "labels", plan, shipped_neck())
        dataset = LabelDataset(tmp_path / "labels")
        rows = dataset.rows(slice(None))
        stored = json.loads((tmp_path / "labels" / "manifest.json").read_text())["plan"]
    finally:
        del COLUMNS["muscle_power"]
    assert stored["columns"] == ["muscle_power"]
    power = np.asarray(rows.columns["muscle_power"])
    assert power.shape == rows.muscle_force.shape
    supplied = (np.asarray(rows.generalized_force) - np.asarray(rows.reserve_force)) * rows.qd
    # float32, of up to some watts.
    np.testing.assert_allclose(power.sum(axis=1), supplied.sum(axis=1), atol=1e-3)
    # A dataset is read where its column is not known, too; it can't be labelled again there.
    assert "muscle_power" in LabelDataset(tmp_path / "labels").rows(slice(0, 2)).columns
    with pytest.raises(ValueError, match="no column muscle_power"):
        plan.options  # noqa: B018


def test_a_column_of_a_taken_name_is_refused():
    taken = type("Time", (MusclePower,), {"name": "time"})
    with pytest.raises(ValueError, match="name = 'time' of Time is an array of every dataset"):
        register_column(taken)
