"""One card per unit: what it is said to do, how well that was tested, and on what."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from urllib.parse import quote

from neurogloss.pipeline.explaining import MAIN
from neurogloss.records.activations import ActivationRecord
from neurogloss.records.explanations import Explanation, Provenance
from neurogloss.records.failures import Failure
from neurogloss.records.runs import ExplanationRow, ScoreRow
from neurogloss.records.scores import Score
from neurogloss.records.unit_records import SplitRecords, UnitRecord, UnitStatistics
from neurogloss.records.units import UnitId
from neurogloss.view.absences import NOT_EXPLAINED, Absence, explain_absence, score_value
from neurogloss.view.candidates import CandidateLine, candidate_lines
from neurogloss.view.charts import Strip, strip
from neurogloss.view.heatmap import HeatRow, PairRow, heat_row, pair_row
from neurogloss.view.results import RunResults
from neurogloss.view.text import counted, interval, number, score_number, token_text, visible

SINK_SHARE = 0.9
"""Above this share of maxima at the first position a unit looks like an attention sink."""
_OPEN_PAIRS = 3
_MAIN_GLYPH, _CEILING_GLYPH, _FLOOR_GLYPHS = "●", "┃", "◆▲■▼◇△□▽"


@dataclass(frozen=True)
class Limits:
    """How much of a run is shown; whatever is cut says so."""

    cards: int = 300
    """Units with a card of their own; further ones stand in the index alone."""
    scored: int = 10
    """Scored sequences per explanation and scorer."""
    top: int = 8
    random: int = 4
    per_bin: int = 2
    importance: int = 4


@dataclass(frozen=True)
class Contender:
    """Something that the score is to be compared with."""

    glyph: str
    name: str
    score: str
    interval: str
    text: str
    """The floor's explanation, where it has one."""
    note: str
    """Flags, and why there is no score."""


@dataclass(frozen=True)
class MeasureLine:
    """One measure of a score."""

    name: str
    value: str
    interval: str
    unnoticed: str
    """Faults of an explanation that the measure does not notice."""


@dataclass(frozen=True)
class ScoreView:
    """One scorer's verdict on one explanation."""

    scorer: str
    measure: str
    value: str
    interval: str
    absence: Absence | None
    strip: Strip | None
    contenders: tuple[Contender, ...]
    flags: tuple[str, ...]
    unnoticed: str
    """Faults of an explanation that the headline does not notice."""
    answers: str
    """How many items were asked, answered, unparsable and failed."""
    measures: tuple[MeasureLine, ...]
    pairs: tuple[PairRow, ...]
    more_pairs: tuple[PairRow, ...]
    """Those that are folded away at first."""
    cut: str
    """What is not shown."""


@dataclass(frozen=True)
class ExplanationView:
    """What a unit is said to do, and its scores."""

    text: str
    absence: Absence | None
    sample: int | None
    """Which sample, where there are several."""
    source: str
    candidates: tuple[CandidateLine, ...]
    """What it was chosen among, itself included."""
    scores: tuple[ScoreView, ...]


@dataclass(frozen=True)
class RecordSection:
    """Activation records of one kind."""

    title: str
    rows: tuple[HeatRow, ...]
    count: str


@dataclass(frozen=True)
class UnitCard:
    """Everything that the report says of one unit."""

    anchor: str
    name: str
    badges: tuple[str, ...]
    explanations: tuple[ExplanationView, ...]
    statistics: tuple[tuple[str, str], ...]
    top_tokens: tuple[str, ...]
    sections: tuple[RecordSection, ...]
    shortfalls: tuple[str, ...]


def link_to(unit: UnitId) -> str:
    """The address of a unit's card within its page; the card's id is the unit's name as it is shown."""
    return "#" + quote(visible(str(unit)), safe="/")


def unit_card(record: UnitRecord, results: RunResults, limits: Limits) -> UnitCard:
    """The card of one unit."""
    rows = results.explanations_of(record.unit, MAIN)
    return UnitCard(
        anchor=str(record.unit),
        name=str(record.unit),
        badges=badges(record.statistics),
        explanations=tuple(_explanation(row, len(rows) > 1, record, results, limits) for row in rows),
        statistics=_statistics(record.statistics),
        top_tokens=tuple(map(token_text, record.statistics.top_tokens)),
        sections=tuple(_sections(record, limits)),
        shortfalls=tuple(f"{split}: {text}" for split, kept in record.splits.items() for text in kept.shortfalls),
    )


