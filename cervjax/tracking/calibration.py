"""A static trial: how large a person is, and where the markers sit on them."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import equinox as eqx
import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from cervjax.kinematics import upright_pose
from cervjax.model import Model
from cervjax.motion.recordings import MarkerRecording
from cervjax.people import LIMITS, Measures, Personalizer, SizeNorms, Subject
from cervjax.people.personalizer import default_lengths
from cervjax.spec import Anatomy, Marker, ModelSpec

_SECOND = 1.0
"""s, of a static trial that are used."""
_BAND_SD, _ACROMION_SD, _HEAD_MARKER_SD = 0.018, 0.015, 0.010
"""m, standard deviations of where people wear a head band (its height over the marks on breastbone
and shoulders), a marker of an acromion across, and markers of the head against each other.
Assumed."""
_STILL = 0.01
"""m, standard deviation above which nobody stood still."""
_LEAN_DEG = 45.0
"""Degrees from the vertical beyond which a torso is not upright."""
_MISPLACED = 0.08
"""m, from the model's markers of trunk and shoulders; persons of HYOID's build come to 4 cm."""
_ASIDE_DEG, _NODDING_DEG = 20.0, 35.0
"""Degrees by which a head may be turned or bent, and nod, in a trial in which it should be neutral;
head bands differ in slope more than in heading."""
_HEAD_SPREAD = (0.08, 0.40)
"""m, farthest two markers of a head are apart."""


@dataclass(frozen=True)
class MarkerBodies:
    """Which markers sit on which body, and which the model has to be laid onto them by.

    Attributes:
        head, torso: bodies.
        head_markers, trunk_markers: that may sit there.
        anchors: trunk or shoulder markers of the model that its torso is laid onto.
    """

    head: str
    torso: str
    head_markers: tuple[str, ...]
    trunk_markers: tuple[str, ...]
    anchors: tuple[str, ...]

    @classmethod
    def of(cls, anatomy: Anatomy) -> "MarkerBodies":
        """Those that an anatomy names.

        Args:
            anatomy: of the model.

        Returns:
            The bodies and markers.
        """
        return cls(
            anatomy.skull,
            anatomy.torso,
            anatomy.head_markers,
            anatomy.trunk_markers,
            anatomy.anchor_markers,
        )


@dataclass(frozen=True)
class Calibration:
    """A person's neck with the markers where they sit.

    Attributes:
        spec: the person's neck, the markers tracked where they sit, the others scaled.
        subject: its ratios to the model.
        markers: tracked, trunk first.
        laid_on: m, distances of the torso's anchors from the model's.
        stillness: m, standard deviation of every marker in the part of the trial that was used.
        used: s, from when to when that is.
        neck_shift: m, forwards and up, by which the markers are shifted against the neck; see
            `place_neck`.
    """

    spec: ModelSpec
    subject: Subject
    markers: tuple[str, ...]
    laid_on: dict[str, float]
    stillness: dict[str, float]
    used: tuple[float, float]
    neck_shift: tuple[float, float] = (0.0, 0.0)


def calibrate(
    static: MarkerRecording,
    spec: ModelSpec,
    *,
    bodies: MarkerBodies | None = None,
    ratios: Mapping[str, float] | None = None,
    sizes: SizeNorms | None = None,
) -> Calibration:
    """A person's size and markers from a trial in which they sit or stand still, looking ahead.

    Where the person does not stand still throughout, the stillest second is used. The torso is
    taken to stand upright, and to face across its shoulders.

    Shoulder width is the distance of the acromia over the model's, head size the mean distance
    among the head's markers over the model's, neck length the height of the head's markers over
    the torso's anchors that is left. All three presume that markers sit where the model's do: a
    head band a centimeter higher is a neck a tenth longer. With `sizes`, what markers say is
    weighed against what people are, by how far markers sit elsewhere. The neck is then taken to be
    neutral, and every marker to sit where it was seen, as OpenSim's MarkerPlacer does.

    Args:
        ratios: of the person, where they are known better; see `Subject.of`.
        sizes: of people like this one; markers alone decide if None.

    Returns:
        The person's neck, its ratios to the model, and distances in m.

    Raises:
        ValueError: markers lack, the person moves, lies or looks aside, left and right are
            exchanged, units are wrong, or a ratio is beyond `LIMITS`.
    """
    anatomy = spec.anatomy
    bodies = MarkerBodies.of(anatomy) if bodies is None else bodies
    head = tuple(m for m in bodies.head_markers if m in static.markers)
    trunk = tuple(m for m in bodies.trunk_markers if m in static.markers)
    lacking = [m for m in bodies.anchors if m not in static.markers]
    if len(head) < 3 or len(trunk) < 3 or lacking:
        raise ValueError(
            f"{static.name}: a static trial needs three markers of the head (found "
            f"{', '.join(head) or 'none'}), three of the trunk ({', '.join(trunk) or 'none'}) and "
            f"{', '.join(bodies.anchors)}"
        )
    used = tuple(dict.fromkeys((*trunk, *bodies.anchors, *head)))
    recording = _stillest(static.chosen(used))
    place, stillness = _still_places(recording)
    _check_head(static.name, {m: place[m] for m in head})
    _check_still(static.name, stillness)

    strange = [m for m in (*head, *bodies.anchors) if m not in spec_markers(spec)]
    if strange:
        raise ValueError(
            f"{spec.name!r} has no marker {', '.join(strange)} to compare the person with; it has "
            f"{', '.join(spec_markers(spec))}"
        )
    model = Model.from_spec(spec)
    measures, given = Measures.of(model), dict(ratios or {})
    unscaled = dict(zip(spec_markers(spec), np.asarray(upright_pose(model)[1]), strict=True))
    there = np.array([place[m] for m in bodies.anchors])
    _check_upright(static.name, np.array([unscaled[m] for m in bodies.anchors]), there)
    found = _ratios(model, place, head, bodies, measures.neck_length, given)
    if sizes is not None:
        spread = _placement_sd(np.array([unscaled[m] for m in head]), measures)
        found = {
            name: value if name in given else sizes.weighed(name, value, spread[name])
            for name, value in found.items()
        }
    subject = Subject.of(None, **found)
    person = _personalized(Personalizer(model), subject)
    poses, positions = upright_pose(person)
    own = dict(zip(spec_markers(spec), np.asarray(positions), strict=True))
    turn, shift = _stood(np.array([own[m] for m in bodies.anchors]), there)
    in_model = {m: turn.T @ (x - shift) for m, x in place.items()}
    # Scaling moves acromia by a part of the width that it scales clavicles by.
    apart = _width(in_model, anatomy) / _width(own, anatomy)
    wide = {m: np.array([1.0, 1.0, apart]) for m in anatomy.shoulder_markers}
    laid_on = {
        m: float(np.linalg.norm(in_model[m] - own[m] * wide.get(m, 1.0))) for m in bodies.anchors
    }
    _check_torso(static.name, laid_on)
    _check_sides(static.name, in_model, own, anatomy)
    _check_ahead(static.name, in_model, own, anatomy)
    scaled = person.to_spec(spec)
    markers = [
        m for m in scaled.markers if m.name not in used or m.name in anatomy.shoulder_markers
    ]
    for names, body in ((trunk, bodies.torso), (head, bodies.head)):
        index = person.body_index(body)
        rotation, origin = np.asarray(poses.rotation[index]), np.asarray(poses.position[index])
        for m in names:
            x, y, z = (float(v) for v in rotation.T @ (in_model[m] - origin))
            markers.append(Marker(m, body, (x, y, z)))
    return Calibration(
        dataclasses.replace(scaled, markers=tuple(markers)),
        subject,
        (*trunk, *head),
        laid_on,
        stillness,
        (float(recording.time[0]), float(recording.time[-1])),
    )


def _personalized(personalizer: Personalizer, subject: Subject) -> Model:
    """What `personalizer` returns, with the function of path lengths that it has compiled."""
    scaled = _scaled(personalizer, subject)
    return _stretched(personalizer, scaled, subject, default_lengths(scaled))


_scaled = eqx.filter_jit(Personalizer.scaled)
_stretched = eqx.filter_jit(Personalizer.stretched)


def spec_markers(spec: ModelSpec) -> tuple[str, ...]:
    """Names of the markers of `spec`."""
    return tuple(marker.name for marker in spec.markers)


def _stillest(static: MarkerRecording) -> MarkerRecording:
    """The trial where the person stands still throughout; else the second in which they move least
    and every marker is seen."""
    length = float(static.time[-1] - static.time[0])
    if length <= _SECOND or not static.seen.any(axis=0).all():
        return static
    spread = np.sqrt(np.nanvar(static.position, axis=0).sum(axis=1))
    if spread.max() <= _STILL:
        return static
    part = static.stillest(_SECOND, within=length)
    return part if part.seen.any(axis=0).all() else static


def _width(points: Mapping[str, np.ndarray], anatomy: Anatomy) -> float:
    """m, between the acromia; 1 where the model has none."""
    if not all(m in points for m in anatomy.shoulder_markers) or not anatomy.shoulder_markers:
        return 1.0
    left, right = (points[m] for m in anatomy.shoulder_markers)
    return float(np.linalg.norm(right - left))


def _mean_distance(at: Float[np.ndarray, "n 3"]) -> float:
    """m, among points."""
    distance = np.linalg.norm(at[:, None] - at[None], axis=2)
    return float(distance.sum() / (len(at) * (len(at) - 1)))


def _placement_sd(head: Float[np.ndarray, "n 3"], measures: Measures) -> dict[str, float]:
    """Standard deviations of the ratios, from where people stick markers; no unit.

    Args:
        head: m, the model's markers of the head.
    """
    return {
        "neck_length": _BAND_SD / measures.neck_length,
        "shoulder_width": _ACROMION_SD * np.sqrt(2.0) / measures.shoulder_width,
        "head_size": _HEAD_MARKER_SD / _mean_distance(head),
    }


def _still_places(recording: MarkerRecording) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Mean place and standard deviation of every marker."""
    unseen = [m for m, s in zip(recording.markers, recording.seen.T, strict=True) if not s.any()]
    if unseen:
        raise ValueError(f"{recording.name}: {', '.join(unseen)} are never seen")
    place = np.nanmean(recording.position, axis=0)
    spread = np.sqrt(np.nanvar(recording.position, axis=0).sum(axis=1))
    stillness = dict(zip(recording.markers, spread.tolist(), strict=True))
    return dict(zip(recording.markers, place, strict=True)), stillness


