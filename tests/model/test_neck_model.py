import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cervjax.model import Model


def test_numbers_are_leaves_and_names_are_not(model):
    leaves = jax.tree.leaves(model)
    assert all(isinstance(leaf, jax.Array) for leaf in leaves)
    other = jax.tree.map(lambda x: 2 * x, model)
    assert other.topology == model.topology


def test_float32_everywhere(neck):
    leaves = jax.tree.leaves(Model.from_spec(neck, dtype=jnp.float32))
    assert {leaf.dtype for leaf in leaves} == {jnp.dtype("float32")}


def test_to_spec_gives_the_spec_back(neck, model):
    assert model.to_spec(neck) == neck


def test_to_spec_refuses_another_spec(neck, model):
    fewer = dataclasses.replace(neck, muscles=neck.muscles[:-1], groups=())
    with pytest.raises(ValueError, match="not the spec"):
        model.to_spec(fewer)


def test_a_neck_that_cannot_move_is_refused(neck):
    locked = tuple(
        dataclasses.replace(
            j, coordinates=tuple(dataclasses.replace(c, locked=True) for c in j.coordinates)
        )
        for j in neck.joints
    )
    still = dataclasses.replace(neck, joints=locked, couplers=(), actuators=())
    with pytest.raises(ValueError, match="nothing can move"):
        Model.from_spec(still)


def test_prescribed_coordinates_follow_the_free_ones(neck):
    model = Model.from_spec(neck, prescribed=("gndpitch",))
    assert model.topology.coordinates[-1] == "gndpitch"
    assert model.topology.num_free == 6
    with pytest.raises(ValueError, match="not locked"):
        Model.from_spec(neck, prescribed=("pitch1",))


def test_coupled_coordinates_have_the_published_shares(neck, model):
    """Shares of the lower neck's flexion: HYOID's own figures, to their three digits."""
    coupling = np.asarray(model.coordinates.coordinate_jacobian(model.default_q))
    names = model.topology.all_coordinates
    shares = [coupling[names.index(f"aux{k}jnt_r3"), 0] for k in (7, 6, 5, 4, 3)]
    np.testing.assert_allclose(shares, [0.187, 0.220, 0.220, 0.165, 0.110], atol=5e-4)