def badges(statistics: UnitStatistics) -> tuple[str, ...]:
    """What is unusual about a unit."""
    found = {
        "dead": statistics.dead,
        "single token": statistics.single_token,
        "attention-sink-like": statistics.first_position_share > SINK_SHARE,
    }
    return tuple(name for name, present in found.items() if present)


def explanation_text(outcome: Explanation | Failure) -> str:
    """What the explanation says; nothing where there is none."""
    return outcome.summary() if isinstance(outcome, Explanation) else ""


def _explanation(
    row: ExplanationRow, several: bool, record: UnitRecord, results: RunResults, limits: Limits
) -> ExplanationView:
    outcome = row.outcome
    return ExplanationView(
        text=explanation_text(outcome),
        absence=explain_absence(outcome),
        sample=row.cell.sample + 1 if several else None,
        source=_source(outcome.provenance) if isinstance(outcome, Explanation) else "",
        candidates=candidate_lines(outcome.provenance) if isinstance(outcome, Explanation) else (),
        scores=tuple(_score(row, scorer, record, results, limits) for scorer in results.scorers),
    )


def _source(provenance: Provenance) -> str:
    of = f"{provenance.explainer} ({provenance.about})" if provenance.about else provenance.explainer
    return f"{of}, {provenance.llm}" if provenance.llm else of


def _score(row: ExplanationRow, scorer: str, record: UnitRecord, results: RunResults, limits: Limits) -> ScoreView:
    outcome = results.outcome(row, scorer)
    score = outcome if isinstance(outcome, Score) else None
    headline = score.measures[score.headline] if score else None
    found = results.score_of(row.cell, scorer)
    pairs, cut = _pairs(found, record, limits.scored) if found else ((), "")
    floors = list(_floors(row, scorer, score, results))
    value = score_value(outcome)
    ends = (headline.low, headline.high) if headline else (None, None)
    bounds = (ends[0], ends[1]) if ends[0] is not None and ends[1] is not None else None
    marks = [(floor.glyph, floor.name, reached) for floor, reached in floors if reached is not None]
    if score and score.ceiling is not None:
        marks.insert(0, (_CEILING_GLYPH, "ceiling", score.ceiling))
    if value is not None:
        marks.append((_MAIN_GLYPH, "this explanation", value))
    return ScoreView(
        scorer=scorer,
        measure=score.headline if score else "",
        value=score_number(value),
        interval=interval(*ends),
        absence=NOT_EXPLAINED if isinstance(row.outcome, Failure) else explain_absence(outcome),
        strip=strip(marks, bounds),
        contenders=(*(floor for floor, _ in floors), *_ceiling(score)),
        flags=score.flags if score else (),
        unnoticed=", ".join(headline.insensitive_to) if headline else "",
        answers=_answers(score) if score else "",
        measures=tuple(
            MeasureLine(
                name, number(measure.value), interval(measure.low, measure.high), ", ".join(measure.insensitive_to)
            )
            for name, measure in (score.measures.items() if score else ())
        ),
        pairs=pairs[:_OPEN_PAIRS],
        more_pairs=pairs[_OPEN_PAIRS:],
        cut=cut,
    )


def _floors(
    row: ExplanationRow, scorer: str, score: Score | None, results: RunResults
) -> Iterator[tuple[Contender, float | None]]:
    """The other arms' scores, and the nulls within the score."""
    arms = results.arms_under(scorer)[1:]
    rows = [other for arm in arms for other in results.explanations_of(row.cell.unit, arm)]
    glyphs = chain(_FLOOR_GLYPHS, iter(lambda: "◦", None))
    for other in rows:
        outcome = results.outcome(other, scorer)
        absence, value = explain_absence(outcome), score_value(outcome)
        note = f"{absence.label}: {absence.detail or absence.sentence}" if absence else ""
        ends = ""
        if isinstance(outcome, Score) and not absence:
            headline = outcome.measures[outcome.headline]
            note, ends = "; ".join(outcome.flags), interval(headline.low, headline.high)
        text = explanation_text(other.outcome)
        yield Contender(next(glyphs), other.cell.arm, score_number(value), ends, text, note), value
    for name, null in score.floors.items() if score else ():
        finite = null if math.isfinite(null) else None
        note = "a null on the same sequences"
        yield Contender(next(glyphs), name, score_number(finite), "", "", note), finite


