"""Fresh labels for every step of training, straight from the devices, no disk between."""

from collections.abc import Iterator
from typing import NamedTuple

from cervjax.people import Person

from .block_runner import BlockRunner
from .factory import LabelFactory
from .row import LabelBatch

_FIRST = 2**31
"""Index of the first person of a stream."""


class StreamedLabels(NamedTuple):
    """One step's labels; rows person by person."""

    people: Person
    rows: LabelBatch


def stream_labels(
    factory: LabelFactory, persons: int, *, first_step: int = 0
) -> Iterator[StreamedLabels]:
    """Labels of ever new people, at least `persons` a step, without end.

    A step has whole blocks for every device, two at least (`BlockRunner.computed`).

    Nobody of them is in a dataset of the same factory: the stream's people are those from 2^31 on,
    a dataset's come before. Kinds of movement that a dataset holds out do occur, unless the
    factory's sampler leaves them out.

    Step k is the same whenever it is drawn, so training goes on after a stop with
    `first_step=k`. The next step is computed while the caller works on the last one.

    Returns:
        An iterator; its arrays are on the devices.

    Raises:
        ValueError: `persons` or `first_step` is out of range.
    """
    if persons < 1 or first_step < 0:
        raise ValueError(f"persons = {persons} must be positive and first_step = {first_step} >= 0")
    runner = BlockRunner(factory, -(-persons // factory.block))
    blocks = runner.computed
    start = -(-_FIRST // factory.block)

    def steps() -> Iterator[StreamedLabels]:
        step = first_step
        ahead = runner(start + step * blocks)
        while True:
            ready = ahead
            step += 1
            ahead = runner(start + step * blocks)
            yield StreamedLabels(*ready)

    return steps()
