"""The leaderboard as tables of text, and those as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from neurogloss.leaderboard.board import Block, Line, RowFacts
from neurogloss.leaderboard.judges import SelfPreference
from neurogloss.leaderboard.leaderboard import Leaderboard, SubjectBoard
from neurogloss.leaderboard.matrices import Matrix
from neurogloss.view.text import counted, difference, interval, score_number

FLOOR_MARK = "floor"


@dataclass(frozen=True)
class TextTable:
    """A table to print."""

    title: str
    columns: tuple[str, ...]
    numeric: tuple[bool, ...]
    """Which columns hold numbers."""
    rows: tuple[tuple[str, ...], ...]
    below: tuple[str, ...] = ()
    """Sentences that explain it."""


def tables_of(board: SubjectBoard, *, strata: bool) -> Iterator[TextTable]:
    """A subject's tables: a block for each scorer, followed by its matrices, and the agreement of scorers.

    Args:
        board: The subject.
        strata: Whether scores by layer, firing rate and decile are wanted, too.
    """
    for scorer in board.scorers:
        yield block_table(board, scorer.block)
        for matrix in scorer.matrices:
            if matrix.name != "judges" and not strata:
                continue
            below = [preference_text(each) for each in scorer.preferences] if matrix.name == "judges" else []
            yield matrix_table(matrix, scorer.block.scorer, below)
    if board.agreement:
        yield matrix_table(board.agreement, "scorers")


def block_table(board: SubjectBoard, block: Block) -> TextTable:
    """One scorer's block; columns that would be empty are left out."""
    facts = {each.row: each for each in board.rows}
    columns: list[tuple[str, bool, Callable[[Line], str]]] = [
        ("explainer", False, lambda line: f"{line.row.explainer} ({FLOOR_MARK})" if line.floor else line.row.explainer),
        ("llm", False, lambda line: line.row.llm),
        ("simulator", False, lambda line: line.row.simulator),
        ("judge", False, lambda line: line.row.judge),
        ("mean", True, lambda line: score_number(line.mean.value if line.mean else None)),
        ("95 %", False, lambda line: interval(line.mean.low, line.mean.high) if line.mean else ""),
        ("scored", True, lambda line: f"{line.n_scored} of {line.n}"),
        ("no score", False, no_score),
        ("unread answers", False, unread),
        ("difference", True, lambda line: difference(line.against.difference.value) if line.against else ""),
        ("p (Holm)", True, lambda line: p_text(line.against.p_holm) if line.against else ""),
        ("own null", True, own_null),
        ("ceiling", True, lambda line: "" if line.ceiling is None else score_number(line.ceiling)),
        ("tokens/unit", True, lambda line: tokens(facts[line.row])),
        ("$/unit", True, lambda line: dollars(facts[line.row])),
        ("quoted", True, lambda line: quoted(facts[line.row])),
    ]
    cells = [tuple(cell(line) for _, _, cell in columns) for line in block.lines]
    kept = [i for i, column in enumerate(columns) if i == 0 or any(row[i] for row in cells)]
    return TextTable(
        title=f"{board.subject}: {block.scorer}, {block.measure}",
        columns=tuple(columns[i][0] for i in kept),
        numeric=tuple(columns[i][1] for i in kept),
        rows=tuple(tuple(row[i] for i in kept) for row in cells),
        below=tuple(block_sentences(board, block)),
    )


def block_sentences(board: SubjectBoard, block: Block) -> Iterator[str]:
    """What a reader must know to read one scorer's block."""
    seeds = "" if len(board.seeds) == 1 else f", {counted(len(board.seeds), 'seed')}"
    yield (
        f"{counted(board.n_units, 'unit')}{seeds}; intervals resample units. All records come from "
        f"{counted(board.n_documents, 'document')}."
    )
    if block.reference:
        how = "named beforehand" if block.chosen else "the best row, chosen by these numbers"
        yield (
            f"Reference: {block.reference} ({how}). Differences and p of a paired permutation test are on the units "
            "that both have scored, p corrected for all rows (Holm)."
        )
    nulls = sorted({name for line in block.lines for name in line.nulls})
    if nulls:
        told = f"the higher of what {' and '.join(nulls)} get" if len(nulls) > 1 else f"what {nulls[0]} gets"
        yield f"Own null: {told} on the same items."
    if block.insensitive_to:
        yield f"{block.measure} does not notice {', '.join(block.insensitive_to)}."


def no_score(line: Line) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in line.reasons.items())


def unread(line: Line) -> str:
    """Items of the scores that there are which gave no answer."""
    parts = [(line.n_unparsable, "unparsable"), (line.n_items_failed, "failed")]
    told = ", ".join(f"{n:,} {what}" for n, what in parts if n)
    return f"{told} of {line.n_asked:,}" if told else ""


def own_null(line: Line) -> str:
    """The highest of the means of the scores' own nulls."""
    return score_number(max(line.nulls.values())) if line.nulls else ""


def p_text(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def tokens(facts: RowFacts) -> str:
    if facts.cost is None or facts.cost.tokens is None:
        return "unknown"
    return f"{facts.cost.tokens:,.0f}"


def dollars(facts: RowFacts) -> str:
    if facts.cost is None or facts.cost.usd is None:
        return "unknown"
    return "0" if facts.cost.usd == 0 else f"{facts.cost.usd:.4f}"


def quoted(facts: RowFacts) -> str:
    return "" if facts.quoted is None else f"{facts.quoted:.0%}"


def preference_text(found: SelfPreference) -> str:
    """The self-preference of one judge in a sentence."""
    span = interval(found.difference.low, found.difference.high)
    return (
        f"{found.judge} rates {found.explainer} {difference(found.difference.value)} ({span}) above what other judges "
        f"say of it, relative to other explainers ({counted(found.difference.n, 'unit')})."
    )


def matrix_table(matrix: Matrix, title: str, below: Sequence[str] = ()) -> TextTable:
    """A matrix as text; marked cells have an asterisk."""
    rows = tuple(
        (name, *(score_number(x) + ("*" if (i, j) in matrix.marked else "") for j, x in enumerate(values)))
        for i, (name, values) in enumerate(zip(matrix.rows, matrix.values, strict=True))
    )
    columns = ("", *matrix.columns)
    return TextTable(
        f"{title}: {matrix.name}", columns, (False, *[True] * len(matrix.columns)), rows, (matrix.caption, *below)
    )


def as_markdown(board: Leaderboard) -> str:
    """The whole leaderboard."""
    parts = ["# Leaderboard\n", *(f"- {_markdown(note)}" for note in board.notes)]
    for subject in board.subjects:
        parts.append(f"\n## {_markdown(subject.subject)}")
        for table in tables_of(subject, strata=True):
            rule = " | ".join("--:" if right else "---" for right in table.numeric)
            lines = [" | ".join(map(_markdown, row)) for row in (table.columns, *table.rows)]
            parts += [f"\n### {_markdown(table.title)}\n", f"| {lines[0]} |", f"| {rule} |"]
            parts += [f"| {line} |" for line in lines[1:]]
            parts += ["", *(_markdown(sentence) for sentence in table.below)]
    return "\n".join(parts) + "\n"


def _markdown(text: str) -> str:
    """A text within a cell: nothing in it may end the cell, or be markup."""
    escaped = "".join(f"\\{c}" if c in "\\`*_[]<>#|" else c for c in text)
    return " ".join(escaped.split())
