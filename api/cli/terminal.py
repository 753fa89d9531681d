"""Output of the command: results on standard output; messages and progress bars on standard error.

A bar shows the stage, its progress, its speed and the time left. If standard error is not a terminal, a line is written
when a stage begins, every twenty seconds while it lasts, and when it ends, so that a log file stays readable.
"""

import json
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from graph.printable import printable

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]

_NOTE_SECONDS = 20.0

errors = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """Write a line for people on standard error."""
    errors.print(printable(text, keep="\n\t"), markup=False)


def answer(facts: Mapping[str, Any], as_json: bool, text: str = "") -> None:
    """Write the command's result on standard output: one JSON object, or its text for people."""
    if as_json:
        # A lone surrogate, which stands for a byte of a file name that is not UTF-8, becomes an escape of JSON.
        text = json.dumps(facts, ensure_ascii=False, default=str).encode("utf-8", "backslashreplace").decode()
    else:
        text = printable(text.rstrip(), keep="\n\t")
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def table(rows: Mapping[str, Any], title: str = "") -> str:
    """Lay out names and values in two columns, as plain text."""
    width = max((len(name) for name in rows), default=0)
    lines = [title] if title else []
    return "\n".join([*lines, *(f"{name:<{width}}  {value}" for name, value in rows.items())])


class _Speed(ProgressColumn):
    """Column with the speed in units per second."""

    def render(self, task: Task) -> Text:
        """Draw the speed of one bar."""
        speed = task.fields.get("speed") or task.finished_speed or task.speed
        return Text(f"{speed:,.1f} {task.fields['unit']}/s" if speed else "", style="progress.data.speed")


class Bars:
    """Progress bars by name; use it as a context manager, and call it as the `Progress` of a single piece of work."""

    def __init__(self) -> None:
        """Prepare to draw on standard error."""
        self._live = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[amount]}"),
            _Speed(),
            TimeRemainingColumn(compact=True),
            console=errors,
            transient=False,
            disable=not errors.is_terminal,
            speed_estimate_period=60,
        )
        self._tasks: dict[str, TaskID] = {}
        self._stages: dict[str, float] = {}  # when a stage that has not ended began
        self._noted: dict[str, float] = {}  # when a line of a stage was last written

    def __enter__(self) -> "Bars":
        """Start drawing."""
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop drawing; the last state stays on the screen."""
        self._live.stop()

    def __call__(self, stage: str, done: int, total: int, unit: str) -> None:
        """Show one stage of work after the other, each on its own line; the text after " · " may change in a stage."""
        self.show(stage.split(" · ")[0], stage, done, total, unit)

    def show(self, name: str, text: str, done: int, total: int, unit: str, speed: float = 0.0) -> None:
        """Draw bar `name` with label `text`; total 0 means that the end is not known yet.

        A stage that has ended and reports less than its total again begins anew, for example the next training of a
        comparison.
        """
        if name in self._tasks and name not in self._stages and not (total and done >= total):
            self.remove(name)
        if name not in self._tasks:
            self._tasks[name] = self._live.add_task(text, total=None, unit=unit, amount="", speed=0.0)
            self._note(f"{text} …")
            self._stages[name] = time.monotonic()
            self._noted[name] = time.monotonic()
        amount = f"{done:,}/{total:,} {unit}" if total else f"{done:,} {unit}" if done else ""
        self._live.update(
            self._tasks[name],
            description=text,
            completed=done,
            total=total or None,
            unit=unit,
            amount=amount,
            speed=speed,
        )
        if name not in self._stages:
            return
        begun = self._stages[name]
        if total and done >= total:
            del self._stages[name]
            self._note(f"{text}: {amount} in {time.monotonic() - begun:.1f} s")
        elif amount and time.monotonic() - self._noted[name] >= _NOTE_SECONDS:
            self._noted[name] = time.monotonic()
            task = self._live.tasks[self._live.task_ids.index(self._tasks[name])]
            left = f", {task.time_remaining:.0f} s left" if task.time_remaining else ""
            self._note(f"{text}: {amount} after {time.monotonic() - begun:.0f} s{left}")

    def remove(self, name: str) -> None:
        """Take a bar off the screen."""
        task = self._tasks.pop(name, None)
        self._stages.pop(name, None)
        if task is not None:
            self._live.remove_task(task)

    def _note(self, text: str) -> None:
        if not errors.is_terminal:
            say(text)
