"""The contract of a result store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from neurogloss.errors import StoreError
from neurogloss.interfaces.result_store import ResultStore
from neurogloss.records import codec
from neurogloss.records.explanations import Explanation, ProseExplanation, Provenance
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.requests import ChoiceReply, Completion, GenerateReply, Usage
from neurogloss.records.runs import (
    BatchedCall,
    Cell,
    ExplanationRow,
    LedgerEntry,
    LedgerTotals,
    OpenBatch,
    RunManifest,
    ScoreRow,
)
from neurogloss.records.scores import Measure, Score
from neurogloss.records.simulations import Simulation
from neurogloss.records.units import UnitId
from neurogloss.testing.contract import Contract, override_fixture
from neurogloss.testing.records import prose_explanation, token_table_explanation

OpenStore = Callable[[], ResultStore]

RUN, OTHER = "a1b2c3", "a1ffff"
_FAILURE = Failure(Reason.UNPARSABLE, "no words in the reply: \x00 \ud83d 'é' 🐈 \u2028")


class ResultStoreContract(Contract):
    """What every result store does.

    ```
    class TestMine(ResultStoreContract):
        @pytest.fixture
        def open_store(self, tmp_path):
            return lambda: MyStore(MyConfig(root=str(tmp_path)))
    ```
    """

    @pytest.fixture
    def open_store(self) -> OpenStore:
        """A function that opens the store, at the same empty place each time it is called in a test."""
        override_fixture("ResultStoreContract", "open_store")

    def test_runs_survive_reopening(self, open_store: OpenStore) -> None:
        later = replace(_manifest(OTHER), created="2026-02-01T00:00:00+00:00")
        with _opened(open_store) as store:
            store.begin_run(later)
            store.begin_run(_manifest(RUN))
        with _opened(open_store) as store:
            _assert_equal(store.runs(), [_manifest(RUN), later])

    def test_runs_are_found_by_their_beginning(self, open_store: OpenStore) -> None:
        with _opened(open_store) as store:
            store.begin_run(_manifest(RUN))
            store.begin_run(replace(_manifest(OTHER), created="2026-02-01T00:00:00+00:00"))
            assert store.run("a1b").run_id == RUN
            assert store.run(RUN).run_id == RUN
            assert store.run("latest").run_id == OTHER

    @pytest.mark.parametrize("asked", ["a1", "zz", ""])
    def test_no_or_many_runs_are_an_error(self, open_store: OpenStore, asked: str) -> None:
        with _opened(open_store) as store:
            with pytest.raises(StoreError):
                store.run("latest")
            store.begin_run(_manifest(RUN))
            store.begin_run(_manifest(OTHER))
            with pytest.raises(StoreError):
                store.run(asked)

    def test_a_run_begun_again_keeps_what_it_has(self, open_store: OpenStore) -> None:
        row = ExplanationRow(_cell(), prose_explanation())
        with _opened(open_store) as store:
            store.begin_run(_manifest(RUN))
            store.add_explanations(RUN, [row])
            store.begin_run(replace(_manifest(RUN), created="2030-01-01T00:00:00+00:00"))
            _assert_equal(store.runs(), [_manifest(RUN)])
            _assert_equal(store.explanations(RUN), [row])

    def test_explanations_survive_reopening(self, open_store: OpenStore) -> None:
        outcomes: tuple[Explanation | Failure, ...] = (
            prose_explanation('tab\t"quoted" <b>é</b> 🐈\n'),
            token_table_explanation(),
            _FAILURE,
        )
        rows = [ExplanationRow(_cell(sample=sample), outcome) for sample, outcome in enumerate(outcomes)]
        with _opened(open_store) as store:
            store.begin_run(_manifest(RUN))
            store.add_explanations(RUN, rows)
        with _opened(open_store) as store:
            _assert_equal(store.explanations(RUN), rows)

    def test_explanations_are_sorted_by_cell(self, open_store: OpenStore) -> None:
        cells = [_cell(2, "b"), _cell(2, "main"), _cell(2, "main", 1), _cell(10, "a")]
        with _opened(open_store) as store:
            store.begin_run(_manifest(RUN))
            store.add_explanations(RUN, [ExplanationRow(cell, _FAILURE) for cell in reversed(cells)])
            assert [row.cell for row in store.explanations(RUN)] == cells

    def test_an_explanation_takes_the_place_of_the_earlier(self, open_store: OpenStore) -> None:
        later = ExplanationRow(_cell(), ProseExplanation(Provenance("testing"), "the words cat and dog"))
        with _opened(open_store) as store:
            store.begin_run(_manifest(RUN))
            store.add_explanations(RUN, [ExplanationRow(_cell(), _FAILURE)])
            store.add_explanations(RUN, [later])
            _assert_equal(store.explanations(RUN), [later])

    def test_scores_survive_reopening(self, open_store: OpenStore) -> None:
        rows = [_score_row(0.25), replace(_score_row(0.5), scorer="other"), ScoreRow(_cell(7), "main", _FAILURE)]
        with _opened(open_store) as store:
            store.begin_run(_manifest(RUN))
            store.add_scores(RUN, rows[::-1])
        with _opened(open_store) as store:
            _assert_equal(store.scores(RUN), rows)

    def test_a_score_takes_the_place_of_the_earlier(self, open_store: OpenStore) -> None:
        later = replace(_score_row(0.75), simulations=_score_row(0.75).simulations[:1])
        with _opened(open_store) as store:
            store.begin_run(_manifest(RUN))
            store.add_scores(RUN, [_score_row(0.25)])
            store.add_scores(RUN, [later])
            _assert_equal(store.scores(RUN), [later])

    def test_runs_do_not_share_rows(self, open_store: OpenStore) -> None:
        with _opened(open_store) as store:
            for run_id in (RUN, OTHER):
                store.begin_run(_manifest(run_id))
            store.add_explanations(RUN, [ExplanationRow(_cell(), prose_explanation())])
            store.add_scores(RUN, [_score_row(0.25)])
            assert store.explanations(OTHER) == []
            assert store.scores(OTHER) == []

    def test_replies_survive_reopening(self, open_store: OpenStore) -> None:
        with _opened(open_store) as store:
            store.begin_run(_manifest(RUN))
            for entry in _entries():
                store.add_entry(RUN, entry)
        with _opened(open_store) as store:
            text, choice, failed = _entries()
            _assert_equal(store.reply(text.key), text.reply)
            _assert_equal(store.reply(choice.key), choice.reply)
            assert store.reply(failed.key) is None, "a failed call has no reply and can be made again"
            assert store.reply("never asked") is None

    def test_a_rejected_reply_is_kept_and_gives_way(self, open_store: OpenStore) -> None:
        text, choice, _ = _entries()
        again = replace(text, reply=GenerateReply((Completion("other words"),)))
        with _opened(open_store) as store:
            store.begin_run(_manifest(RUN))
            for entry in (text, choice):
                store.add_entry(RUN, entry)
            store.reject(text.key)
        with _opened(open_store) as store:
            _assert_equal(store.reply(text.key), text.reply)
            assert store.reply(text.key, rejected=False) is None
            _assert_equal(store.reply(choice.key, rejected=False), choice.reply)
            store.add_entry(RUN, again)
            for rejected in (True, False):
                _assert_equal(store.reply(text.key, rejected=rejected), again.reply)
            assert [entry.key for entry in store.ledger(RUN)] == [text.key, choice.key, text.key]

    def test_totals_are_sums(self, open_store: OpenStore) -> None:
        text, _, failed = _entries()
        priced = replace(text, usd=0.25, attempts=3, charged_tokens=20, charged_usd=0.5)
        with _opened(open_store) as store:
            store.begin_run(_manifest(RUN))
            assert store.totals(RUN) == LedgerTotals(usd=0.0)
            for entry in (priced, priced, failed):
                store.add_entry(RUN, entry)
            totals = store.totals(RUN)
            assert totals.usage == Usage(24, None, 6, 8)
            assert (totals.usd, totals.attempts) == (0.5, 7)
            assert (totals.charged_tokens, totals.charged_usd) == (40, 1.0)
            store.add_entry(RUN, text)
            assert store.totals(RUN).usd is None, "one price is not known, so the sum is not"

    def test_the_ledger_holds_calls_in_order(self, open_store: OpenStore) -> None:
        with _opened(open_store) as store:
            store.begin_run(_manifest(RUN))
            for entry in _entries():
                store.add_entry(RUN, entry)
        with _opened(open_store) as store:
            _assert_equal([replace(entry, run_id="") for entry in store.ledger(RUN)], list(_entries()))
            totals = store.totals(RUN)
            assert (totals.calls, totals.failed, totals.reused) == (3, 1, 0)
            assert totals.usage.prompt_tokens == 12

    def test_replies_of_other_runs_are_used(self, open_store: OpenStore) -> None:
        text = _entries()[0]
        with _opened(open_store) as store:
            for run_id in (RUN, OTHER):
                store.begin_run(_manifest(run_id))
            store.add_entry(RUN, text)
            assert list(store.ledger(OTHER)) == []
            store.add_use(OTHER, text.key, "scorer")
            store.add_use(OTHER, text.key, "scorer")
            assert [entry.key for entry in store.ledger(OTHER)] == [text.key]
            assert (store.totals(OTHER).calls, store.totals(OTHER).reused) == (0, 1)

    def test_batches_are_open_until_their_replies_are_committed(self, open_store: OpenStore) -> None:
        text, choice, _ = _entries()
        first = OpenBatch("first", RUN, "model=m", (BatchedCall(text.key, "explainer", text.request),), "", 7, 0.25)
        second = OpenBatch("second", OTHER, "model=m", ())
        with _opened(open_store) as store:
            store.open_batch(first)
            store.open_batch(second)
            store.open_batch(replace(first, id="batch-1"))
        with _opened(open_store) as store:
            _assert_equal(store.open_batches(), [replace(first, id="batch-1"), second])
            assert store.reply(text.key) is None
            assert store.close_batch(first, [text, choice])
            assert not store.close_batch(first, [text, choice])
        with _opened(open_store) as store:
            _assert_equal(store.open_batches(), [second])
            assert [entry.key for entry in store.ledger(RUN)] == [text.key, choice.key]
            _assert_equal(store.reply(text.key), text.reply)

    def test_a_deleted_run_leaves_its_replies(self, open_store: OpenStore) -> None:
        text = _entries()[0]
        with _opened(open_store) as store:
            for run_id in (RUN, OTHER):
                store.begin_run(_manifest(run_id))
                store.add_explanations(run_id, [ExplanationRow(_cell(), prose_explanation())])
                store.add_scores(run_id, [_score_row(0.25)])
            store.add_entry(RUN, text)
            store.delete_run(RUN)
            assert [run.run_id for run in store.runs()] == [OTHER]
            assert store.explanations(RUN) == []
            assert store.scores(RUN) == []
            assert len(store.explanations(OTHER)) == len(store.scores(OTHER)) == 1
            _assert_equal(store.reply(text.key), text.reply)


@contextmanager
def _opened(open_store: OpenStore) -> Iterator[ResultStore]:
    store = open_store()
    try:
        yield store
    finally:
        store.close()


def _assert_equal(found: Any, expected: Any) -> None:
    """Compares what was read with what was written, arrays, NaN and order included."""
    if isinstance(expected, Sequence):
        assert [codec.encode(record) for record in found] == [codec.encode(record) for record in expected]
    else:
        assert codec.encode(found) == codec.encode(expected)


def _manifest(run_id: str) -> RunManifest:
    return RunManifest(
        run_id=run_id,
        created="2026-01-01T00:00:00+00:00",
        config={"llm": {"model": "é 🐈", "temperature": 0.1, "stop": None}},
        units=("layers.0.mlp/2", "layers.0.mlp/10-"),
        identities={"subject": {"model": "fake"}},
        versions={"neurogloss": "0"},
    )


def _cell(index: int = 2, arm: str = "main", sample: int = 0) -> Cell:
    return Cell(UnitId("layers.0.mlp", index), arm, sample)


def _score_row(value: float) -> ScoreRow:
    measures = {"correlation": Measure(value, value - 0.1, value + 1e-17), "r2": Measure(None)}
    score = Score("main", "correlation", measures, {"shuffled": 0.0}, 0.9, 9, 6, 2, 1, ("constant simulation",))
    expected = np.array([np.nan, 0.1, 10.0])
    simulations = (Simulation(5, expected, 10, n_failed=1), Simulation(3, expected[1:], None))
    return ScoreRow(_cell(), "main", score, simulations)


def _entries() -> tuple[LedgerEntry, LedgerEntry, LedgerEntry]:
    text = GenerateReply((Completion("words 🐈 \ud83d"), Completion("", "refusal")), Usage(12, None, 3, 4))
    choice = ChoiceReply(np.array([[-0.1, -np.inf], [-2.5, -3.0]]))
    return (
        LedgerEntry("key-1", "explainer", "fake", "generate", '{"n":2}', text, text.usage, seconds=0.5),
        LedgerEntry("key-2", "simulator", "fake", "choice_logprobs", "{}", choice),
        LedgerEntry("key-3", "scorer", "fake", "generate", "{}", None, error="PermanentError: no such model"),
    )
