"""How head and torso are turned, by their markers alone: rigid clusters, no neck between them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial.transform import Rotation

from cervjax.kinematics import upright_pose
from cervjax.model import Model
from cervjax.motion.recordings import MarkerRecording

_THIN = 0.01
"""m; markers whose spread across their line is below this tell no rotation about it."""


@dataclass(frozen=True)
class ClusterTurns:
    """Torso and head over time.

    Attributes:
        torso: from the torso's frame to the laboratory's; identity where it is not known.
        head: the same of the head, from where it is in the neutral pose.
        known: frames in which three markers of each were seen that are not in line.
        skin: m, distance of each marker from its cluster as a rigid body; NaN where not seen.
    """

    torso: Rotation
    head: Rotation
    known: Bool[np.ndarray, " frames"]
    skin: Float[np.ndarray, "frames markers"]

    @property
    def relative(self) -> Rotation:
        """Of the head in the torso's frame, from the neutral pose."""
        return self.torso.inv() * self.head


def cluster_turns(model: Model, recording: MarkerRecording) -> ClusterTurns:
    """Orientations that lay the markers of `model`, in its neutral pose, onto those that were seen
    with the least squares of distances (Kabsch 1976), of torso and head each for itself.

    Args:
        model: of the person, its markers where they sit.
        recording: of markers of the model, at least three of which are fixed to the torso, and
            three to the body that moves farthest from it.

    Returns:
        Rotations in every frame, distances in m.

    Raises:
        ValueError: the model lacks a marker, or there are fewer of torso or head.
    """
    topology = model.topology
    lacking = [m for m in recording.markers if m not in topology.markers]
    if lacking:
        raise ValueError(f"{topology.name!r} has no marker {', '.join(lacking)}")
    index = [topology.markers.index(m) for m in recording.markers]
    own = np.asarray(upright_pose(model)[1], float)[index]
    anchors = [topology.anchor[topology.marker_body[k]] for k in index]
    turned, known = [], np.ones(len(recording.time), bool)
    skin = np.full((len(recording.time), len(anchors)), np.nan)
    torso = np.array([k for k, at in enumerate(anchors) if at < 0], int)
    skull = np.array([k for k, at in enumerate(anchors) if at == max(anchors)], int)
    clusters = {"torso": torso, "head": skull}
    for name, of in clusters.items():
        if len(of) < 3 or max(anchors) < 0:
            raise ValueError(f"{recording.name}: {len(of)} markers of the {name}; three are needed")
        rotation, told, skin[:, of] = _laid(own[of], recording.position[:, of])
        turned.append(rotation)
        known &= told
    return ClusterTurns(turned[0], turned[1], known, skin)


def _laid(
    own: Float[np.ndarray, "markers 3"], seen: Float[np.ndarray, "frames markers 3"]
) -> tuple[Rotation, Bool[np.ndarray, " frames"], Float[np.ndarray, "frames markers"]]:
    """Rotations that lay `own` onto what was seen, where they are told; distances that are left."""
    here: np.ndarray = np.all(np.isfinite(seen), axis=2)
    count = np.maximum(here.sum(axis=1), 1)
    weight = here / count[:, None]
    filled = np.where(here[:, :, None], seen, 0.0)
    arm = own - np.einsum("fm,mx->fx", weight, own)[:, None]
    away = filled - np.einsum("fm,fmx->fx", weight, filled)[:, None]
    spread = np.einsum("fm,fmi,fmj->fij", weight, away, arm)
    sizes = np.linalg.eigvalsh(np.einsum("fm,fmi,fmj->fij", weight, arm, arm))
    known: np.ndarray = (here.sum(axis=1) >= 3) & (sizes[:, 1] > _THIN**2)
    left, _, right = np.linalg.svd(np.where(known[:, None, None], spread, np.eye(3)))
    left[:, :, 2] *= np.sign(np.linalg.det(left @ right))[:, None]
    matrix = left @ right
    off = np.linalg.norm(np.einsum("fij,fmj->fmi", matrix, arm) - away, axis=2)
    return Rotation.from_matrix(matrix), known, np.where(here & known[:, None], off, np.nan)