def _check_still(name: str, stillness: Mapping[str, float]) -> None:
    restless = [f"{m} ({1e3 * s:.0f} mm)" for m, s in stillness.items() if s > _STILL]
    if restless:
        raise ValueError(
            f"{name}: {', '.join(restless)} move by more than {1e3 * _STILL:.0f} mm in "
            "the static trial; cut out the part where the person stands still"
        )


def _check_head(name: str, place: Mapping[str, np.ndarray]) -> None:
    low, high = _HEAD_SPREAD
    points = np.array(list(place.values()))
    widest = float(np.linalg.norm(points[:, None] - points[None], axis=2).max())
    if not low <= widest <= high:
        raise ValueError(
            f"{name}: the head's markers {', '.join(place)} are up to {widest:.3g} m apart, not "
            f"{low} to {high}: wrong units, or other markers by these names"
        )


def _check_upright(
    name: str, points: Float[np.ndarray, "n 3"], onto: Float[np.ndarray, "n 3"]
) -> None:
    turn = Rotation.align_vectors(onto - onto.mean(axis=0), points - points.mean(axis=0))[0]
    lean = float(np.degrees(np.arccos(np.clip(turn.as_matrix()[1, 1], -1.0, 1.0))))
    if lean > _LEAN_DEG:
        raise ValueError(
            f"{name}: the torso leans by {lean:.0f} degrees in a trial in which it should be "
            "upright: another axis of the laboratory points up (option --up; .trc files are taken "
            "to have y up, .c3d z), or markers are exchanged"
        )


