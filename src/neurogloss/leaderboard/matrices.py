"""Tables of numbers that a mean hides: agreement of scorers, layers, firing rates, deciles."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurogloss.leaderboard.board import Block
from neurogloss.leaderboard.entries import UnitFacts
from neurogloss.leaderboard.statistics import rank_correlation
from neurogloss.records.units import UnitId

_MAX_COLUMNS = 12


@dataclass(frozen=True)
class Matrix:
    """Numbers by row and column; `None` where there is none."""

    name: str
    caption: str
    """What the numbers are, in one sentence."""
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    marked: frozenset[tuple[int, int]] = frozenset()
    """Cells to point out."""


def agreement_of(blocks: Sequence[Block]) -> Matrix | None:
    """How alike scorers rank the same explanations; `None` for a single scorer."""
    if len(blocks) < 2:
        return None
    scored = [
        {(line.row, place): value for line in block.lines for place, value in line.values.items()} for block in blocks
    ]
    names = tuple(block.scorer for block in blocks)
    values = tuple(tuple(_agreement(one, other) for other in scored) for one in scored)
    return Matrix(
        "agreement",
        "Spearman's rank correlation of two scorers over all rows and units that both have scored.",
        names,
        names,
        values,
    )


def _agreement(one: Mapping[Any, float], other: Mapping[Any, float]) -> float | None:
    both = [key for key in one if key in other]
    return rank_correlation([one[key] for key in both], [other[key] for key in both])


def by_layer(block: Block) -> Matrix | None:
    """Mean scores by the unit's layer; `None` where no unit tells two layers apart."""
    layers = sorted({layer for line in block.lines for unit in line.by_unit if (layer := unit.layer) is not None})
    if not layers:
        return None
    bins = [chunk for chunk in np.array_split(layers, min(len(layers), _MAX_COLUMNS)) if len(chunk)]
    names = {int(layer): _span(chunk) for chunk in bins for layer in chunk}
    return _stratified(
        block,
        "layer",
        "Mean score by layer.",
        lambda unit: "" if unit.layer is None else names[unit.layer],
        list(dict.fromkeys(names.values())),
    )


def by_firing(block: Block, facts: Mapping[UnitId, UnitFacts]) -> Matrix | None:
    """Mean scores by the share of tokens on which the unit fires, in decades; `None` for a single one."""

    def decade(unit: UnitId) -> str:
        share = facts[unit].firing_fraction if unit in facts else 0.0
        return _decade(math.floor(math.log10(share) + 1e-9)) if share > 0 else ""

    shares = [facts[unit].firing_fraction for line in block.lines for unit in line.by_unit if unit in facts]
    powers = sorted({math.floor(math.log10(share) + 1e-9) for share in shares if share > 0})
    return _stratified(
        block,
        "firing",
        "Mean score by the share of tokens on which the unit fires.",
        decade,
        [_decade(power) for power in powers],
    )


def _stratified(
    block: Block, name: str, caption: str, stratum: Callable[[UnitId], str], columns: list[str]
) -> Matrix | None:
    if len(columns) < 2:
        return None
    values = []
    for line in block.lines:
        found: dict[str, list[float]] = {column: [] for column in columns}
        for unit, value in line.by_unit.items():
            if stratum(unit) in found:
                found[stratum(unit)].append(value)
        values.append(tuple(float(np.mean(found[column])) if found[column] else None for column in columns))
    return Matrix(name, caption, tuple(str(line.row) for line in block.lines), tuple(columns), tuple(values))


def by_decile(block: Block) -> Matrix | None:
    """The deciles of each row's scores: how they are spread, not how high they are."""
    lines = [line for line in block.lines if line.by_unit]
    if not lines:
        return None
    shares = np.linspace(0, 1, 11)
    values = tuple(tuple(float(q) for q in np.quantile(list(line.by_unit.values()), shares)) for line in lines)
    return Matrix(
        "deciles",
        "Deciles of the scores over units: 0 % is the worst unit, 50 % the median, 100 % the best.",
        tuple(str(line.row) for line in lines),
        tuple(f"{share:.0%}" for share in shares),
        values,
    )


def _span(layers: np.ndarray) -> str:
    return str(layers[0]) if len(layers) == 1 else f"{layers[0]}–{layers[-1]}"


def _decade(power: int) -> str:
    return f"{100 * 10.0**power:g}–{1000 * 10.0**power:g} %"
