"""Ctrl-C while an event loop waits for what does not let it go on."""

from __future__ import annotations

import asyncio
import os
import signal
import threading

import pytest

from neurogloss.pipeline.interrupting import interrupted_at_once


def test_the_block_ends_where_it_is() -> None:
    reached = []

    async def work() -> None:
        with interrupted_at_once():
            os.kill(os.getpid(), signal.SIGINT)
            reached.append("the end")

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(work())
    assert not reached
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_go_on_as_ever() -> None:
    done = []

    def work() -> None:
        with interrupted_at_once():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done
