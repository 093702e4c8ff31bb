"""What a page draws of a block: a strip for each row on one scale, and scores against costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from neurogloss.leaderboard.board import Block, Line, RowFacts
from neurogloss.leaderboard.entries import Row
from neurogloss.leaderboard.matrices import Matrix
from neurogloss.view.charts import WIDTH, Scale, Tick
from neurogloss.view.text import interval, number, score_number

STRIP_WIDTH, STRIP_MARGIN = 260, 8
_LEFT, _RIGHT = 40, WIDTH - 20
_TOP, _BOTTOM, _HEIGHT = 12, 196, 240
_CLOSE = 12


@dataclass(frozen=True)
class Strip:
    """One row's mean with its interval, its own nulls and its ceiling."""

    mean: float | None
    reach: tuple[float, float] | None
    nulls: tuple[Tick, ...]
    ceiling: float | None
    description: str


@dataclass(frozen=True)
class Strips:
    """The strips of a block, on one scale."""

    by_row: Mapping[Row, Strip]
    zero: float
    ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class CostDot:
    x: float
    y: float
    reach: tuple[float, float] | None
    label: str
    """The row's place in the table."""
    title: str
    floor: bool


@dataclass(frozen=True)
class CostChart:
    """Means against costs."""

    name: str
    dots: tuple[CostDot, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    x_label: str
    y_label: str
    zero: float
    base: float
    height: float
    description: str


@dataclass(frozen=True)
class HeatCell:
    text: str
    level: int
    """0 to 10: how deep the cell is coloured; negative numbers and gaps are not."""
    marked: bool


def strips(block: Block) -> Strips:
    """The strips of all lines; the scale holds every number that is drawn, and 0 and 1."""
    numbers = [x for line in block.lines for x in _numbers(line)]
    scale = Scale.around([1.0, *numbers], STRIP_MARGIN, STRIP_WIDTH - STRIP_MARGIN)
    return Strips({line.row: _strip(line, scale) for line in block.lines}, scale(0), scale.ticks())


def _numbers(line: Line) -> Iterable[float]:
    mean = line.mean
    found = (mean.value, mean.low, mean.high) if mean else ()
    return [x for x in (*found, *line.nulls.values(), line.ceiling) if x is not None]


def _strip(line: Line, scale: Scale) -> Strip:
    mean, reach = line.mean, None
    if mean and mean.low is not None and mean.high is not None:
        reach = (scale(mean.low), scale(mean.high))
    return Strip(
        mean=scale(mean.value) if mean else None,
        reach=reach,
        nulls=tuple(Tick(scale(x), f"{name}: {score_number(x)}") for name, x in line.nulls.items()),
        ceiling=None if line.ceiling is None else scale(line.ceiling),
        description=f"{line.row}: {score_number(mean.value if mean else None)}",
    )


def cost_charts(block: Block, rows: Sequence[RowFacts]) -> tuple[CostChart, ...]:
    """Scores against tokens and against dollars; a chart whose costs are unknown or all 0 is left out."""
    costs = {each.row: each.cost for each in rows if each.cost}
    charts = (
        _cost_chart(
            "tokens",
            "tokens for each unit, prompts and completions",
            block,
            lambda row: costs[row].tokens if row in costs else None,
        ),
        _cost_chart("dollars", "US dollars for each unit", block, lambda row: costs[row].usd if row in costs else None),
    )
    return tuple(chart for chart in charts if chart)


def _cost_chart(name: str, label: str, block: Block, cost_of: Callable[[Row], float | None]) -> CostChart | None:
    points = [
        (place, line, line.mean, cost)
        for place, line in enumerate(block.lines, start=1)
        if line.mean and (cost := cost_of(line.row)) is not None
    ]
    if not any(cost > 0 for *_, cost in points):
        return None
    x = Scale.around([cost for *_, cost in points], _LEFT, _RIGHT, 4)
    ends = [end for _, _, mean, _ in points for end in (mean.value, mean.low, mean.high) if end is not None]
    y = Scale.around(ends, _BOTTOM, _TOP)
    at = {place: (x(cost), y(mean.value)) for place, _, mean, cost in points}
    labels = _labels(at)
    dots = tuple(
        CostDot(
            *at[place],
            None if mean.low is None or mean.high is None else (y(mean.low), y(mean.high)),
            labels[place],
            f"{line.row}: {score_number(mean.value)} ({interval(mean.low, mean.high)}) for {number(cost)}",
            line.floor,
        )
        for place, line, mean, cost in points
    )
    return CostChart(
        name=name,
        dots=dots,
        x_ticks=x.ticks(4),
        y_ticks=y.ticks(),
        x_label=label,
        y_label=block.measure,
        zero=y(0),
        base=_BOTTOM,
        height=_HEIGHT,
        description="; ".join(dot.title for dot in dots),
    )


def _labels(at: Mapping[int, tuple[float, float]]) -> dict[int, str]:
    """A label for each dot; those too close to an earlier one stand in its label."""
    groups: dict[int, list[int]] = {}
    for place, spot in at.items():
        first = next((other for other in groups if math.dist(spot, at[other]) < _CLOSE), place)
        groups.setdefault(first, []).append(place)
    return {place: ", ".join(map(str, groups.get(place, ()))) for place in at}


def heat(matrix: Matrix) -> tuple[tuple[str, tuple[HeatCell, ...]], ...]:
    """The rows of a matrix with how deep each cell is coloured: a tenth of 1 for each level."""
    return tuple(
        (name, tuple(_heat_cell(x, (i, j) in matrix.marked) for j, x in enumerate(values)))
        for i, (name, values) in enumerate(zip(matrix.rows, matrix.values, strict=True))
    )


def _heat_cell(value: float | None, marked: bool) -> HeatCell:
    level = 0 if value is None else min(10, max(0, math.ceil(10 * value - 1e-9)))
    return HeatCell(score_number(value), level, marked)
