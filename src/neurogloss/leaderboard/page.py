"""The leaderboard as one HTML page that needs nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from neurogloss.leaderboard.board import Block, Line, RowFacts
from neurogloss.leaderboard.drawing import (
    STRIP_MARGIN,
    STRIP_WIDTH,
    CostChart,
    HeatCell,
    Strip,
    Strips,
    cost_charts,
    heat,
    strips,
)
from neurogloss.leaderboard.leaderboard import Leaderboard, ScorerBoard, SubjectBoard
from neurogloss.leaderboard.matrices import Matrix
from neurogloss.leaderboard.tables import (
    block_sentences,
    dollars,
    no_score,
    p_text,
    preference_text,
    quoted,
    tokens,
    unread,
)
from neurogloss.view.charts import WIDTH
from neurogloss.view.rendering import asset, policy, render
from neurogloss.view.text import difference, interval, score_number


@dataclass(frozen=True)
class PageLine:
    """One row of a block."""

    line: Line
    facts: RowFacts
    strip: Strip
    mean: str
    interval: str
    difference: str
    difference_interval: str
    p: str
    no_score: str
    unread: str
    tokens: str
    dollars: str
    quoted: str


@dataclass(frozen=True)
class PageMatrix:
    """A matrix with its colours."""

    matrix: Matrix
    rows: tuple[tuple[str, tuple[HeatCell, ...]], ...]
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class PageBlock:
    """One scorer of one subject."""

    block: Block
    lines: tuple[PageLine, ...]
    strips: Strips
    sentences: tuple[str, ...]
    charts: tuple[CostChart, ...]
    matrices: tuple[PageMatrix, ...]


@dataclass(frozen=True)
class PageSubject:
    """One subject."""

    board: SubjectBoard
    blocks: tuple[PageBlock, ...]
    agreement: PageMatrix | None


def render_leaderboard(board: Leaderboard) -> str:
    """One HTML page that asks for nothing from anywhere and runs nothing."""
    style = Markup("\n").join((asset("report.css"), asset("leaderboard.css")))
    page = render(
        "leaderboard.jinja",
        subjects=[_subject(each) for each in board.subjects],
        notes=board.notes,
        width=WIDTH,
        strip_width=STRIP_WIDTH,
        strip_margin=STRIP_MARGIN,
        style=style,
        policy=policy(style, ""),
    )
    return str(page)


def _subject(board: SubjectBoard) -> PageSubject:
    blocks = tuple(_block(board, each) for each in board.scorers)
    return PageSubject(
        board, blocks, PageMatrix(board.agreement, heat(board.agreement), ()) if board.agreement else None
    )


def _block(board: SubjectBoard, scorer: ScorerBoard) -> PageBlock:
    block, drawn = scorer.block, strips(scorer.block)
    facts = {each.row: each for each in board.rows}
    said = tuple(preference_text(each) for each in scorer.preferences)
    return PageBlock(
        block=block,
        lines=tuple(_line(line, facts[line.row], drawn.by_row[line.row]) for line in block.lines),
        strips=drawn,
        sentences=tuple(block_sentences(board, block)),
        charts=cost_charts(block, board.rows),
        matrices=tuple(
            PageMatrix(matrix, heat(matrix), said if matrix.name == "judges" else ()) for matrix in scorer.matrices
        ),
    )


def _line(line: Line, facts: RowFacts, strip: Strip) -> PageLine:
    mean, gap = line.mean, line.against.difference if line.against else None
    return PageLine(
        line=line,
        facts=facts,
        strip=strip,
        mean=score_number(mean.value if mean else None),
        interval=interval(mean.low, mean.high) if mean else "",
        difference=difference(gap.value) if gap else "",
        difference_interval=interval(gap.low, gap.high) if gap else "",
        p=p_text(line.against.p_holm) if line.against else "",
        no_score=no_score(line),
        unread=unread(line),
        tokens=tokens(facts),
        dollars=dollars(facts),
        quoted=quoted(facts),
    )
