"""The report of a run: one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from neurogloss.records.runs import ExplanationRow, LedgerTotals, RunManifest, ScoreRow
from neurogloss.records.unit_records import UnitRecord
from neurogloss.records.units import UnitId
from neurogloss.view.cards import Limits, unit_card
from neurogloss.view.charts import WIDTH
from neurogloss.view.rendering import asset, policy, render
from neurogloss.view.results import RunResults
from neurogloss.view.summary import run_summary


@dataclass(frozen=True)
class ReportData:
    """What a report is made of."""

    manifest: RunManifest
    explanations: Sequence[ExplanationRow]
    scores: Sequence[ScoreRow]
    record_of: Callable[[UnitId], UnitRecord]
    """Reads what is known of a unit; asked once for each unit of the manifest that has a card."""
    ledger: LedgerTotals = field(default_factory=LedgerTotals)
    dollars: float | None = None
    """What the calls cost; `None` where a price is not known."""
    seconds: float | None = None
    """Wall time of the run; `None` where it was not measured."""
    notes: tuple[str, ...] = ()
    """What a reader must know of the whole run."""


def render_report(data: ReportData, limits: Limits | None = None) -> str:
    """One HTML page that asks for nothing from anywhere.

    Args:
        data: The run.
        limits: How much of it is shown; the page says what is cut.
    """
    limits = limits or Limits()
    units = tuple(map(UnitId.parse, data.manifest.units))
    results = RunResults(units, data.explanations, data.scores, tuple(data.manifest.config.get("scorer", {})))
    shown = units[: limits.cards]
    cards, firing = [], {}
    for unit in shown:  # one record at a time is held
        record = data.record_of(unit)
        firing[unit] = record.statistics.firing_fraction
        cards.append(render("card.jinja", card=unit_card(record, results, limits)))
    summary = run_summary(
        data.manifest, results, data.ledger, data.dollars, data.seconds, data.notes, firing.get, firing.__contains__
    )
    style, script = asset("report.css"), asset("report.js")
    page = render(
        "report.jinja",
        summary=summary,
        cards=cards,
        cut=f"The first {len(shown)} of {len(units)} units have cards." if len(shown) < len(units) else "",
        width=WIDTH,
        style=style,
        script=script,
        policy=policy(style, script),
    )
    return str(page)
