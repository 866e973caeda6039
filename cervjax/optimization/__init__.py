"""Static optimization with a certificate for every answer."""

from .certificate import (
    Certificate as Certificate,
    certify as certify,
)
from .compensated import (
    accurate_reduced_costs as accurate_reduced_costs,
)
from .dual_newton import (
    DualState as DualState,
    least_squares_multipliers as least_squares_multipliers,
    solve_dual as solve_dual,
)
from .motion_solution import (
    SolvedMotion as SolvedMotion,
    solve_motion as solve_motion,
    write_solution as write_solution,
)
from .problem import (
    ActivationProblem as ActivationProblem,
    controls_from as controls_from,
    generated_force as generated_force,
    objective as objective,
    reduced_costs as reduced_costs,
)
from .result import (
    SolverResult as SolverResult,
)
from .static_optimization import (
    StaticOptimizationSettings as StaticOptimizationSettings,
    StaticOptimizationSolution as StaticOptimizationSolution,
    solve_frame as solve_frame,
    static_optimization as static_optimization,
)
from .torque_equation import (
    Reserves as Reserves,
    TorqueEquation as TorqueEquation,
    activation_problem as activation_problem,
)
