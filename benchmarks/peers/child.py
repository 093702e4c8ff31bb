"""A process that does one tool's work in the tool's own environment: a job a line, a result a line.

Imports nothing but the standard library: it runs wherever a peer runs.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

Job = dict[str, Any]
Work = Callable[[], Coroutine[Any, Any, Any]]


def serve(prepare: Callable[[Job], Work]) -> None:
    """Answers jobs until there are no more.

    Args:
        prepare: Makes a job's work, which is then timed; what it does itself is not.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # tools print what they like
    before_mb = _peak_mb()
    for line in sys.stdin:
        work = prepare(json.loads(line))
        started, cpu_started = time.perf_counter(), time.process_time()
        found = asyncio.run(work())
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu_started
        told = {"seconds": seconds, "cpu": cpu, "found": found, "peak_mb": _peak_mb(), "imported_mb": before_mb}
        print(json.dumps(told), file=answers, flush=True)


def _peak_mb() -> float:
    """The most memory that this program has held, in megabytes; `resource` would count the process that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
