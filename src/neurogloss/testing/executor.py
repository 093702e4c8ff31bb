"""The contract of an executor."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from neurogloss.interfaces.executor import Executor, Work
from neurogloss.testing.contract import Contract, override_fixture, run


class BadItemError(Exception):
    """Raised by the work of the suite, for the items that are to fail."""


class JournalledWork(Work):
    """Doubles numbers, and writes down in a file, which every process can reach, what happens.

    Args:
        journal: The file.
        bad: An item that raises `BadItemError`; `"open"` makes `open` raise it.
    """

    def __init__(self, journal: Path, bad: Any = None) -> None:
        self._journal = str(journal)
        self._bad = bad

    async def open(self) -> None:
        self._note("open")
        if self._bad == "open":
            raise BadItemError("open")

    async def do(self, item: int) -> int:
        self._note(f"start {item}")
        await asyncio.sleep(0.05)  # longer than a message takes from one process to another
        self._note(f"stop {item}")
        if item == self._bad:
            raise BadItemError(str(item))
        return 2 * item

    async def close(self) -> None:
        self._note("close")

    def _note(self, event: str) -> None:
        # One unbuffered append, so that lines of several processes do not mix.
        handle = os.open(self._journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(handle, f"{event}\n".encode())
        finally:
            os.close(handle)


class ExecutorContract(Contract):
    """What every executor does.

    ```
    class TestMine(ExecutorContract):
        @pytest.fixture
        def executor(self):
            return MyExecutor(MyConfig(concurrency=3))

        @pytest.fixture
        def concurrency(self):
            return 3
    ```
    """

    @pytest.fixture
    def executor(self) -> Executor:
        """The executor."""
        override_fixture("ExecutorContract", "executor")

    @pytest.fixture
    def concurrency(self) -> int:
        """How many items the executor was told to work on at once."""
        override_fixture("ExecutorContract", "concurrency")

    @pytest.fixture
    def journal(self, tmp_path: Path) -> Path:
        """Where the suite's work writes down what happens."""
        return tmp_path / "journal.txt"

    def test_every_item_is_done_once(self, executor: Executor, journal: Path) -> None:
        results = run(_collect(executor, JournalledWork(journal), range(20)))
        assert sorted(results) == [(item, 2 * item) for item in range(20)]
        assert sorted(_events(journal, "start")) == sorted(str(item) for item in range(20))

    def test_equal_items_are_each_done(self, executor: Executor, journal: Path) -> None:
        assert run(_collect(executor, JournalledWork(journal), [4, 4, 4])) == [(4, 8)] * 3

    def test_no_items_are_no_results(self, executor: Executor, journal: Path) -> None:
        assert run(_collect(executor, JournalledWork(journal), [])) == []
        _assert_closed(journal)

    def test_concurrency_is_bounded(self, executor: Executor, journal: Path, concurrency: int) -> None:
        run(_collect(executor, JournalledWork(journal), range(20)))
        assert _most_at_once(journal) <= concurrency

    def test_concurrency_is_used(self, executor: Executor, journal: Path, concurrency: int) -> None:
        run(_collect(executor, JournalledWork(journal), range(20)))
        assert concurrency == 1 or _most_at_once(journal) > 1

    def test_work_is_opened_first_and_closed_last(self, executor: Executor, journal: Path) -> None:
        run(_collect(executor, JournalledWork(journal), range(5)))
        lines = _lines(journal)
        assert lines[0] == "open"
        assert lines[-1] == "close"
        _assert_closed(journal)

    def test_an_error_reaches_the_caller(self, executor: Executor, journal: Path) -> None:
        with pytest.raises(BadItemError):
            run(_collect(executor, JournalledWork(journal, bad=3), range(20)))
        _assert_closed(journal)

    def test_an_error_while_opening_reaches_the_caller(self, executor: Executor, journal: Path) -> None:
        with pytest.raises(BadItemError):
            run(_collect(executor, JournalledWork(journal, bad="open"), range(3)))
        assert not _events(journal, "start")

    def test_stopping_early_closes(self, executor: Executor, journal: Path) -> None:
        async def first() -> Any:
            results = executor.map(JournalledWork(journal), range(20))
            found = await anext(results)
            await results.aclose()  # type: ignore[attr-defined]
            return found

        item, result = run(first())
        assert result == 2 * item
        _assert_closed(journal)


async def _collect(executor: Executor, work: Work, items: Sequence[int]) -> list[tuple[int, int]]:
    return [pair async for pair in executor.map(work, items)]


def _lines(journal: Path) -> list[str]:
    return journal.read_text(encoding="utf-8").splitlines() if journal.exists() else []


def _events(journal: Path, event: str) -> list[str]:
    return [line.partition(" ")[2] for line in _lines(journal) if line.partition(" ")[0] == event]


def _assert_closed(journal: Path) -> None:
    assert len(_events(journal, "close")) == len(_events(journal, "open")), "what was opened is closed, once"


def _most_at_once(journal: Path) -> int:
    steps = [{"start": 1, "stop": -1}.get(line.partition(" ")[0], 0) for line in _lines(journal)]
    return max((sum(steps[: i + 1]) for i in range(len(steps))), default=0)