def _ceiling(score: Score | None) -> Iterator[Contender]:
    if score and score.ceiling is not None:
        note = "the best value that the method allows"
        yield Contender(_CEILING_GLYPH, "ceiling", score_number(score.ceiling), "", "", note)


def _answers(score: Score) -> str:
    return (
        f"{score.n_asked:,} asked, {score.n_answered:,} answered, "
        f"{score.n_unparsable:,} unparsable, {score.n_failed:,} failed"
    )


def _pairs(row: ScoreRow, record: UnitRecord, limit: int) -> tuple[tuple[PairRow, ...], str]:
    """The scored sequences, highest real maximum first, and what is left out."""
    known = _by_sequence(record)
    scored = [(*known[s.sequence_id], s) for s in row.simulations if s.sequence_id in known]
    scored.sort(key=lambda found: -found[0].maximum)
    lost = len(row.simulations) - len(scored)
    parts = [f"{limit} of {counted(len(scored), 'scored sequence')} are shown."] if len(scored) > limit else []
    if lost:
        parts.append(f"{counted(lost, 'scored sequence')} cannot be shown: not among the unit's records.")
    maximum = record.statistics.maximum
    shown = tuple(pair_row(real, simulation, maximum, kind) for real, kind, simulation in scored[:limit])
    return shown, " ".join(parts)


def _by_sequence(record: UnitRecord) -> dict[int, tuple[ActivationRecord, str]]:
    found: dict[int, tuple[ActivationRecord, str]] = {}
    for kept in record.splits.values():
        bins = tuple((f"quantile {name}", records) for name, records in kept.quantile.items())
        kinds = (("top", kept.top), ("random", kept.random), ("importance", kept.importance), *bins)
        for kind, records in kinds:
            for each in records:
                found.setdefault(each.sequence.id, (each, kind))
    return found


def _sections(record: UnitRecord, limits: Limits) -> Iterator[RecordSection]:
    """The records of all splits together, kind by kind."""
    kept = list(record.splits.values())
    maximum = record.statistics.maximum
    top = sorted(chain.from_iterable(split.top for split in kept), key=lambda each: -each.maximum)
    yield _section("Top records", top, limits.top, maximum)
    for name in dict.fromkeys(chain.from_iterable(split.quantile for split in kept)):
        records = _in_turn([split.quantile.get(name, ()) for split in kept])
        yield _section(f"Records with maxima in quantiles {name}", records, limits.per_bin, maximum)
    yield _section("Importance-weighted records", _in_turn(_each(kept, "importance")), limits.importance, maximum)
    yield _section("Random records", _in_turn(_each(kept, "random")), limits.random, maximum)


def _each(kept: Sequence[SplitRecords], kind: str) -> list[tuple[ActivationRecord, ...]]:
    return [getattr(split, kind) for split in kept]


def _in_turn(groups: Sequence[Sequence[ActivationRecord]]) -> list[ActivationRecord]:
    """One of each group after the other, so that what is cut is cut from all splits alike."""
    return [each for turn in zip_longest(*groups) for each in turn if each is not None]


def _section(title: str, records: Sequence[ActivationRecord], limit: int, maximum: float) -> RecordSection:
    shown = f"{min(limit, len(records))} of {len(records)} shown" if len(records) > limit else f"{len(records)}"
    return RecordSection(title, tuple(heat_row(each, maximum) for each in records[:limit]), shown)


def _statistics(s: UnitStatistics) -> tuple[tuple[str, str], ...]:
    quantiles: Mapping[str, float] = s.quantiles
    return (
        ("tokens", f"{s.n_tokens:,}"),
        ("sequences", f"{s.n_sequences:,}"),
        ("firing fraction", f"{number(100 * s.firing_fraction)} %"),
        ("mean", number(s.mean)),
        ("variance", number(s.variance)),
        ("skewness", number(s.skewness)),
        ("excess kurtosis", number(s.kurtosis)),
        ("minimum", number(s.minimum)),
        ("maximum", number(s.maximum)),
        ("maxima at the first position", f"{number(100 * s.first_position_share)} %"),
        *((f"quantile {name} of sequence maxima", number(value)) for name, value in quantiles.items()),
        ("largest relative error of these quantiles", f"{number(100 * s.quantile_error)} %"),
    )
