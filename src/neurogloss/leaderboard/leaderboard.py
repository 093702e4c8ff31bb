"""The whole leaderboard, made from the store alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from neurogloss.interfaces.result_store import ResultStore
from neurogloss.leaderboard.board import Block, RowFacts, blocks_of
from neurogloss.leaderboard.entries import Cost, Entry, Place, Records, Results, UnitFacts, facts_of, glosses, read
from neurogloss.leaderboard.judges import SelfPreference, judged
from neurogloss.leaderboard.matrices import Matrix, agreement_of, by_decile, by_firing, by_layer
from neurogloss.records.tokens import Split
from neurogloss.records.units import UnitId
from neurogloss.view.quoting import quoted_share


@dataclass(frozen=True)
class ScorerBoard:
    """One scorer's block and what its mean hides."""

    block: Block
    matrices: tuple[Matrix, ...]
    preferences: tuple[SelfPreference, ...]


@dataclass(frozen=True)
class SubjectBoard:
    """All rows of one subject; rows of different subjects have different units, and are not compared."""

    subject: str
    n_units: int
    n_documents: int
    """Documents of the records that may be scored."""
    seeds: tuple[int, ...]
    rows: tuple[RowFacts, ...]
    scorers: tuple[ScorerBoard, ...]
    agreement: Matrix | None


@dataclass(frozen=True)
class Leaderboard:
    """What `neurogloss leaderboard` shows."""

    subjects: tuple[SubjectBoard, ...]
    notes: tuple[str, ...] = ()


def leaderboard_of(
    store: ResultStore, records: Records, entries: Iterable[Entry], *, against: str = "", notes: Sequence[str] = ()
) -> Leaderboard:
    """Reads runs and compares them.

    Args:
        store: Where the results are.
        records: Where the units' records are.
        entries: What stands in which row.
        against: The explainer that the others are tested against; the best row if empty.
        notes: What a reader must know.

    Raises:
        StoreError: A run or its collection is not there.
    """
    subjects: dict[str, list[Results]] = {}
    for entry in entries:
        subjects.setdefault(entry.row.subject, []).append(read(store, entry))
    boards = tuple(_board(subject, results, records, against) for subject, results in subjects.items())
    bare = [f"{each.subject} has no table: no scorer is left in its runs." for each in boards if not each.scorers]
    return Leaderboard(boards, (*notes, *bare))


def _board(subject: str, results: Sequence[Results], records: Records, against: str) -> SubjectBoard:
    facts = _facts(results, records)
    of_units = {place.unit: known for place, known in facts.items()}
    blocks = blocks_of(results, against)
    return SubjectBoard(
        subject=subject,
        n_units=len(of_units),
        n_documents=len(frozenset().union(*(known.documents for known in facts.values()))),
        seeds=tuple(sorted({int(each.manifest.config.get("seed", 0)) for each in results})),
        rows=_rows(results, facts),
        scorers=tuple(scorer_board(block, results, of_units) for block in blocks),
        agreement=agreement_of(blocks),
    )


def _facts(results: Sequence[Results], records: Records) -> dict[Place, UnitFacts]:
    """Of every place; each record is read once, and one at a time is held."""
    wanted: dict[tuple[str, str], dict[UnitId, Place]] = {}
    for each in results:
        split = str(each.manifest.config.get("score_on", Split.TEST.value))
        places = wanted.setdefault((each.manifest.collection, split), {})
        places.update({place.unit: place for place in each.explanations})
    found = {}
    for (collection, split), places in wanted.items():
        record_of = records(collection, tuple(places))
        found.update({place: facts_of(record_of(unit), Split(split)) for unit, place in places.items()})
    return found


def scorer_board(block: Block, results: Sequence[Results], facts: Mapping[UnitId, UnitFacts]) -> ScorerBoard:
    """A block with what its mean hides."""
    judges = judged(block, results)
    found = (by_layer(block), by_firing(block, facts), by_decile(block), judges.matrix())
    return ScorerBoard(block, tuple(matrix for matrix in found if matrix), judges.preferences())


def _rows(results: Sequence[Results], facts: Mapping[Place, UnitFacts]) -> tuple[RowFacts, ...]:
    grouped: dict[object, list[Results]] = {}
    for each in results:
        grouped.setdefault(each.entry.row, []).append(each)
    return tuple(
        RowFacts(
            found[0].entry.row,
            any(each.entry.floor for each in found),
            _mean_cost([each.cost for each in found]),
            _quoted(found, facts),
            tuple(dict.fromkeys(each.entry.run_id for each in found)),
        )
        for found in grouped.values()
    )


def _mean_cost(costs: Sequence[Cost | None]) -> Cost | None:
    known = [cost for cost in costs if cost]
    if len(known) < len(costs):
        return None
    tokens, usd = [cost.tokens for cost in known], [cost.usd for cost in known]
    return Cost(_mean(tokens), _mean(usd))


def _mean(amounts: Sequence[float | None]) -> float | None:
    known = [amount for amount in amounts if amount is not None]
    return float(np.mean(known)) if known and len(known) == len(amounts) else None


def _quoted(results: Sequence[Results], facts: Mapping[Place, UnitFacts]) -> float | None:
    shares = [
        quoted_share(gloss, facts[place].texts)
        for each in results
        for place, texts in glosses(each).items()
        for gloss in texts
    ]
    return float(np.mean(shares)) if shares else None
