"""The curves of OpenSim's Millard2012EquilibriumMuscle."""

from collections.abc import Sequence
from typing import ClassVar

from jaxtyping import Array, Float

from cervjax.spec import MillardCurves

from .bezier import BezierCurve, corner_curve
from .curves import AbstractForceCurves, register_muscle_model


@register_muscle_model(MillardCurves)
class MillardForceCurves(AbstractForceCurves):
    """The curves of OpenSim's Millard2012EquilibriumMuscle.

    Source: Millard, Uchida, Seth, Delp 2013, J Biomech Eng 135(2):021005, and the shapes that
    OpenSim 4 gives them. They agree with OpenSim's own `calcValue` to 1e-12 (tests).
    """

    active: BezierCurve
    velocity: BezierCurve
    passive: BezierCurve
    tendon: BezierCurve

    normalized_pennation: ClassVar[bool] = True

    @classmethod
    def of(cls, shapes: Sequence[MillardCurves]) -> "MillardForceCurves":
        return millard_force_curves(shapes)

    def active_force_length(self, norm_fiber_length: Float[Array, " m"]) -> Float[Array, " m"]:
        return self.active(norm_fiber_length)

    def force_velocity(self, norm_fiber_velocity: Float[Array, " m"]) -> Float[Array, " m"]:
        return self.velocity(norm_fiber_velocity)

    def passive_force_length(self, norm_fiber_length: Float[Array, " m"]) -> Float[Array, " m"]:
        return self.passive(norm_fiber_length)

    def tendon_force_length(self, norm_tendon_length: Float[Array, " m"]) -> Float[Array, " m"]:
        return self.tendon(norm_tendon_length)

    def norm_fiber_velocity(
        self,
        activation: Float[Array, " m"],
        active_force_length: Float[Array, " m"],
        force: Float[Array, " m"],
        damping: Float[Array, " m"],
    ) -> Float[Array, " m"]:
        return self.velocity.solve(activation * active_force_length, damping, force)

    def least_norm_fiber_length(self) -> Float[Array, "*m"]:
        return self.active.knots[..., 0]


def millard_force_curves(shapes: Sequence[MillardCurves]) -> MillardForceCurves:
    """The curves of muscles with `shapes`; stored once where all are alike."""
    active, velocity, passive, tendon = [], [], [], []
    for s in shapes:
        active.append(_active_force_length_points(s))
        velocity.append(_force_velocity_points(s))
        passive.append(_passive_force_length_points(s))
        tendon.append(_tendon_force_length_points(s))
    return MillardForceCurves(
        corner_curve(active, [[1.0] * 5 for _ in shapes]),
        corner_curve(
            velocity,
            [[s.concentric_curviness] * 2 + [s.eccentric_curviness] * 2 for s in shapes],
        ),
        corner_curve(passive, [[s.passive_curviness] * 2 for s in shapes]),
        corner_curve(tendon, [[s.tendon_curviness] * 2 for s in shapes]),
    )


Points = list[tuple[float, float, float]]


def _active_force_length_points(s: MillardCurves) -> Points:
    x0, x1, x3 = (
        s.min_norm_active_fiber_length,
        s.transition_norm_fiber_length,
        s.max_norm_active_fiber_length,
    )
    x2, half_plateau = 1.0, 0.05
    shoulder = x2 - half_plateau
    y1 = 1.0 - s.shallow_ascending_slope * (shoulder - x1)
    return [
        (x0, s.minimum_value, 0.0),
        (0.5 * (x0 + x1), 0.5 * y1, 1.25 * y1 / (x1 - x0)),
        (0.5 * (x1 + shoulder), 0.5 * (1.0 + y1), s.shallow_ascending_slope),
        (x2, 1.0, 0.0),
        (0.5 * (x2 + half_plateau + x3), 0.5, -1.0 / (x3 - x2 - 2 * half_plateau)),
        (x3, s.minimum_value, 0.0),
    ]


def _force_velocity_points(s: MillardCurves) -> Points:
    top = s.max_eccentric_velocity_force_multiplier
    con_end, con_near = s.concentric_slope_at_vmax, s.concentric_slope_near_vmax
    ecc_end, ecc_near = s.eccentric_slope_at_vmax, s.eccentric_slope_near_vmax
    return [
        (-1.0, 0.0, con_end),
        (-0.9, 0.05 * (con_near + con_end), con_near),
        (0.0, 1.0, s.isometric_slope),
        (0.9, top - 0.05 * (ecc_near + ecc_end), ecc_near),
        (1.0, top, ecc_end),
    ]


def _passive_force_length_points(s: MillardCurves) -> Points:
    zero, one = 1.0 + s.passive_strain_at_zero_force, 1.0 + s.passive_strain_at_one_norm_force
    low, stiff = s.passive_stiffness_at_low_force, s.passive_stiffness_at_one_norm_force
    toe = min(0.1 / stiff, 0.1 * (one - zero))
    return [
        (zero, 0.0, 0.0),
        (zero + toe, 0.5 * low * toe, low),
        (one, 1.0, stiff),
    ]


def _tendon_force_length_points(s: MillardCurves) -> Points:
    stiff, toe = s.tendon_stiffness_at_one_norm_force, s.tendon_norm_force_at_toe_end
    one = 1.0 + s.tendon_strain_at_one_norm_force

    def straight(force: float) -> float:
        return (force - 1.0) / stiff + one

    # The toe is two corners that meet where the mean slope of the toe's lower half leads.
    end = straight(toe)
    foot = 1.0 + 0.1 * (end - 1.0)
    middle = straight(0.5 * toe)
    slope = 0.5 * toe / (middle - foot)
    meet = foot + 0.5 * (middle - foot)
    return [(1.0, 0.0, 0.0), (meet, slope * (meet - foot), slope), (end, toe, stiff)]
