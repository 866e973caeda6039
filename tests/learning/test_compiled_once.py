"""Trainings of equal shapes share what is compiled."""

import dataclasses

import jax.monitoring

from cervjax.learning import train
from tests.learning.conftest import SMALL

_COMPILED = "/jax/core/compile/backend_compile_duration"


def test_a_second_training_compiles_nothing(source, reserved, tmp_path):
    """Counted by JAX's own event of each compilation, which a stored program raises too."""
    config = dataclasses.replace(SMALL, steps=4, batch_size=17)  # a shape of no other test
    counted: list[str] = []

    def listen(event: str, duration: float, **_: object) -> None:
        if event == _COMPILED:
            counted.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        train(source, reserved, config, tmp_path / "first")
        assert counted, "JAX no longer reports compilations under this name"
        counted.clear()
        train(source, reserved, config, tmp_path / "second")
        assert not counted
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
