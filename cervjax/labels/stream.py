"""Fresh labels for every step of training, straight from the devices, no disk between."""

from collections.abc import Iterator
from typing import NamedTuple

from cervjax.population import Person

from .devices import BlockRunner
from .factory import LabelFactory
from .row import LabelBatch


class StreamedLabels(NamedTuple):
    """One step's labels; rows person by person."""

    people: Person
    rows: LabelBatch


def stream_labels(
    factory: LabelFactory, persons: int, *, first_step: int = 0
) -> Iterator[StreamedLabels]:
    """Labels of ever new people, `persons` (rounded up to whole blocks) a step, without end.

    Step k is the same whenever it is drawn, so training goes on after a stop with
    `first_step=k`. The next step is computed while the caller works on the last one.

    Raises:
        ValueError: `persons` or `first_step` is out of range.
    """
    if persons < 1 or first_step < 0:
        raise ValueError(f"persons = {persons} must be positive and first_step = {first_step} >= 0")
    blocks = -(-persons // factory.block)
    runner = BlockRunner(factory, blocks)

    def steps() -> Iterator[StreamedLabels]:
        step = first_step
        ahead = runner(step * blocks)
        while True:
            ready = ahead
            step += 1
            ahead = runner(step * blocks)
            yield StreamedLabels(*ready)

    return steps()
