"""Leaderboards of entries made by hand, against numbers computed by hand."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable

import pytest

from neurogloss.leaderboard.data import as_csv, as_data
from neurogloss.leaderboard.entries import Cost, Results
from neurogloss.leaderboard.leaderboard import Leaderboard
from neurogloss.leaderboard.matrices import agreement_of
from neurogloss.leaderboard.tables import TextTable, as_markdown, block_table, tables_of
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.scores import Score

Make = Callable[..., Results]
Compare = Callable[..., Leaderboard]


def test_rows_stand_by_their_means_and_are_tested_against_the_best(entry: Make, board: Compare) -> None:
    made = board(
        entry("low", {"by": [0.0, 0.1, 0.2, 0.3]}, floor=True),
        entry("best", {"by": [0.8, 0.9, 1.0, 0.7]}),
        entry("middle", {"by": [0.5, 0.9, 1.0, 0.7]}),
    )
    block = made.subjects[0].scorers[0].block
    assert [(line.row.explainer, line.floor) for line in block.lines] == [
        *(("best", False), ("middle", False), ("low", True))
    ]
    assert [round(line.mean.value, 6) for line in block.lines if line.mean] == [0.85, 0.775, 0.15]
    best, middle, low = block.lines
    assert (block.reference, block.chosen, best.against) == (best.row, False, None)
    # middle: one difference, so 2 of 2 flips reach it; low: 2 of 16 flips; Holm doubles the smaller p.
    assert middle.against is not None
    assert low.against is not None
    assert (middle.against.p, low.against.p) == pytest.approx((1.0, 0.125))
    assert (middle.against.p_holm, low.against.p_holm) == pytest.approx((1.0, 0.25))
    assert low.against.difference.value == pytest.approx(-0.7)


def test_the_reference_may_be_named(entry: Make, board: Compare) -> None:
    entries = [entry("best", {"by": [0.8, 0.9]}), entry("prompt", {"by": [0.5, 0.4]})]
    block = board(*entries, against="prompt").subjects[0].scorers[0].block
    assert (block.reference and block.reference.explainer, block.chosen) == ("prompt", True)
    assert "named beforehand" in as_markdown(board(*entries, against="prompt"))
    assert "chosen by these numbers" in as_markdown(board(*entries, against="nobody"))


def test_rows_of_which_none_has_a_score_are_a_table_all_the_same(entry: Make, board: Compare) -> None:
    missing = [Failure(Reason.DEAD, ""), Failure(Reason.UNPARSABLE, "")]
    made = board(entry("a", {"by": missing}), entry("b", {"by": missing}))
    block = made.subjects[0].scorers[0].block
    assert [(line.row.explainer, line.mean) for line in block.lines] == [("a", None), ("b", None)]
    assert block.reference is None
    assert "0 of 2" in as_markdown(made)


def test_what_has_no_score_is_counted_with_its_reason_and_is_no_zero(
    entry: Make, board: Compare, score: Callable[..., Score]
) -> None:
    missing = [Failure(Reason.DEAD, ""), Failure(Reason.UNPARSABLE, ""), score(None), None]
    made = board(entry("a", {"by": [0.5, score(0.7, unparsable=2), *missing]}))
    (line,) = made.subjects[0].scorers[0].block.lines
    assert line.mean is not None
    assert (line.mean.value, line.mean.n) == (pytest.approx(0.6), 2)
    assert (line.n, line.n_scored, line.n_failed, line.n_left_out) == (6, 2, 1, 3)
    assert line.reasons == {"dead": 1, "unparsable": 1, "undefined": 1, "not reached": 1}
    assert (line.n_asked, line.n_answered, line.n_unparsable) == (30, 28, 2)
    text = as_markdown(made)
    assert "2 of 6" in text
    assert "1 dead, 1 unparsable, 1 undefined, 1 not reached" in text
    assert "2 unparsable of 30" in text
    assert "accuracy does not notice extra labels." in text


def test_a_row_without_any_score_is_still_a_row(entry: Make, board: Compare) -> None:
    made = board(entry("a", {"by": [0.5, 0.6]}), entry("b", {"by": [Failure(Reason.FAILED, "")] * 2}))
    assert made.subjects[0].scorers[0].block.lines[1].mean is None
    assert "| b | – |  | 0 of 2 | 2 failed |" in as_markdown(made)


def test_seeds_of_a_row_are_averaged_per_unit(entry: Make, board: Compare) -> None:
    # Unit 0 is seen with both seeds, unit 1 with one: means 0.4 and 1.0, whose mean is 0.7.
    made = board(entry("a", {"by": [0.2, 1.0]}, records="one"), entry("a", {"by": [0.6]}, records="two"))
    (line,) = made.subjects[0].scorers[0].block.lines
    assert line.mean is not None
    assert (line.mean.value, line.mean.n, line.n) == (pytest.approx(0.7), 2, 3)


def test_rows_that_differ_in_a_simulator_that_is_not_used_stand_once(entry: Make, board: Compare) -> None:
    entries = [entry("a", {"by": [0.2, 0.4]}, simulator=simulator) for simulator in ("x", "y")]
    assert len(board(*entries).subjects[0].scorers[0].block.lines) == 1


def test_agreement_is_over_rows_and_units(entry: Make, board: Compare) -> None:
    made = board(entry("a", {"one": [0.1, 0.2], "two": [0.5, 0.6]}), entry("b", {"one": [0.3], "two": [0.7]}))
    matrix = agreement_of([each.block for each in made.subjects[0].scorers])
    assert matrix is not None
    assert matrix.values[0][1] == pytest.approx(1)
    assert matrix.columns == ("one", "two")


def test_layers_firing_rates_and_deciles(entry: Make, board: Compare) -> None:
    # Units 0 and 3 are in layer 0; their firing fractions are 0.5 and 0.0005.
    made = board(entry("a", {"by": [0.2, 0.4, 0.6, 0.8]}))
    found = {matrix.name: matrix for matrix in made.subjects[0].scorers[0].matrices}
    assert found["layer"].columns == ("0", "1", "2")
    assert found["layer"].values[0] == pytest.approx((0.5, 0.4, 0.6))
    assert found["firing"].columns == ("0.01–0.1 %", "0.1–1 %", "1–10 %", "10–100 %")
    assert found["firing"].values[0] == pytest.approx((0.8, 0.6, 0.4, 0.2))
    assert found["deciles"].values[0][::5] == pytest.approx((0.2, 0.5, 0.8))


def test_a_judge_that_favours_its_own_model_is_found_out(entry: Make, board: Compare) -> None:
    def judged(explainer: str, llm: str, judge: str, value: float) -> Results:
        return entry(explainer, {"by": [value] * 3}, llm=llm, judge=judge, judge_is=f"model={judge}")

    made = board(
        judged("x", "a", "a", 0.9),  # its own judge gives 0.3 more than the other,
        judged("x", "a", "b", 0.6),
        judged("y", "", "a", 0.5),  # and 0.1 more to everybody else.
        judged("y", "", "b", 0.4),
    )
    (scorer,) = made.subjects[0].scorers
    matrix = next(matrix for matrix in scorer.matrices if matrix.name == "judges")
    assert (matrix.rows, matrix.columns) == (("x · a", "y"), ("a", "b"))
    assert matrix.marked == {(0, 0)}
    (preference,) = scorer.preferences
    assert (preference.judge, preference.difference.value) == ("a", pytest.approx(0.2))
    assert "a rates x · a +0.20" in as_markdown(made)
    assert "0.90\\*" in as_markdown(made)


def test_costs_and_quotes_are_shown(entry: Make, board: Compare) -> None:
    made = board(
        entry("a", {"by": [0.2, 0.4]}, cost=Cost(1234.4, 0.01)), entry("b", {"by": [0.1, 0.1]}, cost=Cost(None, None))
    )
    table: TextTable = block_table(made.subjects[0], made.subjects[0].scorers[0].block)
    cells = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    assert [(row["tokens/unit"], row["$/unit"], row["quoted"]) for row in cells] == [
        *(("1,234", "0.0100", "25%"), ("unknown", "unknown", "25%"))
    ]
    assert (cells[0]["own null"], cells[0]["ceiling"]) == ("0.10", "0.90")


def test_csv_has_a_line_for_each_row_and_runs_nothing(entry: Make, board: Compare) -> None:
    made = board(entry("=1+1", {"by": [0.2, 0.4]}, cost=Cost(10.0, None)), entry("b", {"by": [0.1, 0.1]}, floor=True))
    rows = list(csv.DictReader(io.StringIO(as_csv(made))))
    assert [(row["explainer"], row["value"], row["floor"]) for row in rows] == [
        ("'=1+1", "0.3", "0"),
        ("b", "0.1", "1"),
    ]
    assert (rows[0]["tokens_per_unit"], rows[0]["usd_per_unit"], rows[1]["difference_value"]) == ("10", "", "-0.2")


def test_json_holds_every_unit_and_no_nan(entry: Make, board: Compare) -> None:
    data = as_data(board(entry("a", {"by": [0.2, 1 / 3]})))
    text = json.dumps(data, allow_nan=False)
    (line,) = json.loads(text)["subjects"][0]["scorers"][0]["lines"]
    assert line["units"] == {"layers.0.mlp/0": 0.2, "layers.1.mlp/1": 0.333333}


def test_names_cannot_break_markdown(entry: Make, board: Compare) -> None:
    text = as_markdown(board(entry("a|b\n`<b>`*", {"by": [0.2, 0.4]}), notes=("[x](y)",)))
    assert "| a\\|b \\`\\<b\\>\\`\\* |" in text
    assert "- \\[x\\](y)" in text


def test_the_terminal_leaves_strata_to_the_files(entry: Make, board: Compare) -> None:
    (subject,) = board(entry("a", {"by": [0.2, 0.4]})).subjects
    assert len(list(tables_of(subject, strata=False))) == 1
    assert len(list(tables_of(subject, strata=True))) == 4
