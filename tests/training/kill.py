"""SIGKILL at a step, for tests of trainings that are run again."""

import os
import signal

from graph.records import Progress


def killed_at(step: int, stage: str = "") -> Progress:
    """Return a `Progress` that kills this process after `step` steps of a stage whose name begins with `stage`."""

    def progress(running: str, done: int, total: int, unit: str) -> None:
        if unit == "steps" and running.startswith(stage) and done == step:
            os.kill(os.getpid(), signal.SIGKILL)

    return progress