def _check_torso(name: str, laid_on: Mapping[str, float]) -> None:
    """The torso's markers must be where the model has them."""
    far = [f"{m} ({1e3 * x:.0f} mm)" for m, x in laid_on.items() if x > _MISPLACED]
    if far:
        raise ValueError(
            f"{name}: {', '.join(far)} are far from where a person of this size has them: wrong "
            "names of markers, or left and right exchanged"
        )


def _check_sides(
    name: str, in_model: Mapping[str, np.ndarray], own: Mapping[str, np.ndarray], anatomy: Anatomy
) -> None:
    """Left markers must be on the model's left."""
    for left, right in _seen_pairs(in_model, anatomy.marker_sides):
        if (in_model[left] - in_model[right]) @ (own[left] - own[right]) < 0:
            raise ValueError(
                f"{name}: {left} is to the right of {right} when the shoulders are laid onto the "
                "model: left and right are exchanged, or head and trunk face apart"
            )


def _seen_pairs(
    in_model: Mapping[str, np.ndarray], pairs: tuple[tuple[str, str], ...]
) -> list[tuple[str, str]]:
    return [pair for pair in pairs if set(pair) <= set(in_model)]


def _check_ahead(
    name: str, in_model: Mapping[str, np.ndarray], own: Mapping[str, np.ndarray], anatomy: Anatomy
) -> None:
    """The head must look ahead of the torso: what it does not is taken for the way markers sit."""

    def mean(points: Mapping[str, np.ndarray], pairs: list[tuple[str, str]]) -> np.ndarray:
        return np.mean([points[b] - points[a] for a, b in pairs], axis=0)

    across = _seen_pairs(in_model, anatomy.marker_sides)
    along = _seen_pairs(in_model, anatomy.marker_ends)
    found = []
    if across:
        seen, expected = mean(in_model, across), mean(own, across)
        heading = [np.arctan2(v[0], v[2]) for v in (seen, expected)]
        slope = [np.arctan2(v[1], np.hypot(v[0], v[2])) for v in (seen, expected)]
        found.append(("is turned", heading[0] - heading[1], _ASIDE_DEG))
        found.append(("is bent to a side", slope[0] - slope[1], _ASIDE_DEG))
    if along:
        slope = [
            np.arctan2(v[1], np.hypot(v[0], v[2]))
            for v in (mean(in_model, along), mean(own, along))
        ]
        found.append(("nods", slope[0] - slope[1], _NODDING_DEG))
    for what, angle, most in found:
        if abs(np.degrees(angle)) > most:
            raise ValueError(
                f"{name}: the head {what} by {abs(np.degrees(angle)):.0f} degrees against the "
                "torso in a trial in which it should look ahead; give another trial or part"
            )


