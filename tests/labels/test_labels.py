import jax
import jax.numpy as jnp
import numpy as np
import pytest
import zarr

from cervjax.labels import Labeler, read_labels, sample_rows, write_labels
from cervjax.motion import MovementSampler
from cervjax.optimization import SolverResult, static_optimization
from cervjax.personalization import PopulationBox, Subject


@pytest.fixture(scope="module")
def rows(neck):
    return sample_rows(MovementSampler.of(neck), PopulationBox(), persons=8, frames=4, seed=0)


@pytest.fixture(scope="module")
def labels(personalizer, rows):
    return Labeler(personalizer, chunk=16)(*rows)


def test_a_row_is_static_optimization_of_its_person_and_frame(labels, personalizer):
    """Batched over bodies and not: the same answer, to the optimizer's tolerance."""
    for i in (0, 13, 31):
        person = personalizer(Subject.from_vector(labels.subject[i]))
        one = jax.jit(static_optimization)(person, labels.q[i], labels.qd[i], labels.qdd[i])
        np.testing.assert_allclose(labels.activation[i], one.activation, atol=1e-10)
        np.testing.assert_allclose(labels.muscle_force[i], one.muscle_force, atol=1e-7)
    assert np.all(np.asarray(labels.certificate.result) == SolverResult.CONVERGED)


def test_forces_and_reserves_add_up_to_the_torques(labels, personalizer):
    from cervjax.labels import moment_arms

    arms = moment_arms(personalizer, labels.subject, labels.motion)
    supplied = jnp.einsum("rfm,rm->rf", arms, labels.muscle_force) + labels.reserve_force
    np.testing.assert_allclose(supplied, labels.generalized_force, atol=1e-9)


def test_rows_do_not_depend_on_how_many_are_drawn(neck, rows):
    sampler = MovementSampler.of(neck)
    more = sample_rows(sampler, PopulationBox(), persons=16, frames=4, seed=0)
    for few, many in zip(jax.tree.leaves(rows), jax.tree.leaves(more), strict=True):
        np.testing.assert_array_equal(few, many[: len(few)])


def test_labels_survive_the_disk_exactly(labels, personalizer, tmp_path):
    topology = personalizer.model.topology
    write_labels(tmp_path / "labels.zarr", labels, topology, {"seed": 0})
    read, about = read_labels(tmp_path / "labels.zarr")
    for a, b in zip(jax.tree.leaves(labels), jax.tree.leaves(read), strict=True):
        np.testing.assert_array_equal(a, b)
    assert about["muscle"] == list(topology.muscles)
    group = zarr.open_group(tmp_path / "labels.zarr", mode="r")
    assert group["muscle_force"].attrs["units"] == "N"
    assert group["muscle_force"].metadata.dimension_names == ("row", "muscle")


def test_bad_label_sets_are_clear_errors(labels, personalizer, tmp_path):
    path = tmp_path / "labels.zarr"
    write_labels(path, labels, personalizer.model.topology, {})
    with pytest.raises(FileExistsError, match="remove it"):
        write_labels(path, labels, personalizer.model.topology, {})
    with pytest.raises(FileNotFoundError, match="no label set"):
        read_labels(tmp_path / "none.zarr")
    zarr.open_group(path, mode="a").attrs["schema"] = 99
    with pytest.raises(ValueError, match="label schema 99"):
        read_labels(path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="not a zarr group"):
        read_labels(tmp_path / "empty")
