"""Entries made by hand: what a store would hold of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from neurogloss.leaderboard.board import RowFacts, blocks_of
from neurogloss.leaderboard.entries import Cost, Entry, Place, Results, Row, UnitFacts
from neurogloss.leaderboard.leaderboard import Leaderboard, SubjectBoard, scorer_board
from neurogloss.records.explanations import ProseExplanation, Provenance
from neurogloss.records.failures import Failure
from neurogloss.records.runs import RunManifest
from neurogloss.records.scores import Measure, Score
from neurogloss.records.units import UnitId

Outcome = float | Failure | None


def _unit(number: int) -> UnitId:
    return UnitId(f"layers.{number % 3}.mlp", number)


def _score(value: float | None, *, unparsable: int = 0) -> Score:
    return Score(
        "by",
        "accuracy",
        {"accuracy": Measure(value, insensitive_to=("extra labels",))},
        floors={"constant answer": 0.1},
        ceiling=0.9,
        n_asked=10,
        n_answered=10 - unparsable,
        n_unparsable=unparsable,
    )


def _results(
    explainer: str,
    scored: Mapping[str, Sequence[Outcome | Score]],
    *,
    llm: str = "",
    judge: str = "",
    judge_is: str = "judge one",
    floor: bool = False,
    cost: Cost | None = None,
    records: str = "c/test",
    simulator: str = "",
    subject: str = "mouse",
) -> Results:
    """One entry.

    Args:
        explainer: Its name.
        scored: Per scorer, what became of units 0, 1, ...: a number is a headline.
        llm: Short name and identity of the model that explained.
        judge: The name of the judge in the row.
        judge_is: The judge's identity.
        floor: Whether it is a floor.
        cost: What it cost.
        records: What it was scored on.
        simulator: The name of the simulator in the row.
        subject: The name of the subject.
    """
    outcomes: dict[str, dict[Place, tuple[Any, ...]]] = {
        scorer: {
            Place(records, _unit(i)): (_score(each) if isinstance(each, float) else each,)
            for i, each in enumerate(found)
        }
        for scorer, found in scored.items()
    }
    places = next(iter(outcomes.values()))
    identities = {"llm of the explainer": {"model": llm}} if llm else {}
    manifest = RunManifest(f"run-{explainer}-{judge}-{records}", "", {"seed": 0}, (), identities, {}, "c")
    return Results(
        Entry(Row(subject, explainer, llm, simulator, judge), manifest.run_id, floor=floor),
        manifest,
        {place: (ProseExplanation(Provenance(explainer), f"{explainer} {place.unit}"),) for place in places},
        outcomes,
        frozenset(),
        dict.fromkeys(scored, judge_is),
        cost,
    )


@pytest.fixture
def entry() -> Callable[..., Results]:
    """Makes an entry; see `_results`."""
    return _results


@pytest.fixture
def score() -> Callable[..., Score]:
    """Makes a score with a null of 0.1, a ceiling of 0.9 and 10 items."""
    return _score


@pytest.fixture
def board() -> Callable[..., Leaderboard]:
    """A leaderboard of one subject, from entries."""

    def make(*entries: Results, notes: tuple[str, ...] = (), against: str = "") -> Leaderboard:
        blocks = blocks_of(entries, against)
        units = sorted({place.unit for each in entries for place in each.explanations})
        facts = {each: UnitFacts(0.5 / 10**each.index, (), frozenset({"d1"})) for each in units}
        rows = {
            each.entry.row: RowFacts(each.entry.row, each.entry.floor, each.cost, 0.25, (each.entry.run_id,))
            for each in entries
        }
        scorers = tuple(scorer_board(block, entries, facts) for block in blocks)
        subject = entries[0].entry.row.subject
        return Leaderboard((SubjectBoard(subject, len(units), 1, (0,), tuple(rows.values()), scorers, None),), notes)

    return make