def _ratios(
    model: Model,
    place: Mapping[str, np.ndarray],
    head: tuple[str, ...],
    bodies: MarkerBodies,
    neck_length: float,
    given: Mapping[str, float],
) -> dict[str, float]:
    """The ratios given, and from the markers those that are not."""
    anchors = bodies.anchors
    poses, positions = upright_pose(model)
    own = dict(zip(model.topology.markers, np.asarray(positions), strict=True))

    def apart(points: Mapping[str, np.ndarray], names: tuple[str, ...]) -> float:
        return _mean_distance(np.array([points[m] for m in names]))

    found = dict(given)
    shoulders = model.topology.anatomy.shoulder_markers
    if shoulders and all(m in place and m in own for m in shoulders):
        width = apart(place, shoulders) / apart(own, shoulders)
        found.setdefault("shoulder_width", width)
    found.setdefault("head_size", apart(place, head) / apart(own, head))
    turn, shift = _stood(np.array([own[m] for m in anchors]), np.array([place[m] for m in anchors]))

    def height(points: Mapping[str, np.ndarray]) -> float:
        return float(np.mean([points[m][1] for m in head]))

    skull = float(poses.position[model.body_index(bodies.head)][1])
    seen = height({m: turn.T @ (place[m] - shift) for m in head})
    longer = seen - (skull + found["head_size"] * (height(own) - skull))
    found.setdefault("neck_length", 1 + longer / neck_length)
    for name, value in found.items():
        if name in given:
            continue
        low, high = LIMITS[name]
        if not low <= value <= high:
            raise ValueError(
                f"the static trial gives {name} = {value:.2f} of the model's, outside [{low}, "
                f"{high}]: wrong names of markers, or markers elsewhere; or give it in `ratios`"
            )
    return found


def _stood(
    points: Float[np.ndarray, "n 3"], onto: Float[np.ndarray, "n 3"]
) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, " 3"]]:
    """The turn about the vertical, and the shift, that lay `points` onto others.

    A torso that stands has its own vertical axis upright. Three markers of breastbone and shoulders
    hardly tell how a torso leans: where they sit 2 cm elsewhere than the model's, it leans by 15
    degrees, and a head that turns about the vertical seems to bend.
    """
    middle, there = points.mean(axis=0), onto.mean(axis=0)
    (x, _, z), (u, _, w) = (points - middle).T, (onto - there).T
    angle = np.arctan2(z @ u - x @ w, x @ u + z @ w)
    turn = Rotation.from_euler("y", angle).as_matrix()
    return turn, there - turn @ middle
