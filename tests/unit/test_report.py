"""The report: what the page says of a run."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from html.parser import HTMLParser

import numpy as np
import pytest

from neurogloss.records.failures import Failure, Reason
from neurogloss.records.requests import Usage
from neurogloss.records.runs import Cell, ExplanationRow, LedgerTotals, RunManifest, ScoreRow
from neurogloss.records.scores import Measure, Score
from neurogloss.records.simulations import Simulation
from neurogloss.records.tokens import Split
from neurogloss.records.unit_records import SplitRecords, UnitRecord
from neurogloss.records.units import UnitId
from neurogloss.testing.records import (
    activation_record,
    dead_unit_record,
    prose_explanation,
    token_sequence,
    unit_record,
)
from neurogloss.testing.runs import SampleRun, sample_run
from neurogloss.view.absences import explain_absence
from neurogloss.view.cards import Limits, unit_card
from neurogloss.view.rendering import asset
from neurogloss.view.report import ReportData, render_report
from neurogloss.view.results import RunResults
from neurogloss.view.text import difference, duration, number, score_number, token_text, visible


def report_data(run: SampleRun) -> ReportData:
    return ReportData(run.manifest, run.explanations, run.scores, run.records.__getitem__, run.ledger, notes=run.notes)


def text_of(page: str) -> str:
    """The text between the tags, with white space as a browser shows it."""
    found: list[str] = []
    parser = HTMLParser()
    parser.handle_data = found.append  # type: ignore[assignment,method-assign]
    parser.feed(re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.DOTALL))
    return " ".join("".join(found).split())


@pytest.fixture(scope="module")
def page() -> str:
    return render_report(report_data(sample_run()))


def test_the_head_counts_what_is_there_and_what_is_not(page: str) -> None:
    text = text_of(page)
    assert "Units of Sample-135M" in text
    assert "run 5f1c0a9be2d4 · 2025-03-01 09:30 UTC" in text
    for state in ("7 scored", "1 constant", "1 dead", "1 unparsable", "1 not reached"):
        assert state in text
    assert "The charts show 7 of 11 explanations of main: those with a score." in text


def test_what_an_explanation_was_chosen_among_is_listed(page: str) -> None:
    (listed,) = re.findall(r"<details><summary>Chosen on the split valid, of 4</summary>.*?</details>", page, re.DOTALL)
    rows = [text_of(row) for row in re.findall(r"<tr>(?:(?!<th).)*?</tr>", listed)]
    assert [row.partition(": ")[0] for row in rows] == [
        "words0.21",
        "words about ships and harbours0.63kept",
        "unparsable",
        "namesconstant",
    ]
    assert "two answers" in rows[2]


def test_unknown_costs_are_unknown(page: str) -> None:
    data = report_data(sample_run())
    assert re.search(r"<dt>dollars</dt><dd>unknown", page)
    assert re.search(r"<dt>prompt tokens</dt><dd>180,422<small>cached: unknown</small>", page)
    assert re.search(r"<dt>dollars</dt><dd>0.0312", render_report(replace(data, dollars=0.0312)))
    unknown = render_report(replace(data, ledger=LedgerTotals(calls=3, usage=Usage()), seconds=200))
    assert re.search(r"<dt>prompt tokens</dt><dd>unknown", unknown)
    assert re.search(r"<dt>time of the run</dt><dd>3 min 20 s", unknown)


def test_a_floor_that_a_scorer_does_not_read_is_not_beside_its_scores() -> None:
    unit = UnitId("layers.0.mlp", 0)
    rows = [("main", "a"), ("main", "b"), ("floor", "a")]
    score = Score("s", "m", {"m": Measure(0.5)})
    results = RunResults((unit,), (), [ScoreRow(Cell(unit, arm), scorer, score) for arm, scorer in rows])
    explained = [ExplanationRow(Cell(unit, arm), prose_explanation()) for arm in ("main", "floor")]
    results = replace(results, explanations=explained)
    assert (results.arms_under("a"), results.arms_under("b")) == (("main", "floor"), ("main",))


def test_scorers_stand_in_the_order_of_the_run() -> None:
    cell = Cell(UnitId("layers.0.mlp", 0), "main")
    rows = [ScoreRow(cell, name, Failure(Reason.DEAD, "")) for name in ("detection", "fuzzing", "more")]
    results = RunResults((cell.unit,), (), rows, ("fuzzing", "never_ran", "detection"))
    assert results.scorers == ("fuzzing", "detection", "more")


def test_main_is_compared_with_each_floor_on_the_same_units() -> None:
    units = [UnitId("layers.0.mlp", i) for i in range(3)]
    values = {("main", 0): 0.5, ("main", 1): 0.7, ("floor", 1): 0.4, ("floor", 2): 0.0}
    run = _scored(units, values)
    row = re.search(r"<tr><th scope=\"row\">floor</th>.*", render_report(run))
    assert row is not None
    assert text_of(row[0]) == "floor0.2021 not reached+0.30 on 1 unit"


def _scored(units: list[UnitId], values: dict[tuple[str, int], float]) -> ReportData:
    cells = {key: Cell(units[key[1]], key[0]) for key in values}
    scores = [
        ScoreRow(cells[key], "simulation", Score("simulation", "correlation", {"correlation": Measure(value)}))
        for key, value in values.items()
    ]
    return ReportData(
        RunManifest("r", "", {}, tuple(map(str, units)), {}, {}),
        [ExplanationRow(cell, prose_explanation()) for cell in cells.values()],
        scores,
        lambda unit: replace(unit_record(), unit=unit),
    )


def test_every_unit_has_a_card_and_a_line_in_the_index(page: str) -> None:
    for unit in sample_run().records:
        assert page.count(f'<article class="card" id="{unit}">') == 1
        assert f'<a href="#{unit}">{unit}</a>' in page


def test_every_absence_is_told_in_words(page: str) -> None:
    text = text_of(page)
    assert "No explanation, unparsable: The language model's answer could not be read. no line began" in text
    assert "No explanation, dead: The unit never fires" in text
    assert "No score, constant: The unit's true values do not vary" in text
    assert "The run has not come to this unit yet." in text


@pytest.mark.parametrize("reason", list(Reason))
def test_each_reason_has_words(reason: Reason) -> None:
    absence = explain_absence(Failure(reason, "what happened"))
    assert absence is not None
    assert absence.sentence.endswith(".")
    assert absence.detail == "what happened"


def test_an_undefined_score_is_an_absence_and_no_zero() -> None:
    score = Score("simulation", "correlation", {"correlation": Measure(None)}, flags=("constant",))
    absence = explain_absence(score)
    assert absence is not None
    assert (absence.label, absence.detail) == ("undefined", "constant")
    assert explain_absence(replace(score, measures={"correlation": Measure(0.0)})) is None


def test_the_card_shows_floors_ceiling_flags_and_counts() -> None:
    run = sample_run()
    unit = UnitId.parse("layers.9.mlp/410")
    card = unit_card(run.records[unit], _results(run), Limits())
    (explanation,) = card.explanations
    (score,) = explanation.scores
    assert explanation.text == "baking bread or cakes"
    assert (score.value, score.interval) == ("0.59", "0.47 to 0.68")
    assert [(c.name, c.score) for c in score.contenders] == [
        ("random_text", "0.06"),
        ("token_table", "0.61"),
        ("shuffled", "0.01"),
        ("ceiling", "0.98"),
    ]
    assert score.flags == ("levels 0 to 9",)
    assert score.answers == "412 asked, 409 answered, 3 unparsable, 0 failed"
    assert [(m.name, m.value) for m in score.measures][1:] == [
        ("correlation.random_only", "–"),
        ("r2.top_and_random", "−1.94"),
    ]
    assert score.unnoticed == score.measures[0].unnoticed == "extra labels at rare concepts"
    assert score.pairs[0].unanswered == 3


def _results(run: SampleRun) -> RunResults:
    return RunResults(tuple(run.records), run.explanations, run.scores)


def test_floors_are_shown_beside_a_missing_explanation() -> None:
    run = sample_run()
    card = unit_card(run.records[UnitId.parse("layers.21.mlp/64")], _results(run), Limits())
    (explanation,) = card.explanations
    assert explanation.absence is not None
    (score,) = explanation.scores
    assert score.absence is not None
    assert score.absence.sentence == "There is no explanation to score."
    assert [c.score for c in score.contenders] == ["0.06", "0.61"]


def test_scored_sequences_stand_highest_first_and_what_is_cut_is_said() -> None:
    run = sample_run()
    record = run.records[UnitId.parse("layers.2.mlp/17")]
    score = unit_card(record, _results(run), Limits(scored=2)).explanations[0].scores[0]
    maxima = sorted((r.maximum for r in record.splits[Split.TEST].top), reverse=True)
    assert [pair.maximum for pair in score.pairs] == [number(m) for m in maxima[:2]]
    assert score.cut == "2 of 5 scored sequences are shown."


def test_a_simulation_of_an_unknown_sequence_is_counted() -> None:
    run = sample_run()
    first, *others = run.scores
    lost = replace(first, simulations=(*first.simulations, Simulation(10**9, np.zeros(3), 10)))
    results = RunResults(tuple(run.records), run.explanations, [lost, *others])
    score = unit_card(run.records[first.cell.unit], results, Limits()).explanations[0].scores[0]
    assert score.cut == "1 scored sequence cannot be shown: not among the unit's records."


def test_records_of_all_splits_are_shown_and_counted() -> None:
    run = sample_run()
    card = unit_card(run.records[UnitId.parse("layers.2.mlp/17")], _results(run), Limits(top=3, random=5))
    sections = {section.title: section for section in card.sections}
    top, random = sections["Top records"], sections["Random records"]
    assert (top.count, random.count) == ("3 of 16 shown", "5 of 16 shown")
    assert [float(row.maximum) for row in top.rows] == sorted((float(row.maximum) for row in top.rows), reverse=True)
    assert [row.split for row in random.rows] == ["explain", "calibration", "valid", "test", "explain"]
    assert card.shortfalls == ("test: quantile bin 0.99-0.999: 0 of 5 records",)


def test_badges() -> None:
    run = sample_run()
    results = _results(run)

    def badges_of(record: UnitRecord) -> tuple[str, ...]:
        return unit_card(record, results, Limits()).badges

    assert badges_of(run.records[UnitId.parse("layers.21.mlp/900")]) == ("attention-sink-like",)
    assert badges_of(run.records[UnitId.parse("layers.14.mlp/77")]) == ("single token",)
    assert badges_of(dead_unit_record()) == ("dead",)


def test_units_beyond_the_limit_stay_in_the_index() -> None:
    asked: list[UnitId] = []
    data = report_data(sample_run())
    record_of = data.record_of
    page = render_report(
        replace(data, record_of=lambda unit: (asked.append(unit), record_of(unit))[1]),  # type: ignore[func-returns-value]
        Limits(cards=2),
    )
    assert len(asked) == page.count('<article class="card"') == 2
    assert "The first 2 of 11 units have cards." in page
    assert "<td>layers.27.mlp/1</td>" in page


def test_several_samples_are_numbered() -> None:
    unit = UnitId("layers.0.mlp", 0)
    rows = [ExplanationRow(Cell(unit, "main", i), prose_explanation(f"gloss {i}")) for i in range(2)]
    manifest = RunManifest("r", "", {}, (str(unit),), {}, {})
    text = text_of(render_report(ReportData(manifest, rows, [], lambda _: unit_record())))
    assert "2 explained" in text
    assert "layers.0.mlp/0 · sample 2gloss 1explained" in text
    assert "testing · sample 1" in text


def test_an_empty_run_is_a_page() -> None:
    page = render_report(ReportData(RunManifest("r", "", {}, (), {}, {}), [], [], lambda _: unit_record()))
    assert "Index of units" in page


def test_a_unit_without_records_is_a_card() -> None:
    unit = UnitId("probe", 0)
    record = UnitRecord(unit, unit_record().statistics, {Split.TEST: SplitRecords()})
    manifest = RunManifest("r", "", {}, (str(unit),), {}, {})
    assert 'id="probe/0"' in render_report(ReportData(manifest, [], [], lambda _: record))


def test_the_page_stays_small_enough_for_fifty_units() -> None:
    words = ["The"] + [f" word{i}" for i in range(62)]
    records = tuple(activation_record(token_sequence(words, id=i), {"word7": 1.234}) for i in range(20))
    kept = SplitRecords(records, records, dict.fromkeys("abcd", records[:5]), records[:10])
    unit = UnitId("layers.0.mlp", 0)
    record = UnitRecord(unit, unit_record().statistics, dict.fromkeys(Split, kept))
    simulations = tuple(Simulation(i, np.full(64, 3.21), 10) for i in range(10))
    data = _scored([unit], {("main", 0): 0.5})
    data = replace(data, record_of=lambda _: record, scores=[replace(data.scores[0], simulations=simulations)])
    empty = render_report(replace(data, manifest=replace(data.manifest, units=())))
    assert 50 * (len(render_report(data).encode()) - len(empty.encode())) < 8e6


def test_the_arguments_are_those_that_a_sample_run_holds() -> None:
    assert {f.name for f in fields(SampleRun)} - {"records"} < {f.name for f in fields(ReportData)}


@pytest.mark.parametrize(
    ("site", "layer"), [("layers.5.mlp", 5), ("layers.12", 12), ("probe", None), ("xlayers.1.mlp", None)]
)
def test_layers_are_read_from_sites(site: str, layer: int | None) -> None:
    assert UnitId(site, 0).layer == layer


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0"), (-0.0, "0"), (1.23456, "1.23"), (-0.012345, "−0.0123"), (999.9, "1,000"), (123456.7, "123,457"),
     (1.2e-7, "1.2e−07"), (None, "–"), (float("nan"), "–"), (float("-inf"), "−∞")],
)  # fmt: skip
def test_numbers_have_three_significant_digits(value: float | None, shown: str) -> None:
    assert number(value) == shown


def test_scores_differences_and_durations() -> None:
    assert (score_number(0.125), score_number(-0.001), score_number(None)) == ("0.12", "0.00", "–")
    assert (difference(0.2), difference(-0.2), difference(0.001)) == ("+0.20", "−0.20", "0.00")
    assert [duration(s) for s in (0.25, 59.6, 200, 7500)] == ["0.25 s", "1 min 0 s", "3 min 20 s", "2 h 5 min"]


def test_what_cannot_be_seen_is_shown() -> None:
    assert visible("a\x00b\x1bc\x7fd\u202ee\ud800f\x85") == "a␀b␛c␡d⟨202E⟩e\ufffdf⟨0085⟩"
    assert visible("👩‍🌾 نمی\u200cدانم\n\t") == "👩‍🌾 نمی\u200cدانم\n\t"
    assert (token_text("\n\t x"), token_text("")) == ("↵⇥ x", "∅")


def _variables(css: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): ([^;]+);", css))


def _luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.1."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_levels_differ_in_lightness_and_their_text_is_readable(mode: str) -> None:
    css = asset("report.css")
    variables = _variables(css.split("@media")[0])
    if mode == "dark":
        variables |= _variables(css.split("(prefers-color-scheme: dark)")[1].split("* {")[0])

    def colour(name: str) -> str:
        value = variables[name]
        return colour(value[6:-1]) if value.startswith("var(") else value

    def contrast(a: str, b: str) -> float:
        high, low = sorted((_luminance(colour(a)), _luminance(colour(b))), reverse=True)
        return (high + 0.05) / (low + 0.05)

    lightness = [_luminance(colour(name)) for name in ("card", *(f"l{i}" for i in range(1, 11)))]
    assert lightness == sorted(lightness, reverse=mode == "light")
    for level in range(1, 11):
        ink = "ink" if level < 6 else f"ink-{min(level, 8)}"
        assert contrast(f"l{level}", ink) >= 4.5, level
    for text in ("ink", "soft", "accent", "warn"):
        assert min(contrast(text, "card"), contrast(text, "page")) >= 4.5, text
