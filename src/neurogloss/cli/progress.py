"""What the command line shows while it works, on stderr."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.text import Text

from neurogloss.pipeline.progress import Progress


@contextmanager
def shown_progress(*, quiet: bool) -> Iterator[Progress]:
    """Bars on a terminal, one line for each finished stage elsewhere, nothing if quiet."""
    if quiet:
        yield Progress()
    elif not sys.stderr.isatty():
        with _noting(Lines()) as lines:
            yield lines
    else:
        with Bars(Console(stderr=True)) as bars, _noting(bars):
            yield bars


@contextmanager
def _noting(progress: Progress) -> Iterator[Progress]:
    """What is logged as a warning becomes a note, which does not tear bars apart."""
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: progress.note(handler.format(record))  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)
    try:
        yield progress
    finally:
        logging.getLogger().removeHandler(handler)


@dataclass
class _Stage:
    counted: str
    begun: float = field(default_factory=time.monotonic)
    steps: int = 0


class Lines(Progress):
    """One line for each finished stage and each note."""

    def __init__(self) -> None:
        self._stages: dict[str, _Stage] = {}

    def start(self, stage: str, total: int | None, counted: str) -> None:
        self._stages[stage] = _Stage(counted)

    def advance(self, stage: str, steps: int = 1) -> None:
        self._stages[stage].steps += steps

    def finish(self, stage: str) -> None:
        done = self._stages.pop(stage)
        seconds = time.monotonic() - done.begun
        rate = f", {done.steps / seconds:,.1f} a second" if seconds > 0.05 else ""
        print(f"{stage}: {done.steps:,} {done.counted} in {seconds:.1f} s{rate}", file=sys.stderr)

    def note(self, text: str) -> None:
        print(f"note: {text}", file=sys.stderr)


class _Rate(ProgressColumn):
    """Steps a second."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:,.1f}/s", style="progress.data.speed")


class Bars(Progress):
    """A bar for each stage, with its rate and the time that is left; a context manager."""

    def __init__(self, console: Console) -> None:
        self._tasks: dict[str, TaskID] = {}
        self._display = RichProgress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[done]}", markup=False),
            _Rate(),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
        )

    def __enter__(self) -> Bars:
        self._display.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._display.stop()

    def start(self, stage: str, total: int | None, counted: str) -> None:
        for earlier in [task.id for task in self._display.tasks if task.finished and task.description == stage]:
            self._display.remove_task(earlier)  # of the run before, where a command does several
        self._tasks[stage] = self._display.add_task(stage, total=total, done="", counted=counted)
        self.advance(stage, 0)

    def advance(self, stage: str, steps: int = 1) -> None:
        task = self._task(stage)
        total = "" if task.total is None else f"/{task.total:,.0f}"
        done = f"{task.completed + steps:,.0f}{total} {task.fields['counted']}"
        self._display.update(task.id, advance=steps, done=done)

    def finish(self, stage: str) -> None:
        task = self._task(stage)
        self._display.update(task.id, total=task.completed)
        del self._tasks[stage]

    def note(self, text: str) -> None:
        self._display.console.print(Text(f"note: {text}"))

    def _task(self, stage: str) -> Task:
        return self._display.tasks[self._display.task_ids.index(self._tasks[stage])]
