from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from neurogloss.cli.summaries import Mean, as_data, lines_of, mean_of
from neurogloss.cli.tables import ledger_fields, print_run
from neurogloss.records.explanations import ProseExplanation, Provenance
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.requests import Usage
from neurogloss.records.runs import Cell, ExplanationRow, LedgerTotals, ScoreRow
from neurogloss.records.scores import Measure, Score
from neurogloss.records.units import UnitId

GOOD, DEAD, BAD = UnitId("layers.0.mlp", 1), UnitId("layers.1.mlp", 2), UnitId("layers.2.mlp", 3)


def _score(value: float | None, **more: object) -> Score:
    measures = {"correlation": Measure(value, 0.1, 0.9, ("extra [b]labels",))}
    return Score("s", "correlation", measures, ceiling=0.95, **more)  # type: ignore[arg-type]


def _prose(text: str) -> ProseExplanation:
    return ProseExplanation(Provenance("token_activation"), text)


@pytest.fixture
def outcome() -> SimpleNamespace:
    dead = Failure(Reason.DEAD, "it never fires in the explain split")
    failed = Failure(Reason.FAILED, "503 after 5 attempts")
    explanations = [
        ExplanationRow(Cell(GOOD, "main"), _prose("words about [red]rain\x1b[2J")),
        ExplanationRow(Cell(DEAD, "main"), dead),
        ExplanationRow(Cell(BAD, "main"), _prose("numbers")),
        ExplanationRow(Cell(GOOD, "token_table"), _prose("table")),
    ]
    scores = [
        ScoreRow(Cell(GOOD, "main"), "s", _score(0.5, flags=("constant simulation",))),
        ScoreRow(Cell(BAD, "main"), "s", failed),
        ScoreRow(Cell(GOOD, "token_table"), "s", _score(0.75)),
        ScoreRow(Cell(BAD, "token_table"), "s", _score(0.25)),
        ScoreRow(Cell(GOOD, "random_text"), "s", _score(None)),
    ]
    return SimpleNamespace(
        run_id="abc",
        manifest=SimpleNamespace(units=tuple(map(str, (GOOD, DEAD, BAD)))),
        explanations=explanations,
        scores=scores,
        ledger=LedgerTotals(1234, 2, 40, Usage(2000, 500, 300), usd=0.125, attempts=1240),
        report=Path("report.html"),
        n_failed_units=1,
        resumed=True,
        seconds=2.0,
        notes=("The floor x is left out.",),
    )


def test_means_leave_out_what_is_missing_and_count_it() -> None:
    dead = Failure(Reason.DEAD, "")
    assert mean_of([_score(0.5), dead, _score(0.1), None, _score(None)]) == Mean(pytest.approx(0.3), 2, 5)
    assert mean_of([dead]) == Mean(None, 0, 1)


def test_lines_follow_the_order_of_the_units_and_floors_begin_with_the_token_table(outcome: SimpleNamespace) -> None:
    lines = lines_of("s", outcome.manifest.units, outcome.explanations, outcome.scores)
    assert [line.unit for line in lines] == [str(GOOD), str(DEAD), str(BAD)]
    assert list(lines[0].floors) == ["token_table", "random_text"]
    assert isinstance(lines[1].score, Failure), "a unit without explanation has its reason as score"


def test_every_sample_has_a_line(outcome: SimpleNamespace) -> None:
    outcome.explanations.append(ExplanationRow(Cell(GOOD, "main", 1), _prose("another")))
    lines = lines_of("s", outcome.manifest.units, outcome.explanations, outcome.scores)
    assert [line.unit for line in lines] == [str(GOOD), str(GOOD), str(DEAD), str(BAD)]


def test_the_table_shows_reasons_and_never_a_zero(outcome: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    print_run(outcome)
    text = capsys.readouterr().out
    rows = {line.split("│")[1].strip(): line for line in text.splitlines() if "│" in line}
    good = [cell.strip() for cell in rows[str(GOOD)].split("│")[1:-1]]
    assert good == [
        *(str(GOOD), "words about [red]rain [2J", "0.500", "0.10 to 0.90", "0.750", "undefined", "0.950"),
        "constant simulation",
    ]
    assert "dead" in rows[str(DEAD)]
    assert "it never fires" in rows[str(DEAD)]
    assert "failed" in rows[str(BAD)]
    assert "503 after 5 attempts" in rows[str(BAD)]
    assert "0.000" not in text
    assert "\x1b" not in text
    mean = [cell.strip() for cell in rows["mean"].split("│")[1:-1]]
    assert mean[:6] == ["mean", "of 1 scored, 3 in all", "0.500", "", "0.500 (n=2)", "(n=0)"]
    assert "correlation does not notice extra [b]labels" in text
    assert "run     abc (resumed, 2.0 s)" in text
    assert "note    The floor x is left out." in text
    assert "1 unit; the same command with retry_failed=true asks again" in text
    assert "report  report.html" in text


def test_a_narrow_terminal_leaves_room_for_explanations(
    outcome: SimpleNamespace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neurogloss.cli.tables._WIDTH_ELSEWHERE", 80)
    print_run(outcome)
    text = capsys.readouterr().out
    assert "ceiling" not in text
    assert "words about" in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_json_holds_the_same(outcome: SimpleNamespace) -> None:
    data = json.loads(json.dumps(as_data(outcome), allow_nan=False))
    assert data["run_id"] == "abc"
    assert data["means"] == {
        "s": {
            "main": {"value": 0.5, "n": 1, "of": 3},
            "token_table": {"value": 0.5, "n": 2, "of": 3},
            "random_text": {"value": None, "n": 0, "of": 3},
        }
    }
    assert data["explanations"][1]["failure"] == {"reason": "dead", "detail": "it never fires in the explain split"}
    assert "explanation" not in data["explanations"][1]
    first = data["scores"][0]
    assert first["insensitive_to"] == ["extra [b]labels"]
    assert (first["unit"], first["value"], first["low"], first["ceiling"]) == (str(GOOD), 0.5, 0.1, 0.95)


def test_a_floor_that_a_scorer_does_not_read_is_no_column_of_its_table(outcome: SimpleNamespace) -> None:
    scores = [*outcome.scores, ScoreRow(Cell(GOOD, "main"), "d", _score(0.5))]
    scores.append(ScoreRow(Cell(GOOD, "random_text"), "d", _score(0.1)))
    units = outcome.manifest.units
    assert list(lines_of("d", units, outcome.explanations, scores)[0].floors) == ["random_text"]
    assert list(lines_of("s", units, outcome.explanations, scores)[0].floors) == ["token_table", "random_text"]


def test_a_run_that_asked_nothing_anew_shows_no_tokens() -> None:
    assert ledger_fields(LedgerTotals(0, 0, 40, Usage(None, None, None))) == [("calls", "0, 40 reused")]
    assert [name for name, _ in ledger_fields(LedgerTotals(1, 0, 40, Usage(7, None, 3)))] == ["calls", "tokens", "cost"]
    assert ledger_fields(LedgerTotals(0, 0, 0, Usage())) == []


def test_a_run_without_scorers_shows_explanations(outcome: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    outcome.scores = []
    print_run(outcome)
    text = capsys.readouterr().out
    assert "words about" in text
    assert "ceiling" not in text
    assert as_data(outcome)["means"] == {}
