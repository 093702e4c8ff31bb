"""Ctrl-C in what an event loop waits for."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interrupted_at_once() -> Iterator[None]:
    """Ctrl-C ends the block itself.

    A running event loop only cancels its task, which notices when it next waits: after all of a block that does not.
    """
    if threading.current_thread() is not threading.main_thread():  # nobody else hears of signals
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)
