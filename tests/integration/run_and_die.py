"""Runs neurogloss in this process and kills it, without warning, at the n-th event.

Usage: python run_and_die.py N OVERRIDE...    (N = 0: live on, and print how many events there were)

An event is a step that progress hears of, or a moment before a statement that writes to the database, or its commit.
"""

from __future__ import annotations

import os
import signal
import sys

import sqlalchemy as sa

from neurogloss import app
from neurogloss.config.composing import compose
from neurogloss.config.settings import settings_of
from neurogloss.pipeline.progress import Progress
from neurogloss.plugin.registry import load_registry

deadly = int(sys.argv[1])
events = 0


def event() -> None:
    global events
    events += 1
    if events == deadly:
        os.kill(os.getpid(), signal.SIGKILL)


class Watched(Progress):
    def start(self, stage: str, total: int | None, counted: str) -> None:
        event()

    def advance(self, stage: str, steps: int = 1) -> None:
        event()

    def finish(self, stage: str) -> None:
        event()


def before_statement(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
    if not statement.lstrip().lower().startswith(("select", "pragma")):
        event()


sa.event.listen(sa.Engine, "before_cursor_execute", before_statement)
sa.event.listen(sa.Engine, "commit", lambda _connection: event())
registry = load_registry()
app.run(settings_of(compose(sys.argv[2:], registry), registry), Watched())
print(events)
