"""What a force network has to beat, on the same rows.

Mean force; ridge regression on the inputs; gradient boosting per muscle; the row of training that
is nearest in motion and body; and static optimization itself, on the right neck, on that of the
training person with the nearest body, and on the unscaled model.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from force_judgement import solver_prediction
from jaxtyping import Float
from rich.progress import Progress
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import RidgeCV
from sklearn.neighbors import KNeighborsRegressor, NearestNeighbors
from sklearn.preprocessing import StandardScaler

from cervjax.labels import Labeler, RowOptions
from cervjax.learning import Prediction, TrainingRows
from cervjax.people import Personalizer, Subject

Forces = Float[np.ndarray, "rows muscles"]


def flat_inputs(rows: TrainingRows) -> Float[np.ndarray, "rows inputs"]:
    """Motion and ratios of the person, one after the other."""
    return np.concatenate([rows.inputs.motion, np.asarray(rows.frame.subject)], axis=1)


def baselines(
    training: TrainingRows,
    judged: dict[str, TrainingRows],
    personalizer: Personalizer,
    progress: Progress,
    *,
    boosting_rows: int,
    boosting_iterations: int,
) -> dict[str, dict[str, Forces | Prediction]]:
    """Predictions of every baseline on every set of rows; tables of forces where it says no more.

    Args:
        training: rows of people seen.
        judged: sets of rows to judge on.
        boosting_rows: rows that gradient boosting learns from; it takes minutes.
    """
    scaler = StandardScaler().fit(flat_inputs(training))
    seen, force = scaler.transform(flat_inputs(training)), np.asarray(training.force)
    mean = force.mean(axis=0)
    task = progress.add_task("baselines", total=4 + force.shape[1], note="")

    def told(model) -> Callable[[TrainingRows], Forces]:
        progress.advance(task)
        return lambda rows: model.predict(scaler.transform(flat_inputs(rows)))

    models: dict[str, Callable[[TrainingRows], Forces | Prediction]] = {
        "mean": lambda rows: np.broadcast_to(mean, np.shape(rows.force)),
        "ridge regression": told(RidgeCV(np.logspace(-3, 3, 7)).fit(seen, force)),
        "nearest row": told(KNeighborsRegressor(5, weights="distance").fit(seen, force)),
    }
    boosted = []
    for muscle in range(force.shape[1]):
        model = HistGradientBoostingRegressor(max_iter=boosting_iterations, random_state=0)
        boosted.append(model.fit(seen[:boosting_rows], force[:boosting_rows, muscle]))
        progress.advance(task)

    def boosting(rows: TrainingRows) -> Forces:
        inputs = scaler.transform(flat_inputs(rows))
        return np.column_stack([model.predict(inputs) for model in boosted])

    models["gradient boosting"] = boosting
    labeler = Labeler(personalizer, RowOptions(joint_loads=False))
    people = np.unique(np.asarray(training.frame.subject)[:20_000], axis=0)
    nearest = NearestNeighbors(n_neighbors=1).fit(people / people.std(axis=0))

    def solver(body: Callable[[np.ndarray], np.ndarray]) -> Callable[[TrainingRows], Prediction]:
        def solve(rows: TrainingRows) -> Prediction:
            subject = body(np.asarray(rows.frame.subject)).astype(np.float32)
            frame = rows.frame
            labels = labeler(
                jnp.arange(len(subject)),
                Subject.from_vector(jnp.asarray(subject)),
                type(frame.motion)(*(jnp.asarray(x) for x in frame.motion)),
                jnp.asarray(frame.gravity),
            )
            return solver_prediction(labels, personalizer.model.topology)

        return solve

    def neighbour(subject: np.ndarray) -> np.ndarray:
        return people[nearest.kneighbors(subject / people.std(axis=0), return_distance=False)[:, 0]]

    models["solver, nearest person's neck"] = solver(neighbour)
    models["solver, unscaled neck"] = solver(np.ones_like)
    models["solver"] = solver(lambda subject: subject)
    found = {
        name: {what: model(rows) for what, rows in judged.items()} for name, model in models.items()
    }
    progress.update(task, completed=4 + force.shape[1])
    return found
