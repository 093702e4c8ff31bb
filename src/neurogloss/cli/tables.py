"""The tables at the end of a command."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from neurogloss.cli.summaries import Line, Mean, lines_of, mean_of, scorers_of
from neurogloss.records.explanations import Explanation
from neurogloss.records.failures import Failure
from neurogloss.records.runs import LedgerTotals
from neurogloss.records.scores import Score

_WIDTH_ELSEWHERE = 160
"""Characters in a line where stdout is no terminal."""
_NARROW = 110
"""With fewer, intervals and ceilings are left out, so that explanations keep some room."""


def console() -> Console:
    """Where tables go: stdout."""
    return Console(width=None if sys.stdout.isatty() else _WIDTH_ELSEWHERE, highlight=False)


def print_run(outcome: Any) -> None:
    """Prints what an `app.RunOutcome` holds: a table for each scorer, then where everything is."""
    out = console()
    scorers = scorers_of(outcome.scores)
    for scorer in scorers or [""]:
        lines = lines_of(scorer, outcome.manifest.units, outcome.explanations, outcome.scores)
        out.print(score_table(scorer, lines, narrow=out.width < _NARROW))
    state = "resumed" if outcome.resumed else "new"
    print_fields(
        [
            ("run", f"{outcome.run_id} ({state}, {outcome.seconds:.1f} s)"),
            *[("note", note) for note in outcome.notes],
            *([("failed", failed_units(outcome.n_failed_units))] if outcome.n_failed_units else []),
            *ledger_fields(outcome.ledger),
            ("report", str(outcome.report)),
        ]
    )


def ledger_fields(ledger: LedgerTotals) -> list[tuple[str, str]]:
    """What a run asked of language models, and what it cost if it asked anything anew; nothing if it asked nothing."""
    if not ledger.calls and not ledger.reused:
        return []
    counts = [f"{ledger.calls:,}", f"{ledger.reused:,} reused"]
    counts += [f"{ledger.failed:,} failed"] if ledger.failed else []
    usage = ledger.usage
    share = "" if usage.cached_share is None else f" ({usage.cached_share:.0%} cached)"
    if not ledger.calls:
        return [("calls", ", ".join(counts))]
    return [
        ("calls", ", ".join(counts)),
        ("tokens", f"{_count(usage.prompt_tokens)} prompt{share}, {_count(usage.completion_tokens)} completion"),
        ("cost", "unknown" if ledger.usd is None else f"${ledger.usd:,.4f}"),
    ]


def _count(number: int | None) -> str:
    return "unknown" if number is None else f"{number:,}"


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Prints names and values, one pair a line."""
    fields = list(fields)
    width = max(len(name) for name, _ in fields)
    for name, value in fields:
        print(f"{name:<{width}}  {printable(value)}")


def score_table(scorer: str, lines: Sequence[Line], *, narrow: bool = False) -> Table:
    """One line for each explanation, with its score, the floors beside it, and the means below.

    Args:
        scorer: The scorer's name; empty where nothing was scored.
        lines: What to show.
        narrow: Leave out intervals and ceilings.
    """
    floors = list(lines[0].floors) if lines else []
    mean = mean_of(line.score for line in lines)
    columns: list[tuple[str, str, Callable[[Line], str]]] = [
        ("unit", "mean", lambda line: line.unit),
        ("explanation", f"of {mean.n} scored, {mean.of} in all", lambda line: _explanation(line.explanation)),
    ]
    if scorer:
        columns.append(("score", _mean(mean, mean.n), lambda line: _value(line.score)))
        for floor in floors:
            floor_mean = _mean(mean_of(line.floors[floor] for line in lines), mean.n)
            columns.append((floor.replace("_", " "), floor_mean, partial(_floor, floor)))
    if scorer and not narrow:
        columns.insert(3, ("95 %", "", lambda line: _interval(line.score)))
        columns.append(("ceiling", _ceiling_mean(lines), _ceiling))
    columns.append(("state", "", _state))
    table = Table(
        title=scorer or "explanations",
        title_justify="left",
        show_footer=True,
        caption=_not_noticed(lines),
        caption_justify="left",
    )
    for header, footer, _ in columns:
        number = header not in ("unit", "explanation", "95 %", "state")
        table.add_column(
            header,
            footer,
            justify="right" if number else "left",
            no_wrap=header in ("unit", "95 %"),
            min_width=24 if header == "explanation" else None,
        )
    for line in lines:
        table.add_row(*(Text(printable(cell(line))) for _, _, cell in columns))
    return table


def plain_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table of texts."""
    table = Table(*columns)
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    return table


def mean_text(mean: Mean) -> str:
    """A mean and how many it is of."""
    return f"{_number(mean.value)} ({mean.n} of {mean.of})"


def _mean(mean: Mean, expected: int) -> str:
    """The mean; with its count where that differs from the scores'."""
    return _number(mean.value) if mean.n == expected else f"{_number(mean.value)} (n={mean.n})"


def _ceiling_mean(lines: Sequence[Line]) -> str:
    ceilings = [
        line.score.ceiling for line in lines if isinstance(line.score, Score) and line.score.ceiling is not None
    ]
    return _number(sum(ceilings) / len(ceilings) if ceilings else None)


def _not_noticed(lines: Sequence[Line]) -> Text | None:
    """What the headline does not notice."""
    scores = [line.score for line in lines if isinstance(line.score, Score)]
    faults = scores[0].measures[scores[0].headline].insensitive_to if scores else ()
    return Text(printable(f"{scores[0].headline} does not notice {', '.join(faults)}")) if faults else None


def _explanation(outcome: Explanation | Failure | None) -> str:
    if isinstance(outcome, Explanation):
        return outcome.summary()
    return f"({_reason(outcome)})"


def _value(outcome: Score | Failure | None) -> str:
    if isinstance(outcome, Score):
        return "undefined" if outcome.value is None else _number(outcome.value)
    return _reason(outcome)


def _floor(name: str, line: Line) -> str:
    return _value(line.floors[name])


def _ceiling(line: Line) -> str:
    return _number(line.score.ceiling if isinstance(line.score, Score) else None)


def _interval(outcome: Score | Failure | None) -> str:
    if not isinstance(outcome, Score):
        return ""
    head = outcome.measures[outcome.headline]
    return "" if head.low is None or head.high is None else f"{head.low:.2f} to {head.high:.2f}"


def _state(line: Line) -> str:
    if isinstance(line.score, Score):
        return ", ".join(line.score.flags)
    failure = line.explanation if isinstance(line.explanation, Failure) else line.score
    return failure.detail if isinstance(failure, Failure) else ""


def _reason(failure: Failure | Any | None) -> str:
    return failure.reason.value.replace("_", " ") if isinstance(failure, Failure) else "none"


def _number(value: float | None) -> str:
    return "" if value is None else f"{round(value, 3) + 0.0:.3f}"  # + 0.0 turns -0.0 into 0.0


def failed_units(count: int) -> str:
    """How many units failed, and what can be done about it."""
    units = "1 unit" if count == 1 else f"{count} units"
    return f"{units}; the same command with retry_failed=true asks again"


def printable(text: str) -> str:
    """Texts come from models: nothing in them may steer the terminal."""
    return "".join(char if char.isprintable() else " " for char in text)
