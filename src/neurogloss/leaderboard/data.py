"""The leaderboard as plain data: for JSON, and as comma-separated values."""

from __future__ import annotations

import csv
import io
import math
from typing import Any

from neurogloss.leaderboard.board import Block, Line, RowFacts
from neurogloss.leaderboard.entries import Row
from neurogloss.leaderboard.leaderboard import Leaderboard, ScorerBoard, SubjectBoard
from neurogloss.leaderboard.matrices import Matrix
from neurogloss.leaderboard.statistics import Estimate


def as_data(board: Leaderboard) -> dict[str, Any]:
    """Everything that the leaderboard holds, the score of each unit included; numbers have six digits."""
    data = {"subjects": [_subject(each) for each in board.subjects], "notes": list(board.notes)}
    rounded: dict[str, Any] = _rounded(data)
    return rounded


def _subject(board: SubjectBoard) -> dict[str, Any]:
    return {
        "subject": board.subject,
        "n_units": board.n_units,
        "n_documents": board.n_documents,
        "seeds": board.seeds,
        "rows": [_facts(each) for each in board.rows],
        "scorers": [_scorer(each) for each in board.scorers],
        "agreement": _matrix(board.agreement) if board.agreement else None,
    }


def _row(row: Row) -> dict[str, Any]:
    return {"explainer": row.explainer, "llm": row.llm, "simulator": row.simulator, "judge": row.judge}


def _facts(facts: RowFacts) -> dict[str, Any]:
    cost = facts.cost
    return {
        **_row(facts.row),
        "floor": facts.floor,
        "tokens_per_unit": cost and cost.tokens,
        "usd_per_unit": cost and cost.usd,
        "quoted_share": facts.quoted,
        "runs": facts.runs,
    }


def _scorer(board: ScorerBoard) -> dict[str, Any]:
    block = board.block
    return {
        "scorer": block.scorer,
        "measure": block.measure,
        "insensitive_to": block.insensitive_to,
        "reference": _row(block.reference) if block.reference else None,
        "reference_named": block.chosen,
        "lines": [_line(line, block) for line in block.lines],
        "matrices": {matrix.name: _matrix(matrix) for matrix in board.matrices},
        "self_preference": [
            {"judge": each.judge, "explainer": each.explainer, **_estimate(each.difference)}
            for each in board.preferences
        ],
    }


def _line(line: Line, block: Block) -> dict[str, Any]:
    found = line.against
    return {
        **_row(line.row),
        "floor": line.floor,
        "mean": _estimate(line.mean),
        "n": line.n,
        "n_scored": line.n_scored,
        "n_failed": line.n_failed,
        "n_left_out": line.n_left_out,
        "reasons": line.reasons,
        "n_asked": line.n_asked,
        "n_answered": line.n_answered,
        "n_unparsable": line.n_unparsable,
        "n_items_failed": line.n_items_failed,
        "nulls": line.nulls,
        "ceiling": line.ceiling,
        "flags": line.flags,
        "against": {**_estimate(found.difference), "p": found.p, "p_holm": found.p_holm} if found else None,
        "units": {str(unit): value for unit, value in line.by_unit.items()},
    }


def _estimate(found: Estimate | None) -> dict[str, Any]:
    return {"value": None, "low": None, "high": None, "n": 0} if found is None else vars(found)


def _matrix(matrix: Matrix) -> dict[str, Any]:
    return {
        "caption": matrix.caption,
        "rows": matrix.rows,
        "columns": matrix.columns,
        "values": matrix.values,
        "marked": sorted(matrix.marked),
    }


def _rounded(value: Any) -> Any:
    """Six significant digits, so that a table does not change with the order in which sums were added up."""
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def as_csv(board: Leaderboard) -> str:
    """A line for each row under each scorer, with plain numbers; empty where there is none."""
    records = []
    for subject in board.subjects:
        facts = {each.row: each for each in subject.rows}
        for scorer in subject.scorers:
            named = {"subject": subject.subject}
            records += [named | _record(scorer.block, line, facts[line.row]) for line in scorer.block.lines]
    out = io.StringIO()
    writer = csv.DictWriter(out, list(records[0]) if records else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in record.items()} for record in records)
    return out.getvalue()


def _record(block: Block, line: Line, facts: RowFacts) -> dict[str, Any]:
    data, gap = _line(line, block), line.against
    counts = ("n", "n_scored", "n_failed", "n_left_out", "n_asked", "n_answered", "n_unparsable", "n_items_failed")
    return {
        "scorer": block.scorer,
        "measure": block.measure,
        **_row(line.row),
        "floor": int(line.floor),
        **{"n_units" if name == "n" else name: value for name, value in data["mean"].items()},
        **{name: data[name] for name in counts},
        "reasons": ", ".join(f"{n} {reason}" for reason, n in line.reasons.items()),
        "ceiling": line.ceiling,
        "reference": str(block.reference or ""),
        **{f"difference_{name}": value for name, value in _estimate(gap.difference if gap else None).items()},
        "p": gap and gap.p,
        "p_holm": gap and gap.p_holm,
        "tokens_per_unit": facts.cost and facts.cost.tokens,
        "usd_per_unit": facts.cost and facts.cost.usd,
        "quoted_share": facts.quoted,
        "runs": " ".join(facts.runs),
    }


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.6g}"
    # A spreadsheet would run what begins like a formula.
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value
