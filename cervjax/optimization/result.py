"""How a solve ended."""

import enum


class SolverResult(enum.IntEnum):
    """The outcome of one solve, stored as a number beside each answer."""

    CONVERGED = 0
    MAX_STEPS_REACHED = 1
    NOT_FINITE = 2
    INFEASIBLE = 3
    SLACK_UNSETTLED = 4

    @property
    def message(self) -> str:
        """What the outcome means, in a sentence."""
        return _MESSAGES[self]


_MESSAGES = {
    SolverResult.CONVERGED: "The optimum was found to the stated tolerance.",
    SolverResult.MAX_STEPS_REACHED: (
        "The step limit was reached before the tolerance; the activations are not the optimum. "
        "Raise max_steps, use float64, or give stronger reserves."
    ),
    SolverResult.NOT_FINITE: (
        "The problem holds numbers that are not finite, a strength that is not positive, or "
        "bounds that cross; check the motion and the arguments."
    ),
    SolverResult.SLACK_UNSETTLED: (
        "Convention physical: which muscles go slack did not settle; some would have to push."
    ),
    SolverResult.INFEASIBLE: (
        "Muscles, and reserves if there are any, cannot supply the generalized forces within their "
        "bounds; the multipliers prove it. Check the motion's units (radians), or give reserves of "
        "a larger optimal force."
    ),
}
