"""The suites of stores and executors refuse components that are wrong on purpose."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from neurogloss.builtin.executors.configs import LocalConfig
from neurogloss.builtin.executors.local import LocalExecutor
from neurogloss.errors import StoreError
from neurogloss.interfaces.executor import Executor, Work
from neurogloss.interfaces.result_store import ResultStore
from neurogloss.records.requests import Reply
from neurogloss.records.runs import ExplanationRow, LedgerEntry, RunManifest, ScoreRow
from neurogloss.store.configs import SqliteStoreConfig
from neurogloss.store.sql import SqlResultStore
from neurogloss.testing import ExecutorContract, ResultStoreContract

Rejects = Callable[..., set[str]]


class GoodStore(SqlResultStore):
    def __init__(self, root: Path) -> None:
        super().__init__(SqliteStoreConfig(root=str(root)))


class NewestFirst(GoodStore):
    def runs(self) -> list[RunManifest]:
        return super().runs()[::-1]


class TakesTheFirstMatch(GoodStore):
    def run(self, run_id: str) -> RunManifest:
        return next((run for run in self.runs() if run.run_id.startswith(run_id)), self.runs()[0])


class ExactNamesOnly(GoodStore):
    def run(self, run_id: str) -> RunManifest:
        if run_id == "latest":
            return super().run(run_id)
        try:
            return {run.run_id: run for run in self.runs()}[run_id]
        except KeyError as error:
            raise StoreError("no such run") from error


class BeginsAnew(GoodStore):
    def begin_run(self, manifest: RunManifest) -> None:
        self.delete_run(manifest.run_id)
        super().begin_run(manifest)


class KeepsTheFirst(GoodStore):
    def add_explanations(self, run_id: str, rows: Sequence[ExplanationRow]) -> None:
        known = {row.cell for row in self.explanations(run_id)}
        super().add_explanations(run_id, [row for row in rows if row.cell not in known])

    def add_scores(self, run_id: str, rows: Sequence[ScoreRow]) -> None:
        known = {row.cell for row in self.scores(run_id)}
        super().add_scores(run_id, [row for row in rows if row.cell not in known])


class SortsAsText(GoodStore):
    def explanations(self, run_id: str) -> list[ExplanationRow]:
        return sorted(super().explanations(run_id), key=lambda row: str(row.cell))


class RoundsScores(GoodStore):
    def add_scores(self, run_id: str, rows: Sequence[ScoreRow]) -> None:
        super().add_scores(run_id, [replace(row, simulations=row.simulations[:1]) for row in rows])


class SharesRows(GoodStore):
    def explanations(self, run_id: str) -> list[ExplanationRow]:
        return [row for run in self.runs() for row in super(SharesRows, self).explanations(run.run_id)]


class ForgetsReplies(GoodStore):
    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._replies: dict[str, Reply | None] = {}

    def add_entry(self, run_id: str, entry: LedgerEntry) -> None:
        self._replies[entry.key] = entry.reply
        super().add_entry(run_id, entry)

    def reply(self, key: str) -> Reply | None:
        return self._replies.get(key)


class NewestCallsFirst(GoodStore):
    def ledger(self, run_id: str) -> Sequence[LedgerEntry]:
        return list(super().ledger(run_id))[::-1]


class IgnoresUses(GoodStore):
    def add_use(self, run_id: str, key: str, role: str) -> None:
        pass


class DeletesNothing(GoodStore):
    def delete_run(self, run_id: str) -> None:
        pass


class RemembersNothing(GoodStore):
    def __init__(self, root: Path) -> None:
        super().__init__(root)
        for run in self.runs():
            self.delete_run(run.run_id)


def _opener(cls: Callable[[Path], ResultStore], tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Any]:
    def opener() -> Callable[[], ResultStore]:
        root = tmp_path_factory.mktemp("store")
        return lambda: cls(root)

    return opener


def test_a_good_store_passes(failing_tests: Rejects, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert failing_tests(ResultStoreContract, open_store=_opener(GoodStore, tmp_path_factory)) == set()


@pytest.mark.parametrize(
    ("wrong", "test"),
    [
        (NewestFirst, "test_runs_survive_reopening"),
        (TakesTheFirstMatch, "test_no_or_many_runs_are_an_error"),
        (ExactNamesOnly, "test_runs_are_found_by_their_beginning"),
        (BeginsAnew, "test_a_run_begun_again_keeps_what_it_has"),
        (KeepsTheFirst, "test_an_explanation_takes_the_place_of_the_earlier"),
        (KeepsTheFirst, "test_a_score_takes_the_place_of_the_earlier"),
        (SortsAsText, "test_explanations_are_sorted_by_cell"),
        (RoundsScores, "test_scores_survive_reopening"),
        (SharesRows, "test_runs_do_not_share_rows"),
        (ForgetsReplies, "test_replies_survive_reopening"),
        (NewestCallsFirst, "test_the_ledger_holds_calls_in_order"),
        (IgnoresUses, "test_replies_of_other_runs_are_used"),
        (DeletesNothing, "test_a_deleted_run_leaves_its_replies"),
        (RemembersNothing, "test_explanations_survive_reopening"),
    ],
)
def test_wrong_stores_are_refused(
    failing_tests: Rejects, tmp_path_factory: pytest.TempPathFactory, wrong: Callable[[Path], ResultStore], test: str
) -> None:
    assert test in failing_tests(ResultStoreContract, test, open_store=_opener(wrong, tmp_path_factory))


class GoodExecutor(LocalExecutor):
    def __init__(self) -> None:
        super().__init__(LocalConfig(concurrency=3))


class SkipsTheLast(GoodExecutor):
    def map(self, work: Work, items: Sequence[Any]) -> AsyncIterator[tuple[Any, Any]]:
        return super().map(work, items[:-1])


class DropsRepetitions(GoodExecutor):
    def map(self, work: Work, items: Sequence[Any]) -> AsyncIterator[tuple[Any, Any]]:
        return super().map(work, list(dict.fromkeys(items)))


class DoesTwice(GoodExecutor):
    async def map(self, work: Work, items: Sequence[Any]) -> AsyncIterator[tuple[Any, Any]]:
        await work.open()
        for item in items:
            await work.do(item)
            yield item, await work.do(item)
        await work.close()


class AllAtOnce(GoodExecutor):
    def map(self, work: Work, items: Sequence[Any]) -> AsyncIterator[tuple[Any, Any]]:
        return LocalExecutor(LocalConfig(concurrency=1000)).map(work, items)


class OneAtATime(GoodExecutor):
    def map(self, work: Work, items: Sequence[Any]) -> AsyncIterator[tuple[Any, Any]]:
        return LocalExecutor(LocalConfig(concurrency=1)).map(work, items)


class NeverCloses(GoodExecutor):
    async def map(self, work: Work, items: Sequence[Any]) -> AsyncIterator[tuple[Any, Any]]:
        await work.open()
        for item in items:
            yield item, await work.do(item)


class ClosesOnlyAtTheEnd(GoodExecutor):
    async def map(self, work: Work, items: Sequence[Any]) -> AsyncIterator[tuple[Any, Any]]:
        await work.open()
        for item in items:
            yield item, await work.do(item)
        await work.close()


class SwallowsErrors(GoodExecutor):
    async def map(self, work: Work, items: Sequence[Any]) -> AsyncIterator[tuple[Any, Any]]:
        try:
            async for pair in super().map(work, items):
                yield pair
        except Exception:
            return


class ClosesTooEarly(GoodExecutor):
    async def map(self, work: Work, items: Sequence[Any]) -> AsyncIterator[tuple[Any, Any]]:
        await work.open()
        tasks = {item: asyncio.create_task(work.do(item)) for item in items}
        await work.close()
        for item, task in tasks.items():
            yield item, await task


class GoesOnWithoutOpening(GoodExecutor):
    async def map(self, work: Work, items: Sequence[Any]) -> AsyncIterator[tuple[Any, Any]]:
        try:
            await work.open()
        finally:
            for item in items:
                yield item, await work.do(item)
            await work.close()


def test_a_good_executor_passes(failing_tests: Rejects) -> None:
    assert failing_tests(ExecutorContract, executor=GoodExecutor, concurrency=lambda: 3) == set()


@pytest.mark.parametrize(
    ("wrong", "test"),
    [
        (SkipsTheLast, "test_every_item_is_done_once"),
        (DropsRepetitions, "test_equal_items_are_each_done"),
        (DoesTwice, "test_every_item_is_done_once"),
        (AllAtOnce, "test_concurrency_is_bounded"),
        (OneAtATime, "test_concurrency_is_used"),
        (NeverCloses, "test_work_is_opened_first_and_closed_last"),
        (NeverCloses, "test_no_items_are_no_results"),
        (ClosesOnlyAtTheEnd, "test_an_error_reaches_the_caller"),
        (ClosesOnlyAtTheEnd, "test_stopping_early_closes"),
        (SwallowsErrors, "test_an_error_reaches_the_caller"),
        (ClosesTooEarly, "test_work_is_opened_first_and_closed_last"),
        (GoesOnWithoutOpening, "test_an_error_while_opening_reaches_the_caller"),
    ],
)
def test_wrong_executors_are_refused(failing_tests: Rejects, wrong: type[Executor], test: str) -> None:
    assert test in failing_tests(ExecutorContract, test, executor=wrong, concurrency=lambda: 3)
