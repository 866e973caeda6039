"""Names of the files that hold results of one motion, whoever computed them.

Results of two motions, or of the solver and of a network, in one folder would be mixed up: whoever
writes one set removes what is left of any other.
"""

SOLVER_FILES = (
    "inverse_dynamics.sto",
    "StaticOptimization_activation.sto",
    "StaticOptimization_force.sto",
    "certificate.sto",
)
"""Written by static optimization."""

NETWORK_FILES = (
    "StaticOptimization_activation.sto",
    "StaticOptimization_force.sto",
    "prediction.sto",
    "force_low.sto",
    "force_high.sto",
)
"""Written by a network."""

RESULT_FILES = tuple(dict.fromkeys((*SOLVER_FILES, *NETWORK_FILES)))
