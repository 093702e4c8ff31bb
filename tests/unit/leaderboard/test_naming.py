from __future__ import annotations

from typing import Any

from neurogloss.leaderboard.naming import entries_of
from neurogloss.records.runs import RunManifest


def _run(
    run_id: str, *, explainer: dict[str, Any] | None = None, seed: int = 0, llm: str = "m", **config: Any
) -> RunManifest:
    chosen = {
        "subject": {"component": "transformers"},
        "corpus": {"component": "bundled"},
        "collection": {"top_k": 20, "batch_size": 32},
        "explainer": explainer or {"component": "prose", "n_records": 5},
        "simulator": {"component": "logprob", "calibration": "none"},
        "scorer": {"simulation": {"component": "simulation", "n_top": 5}},
        "floor": {},
        "score_on": "test",
        "seed": seed,
        **config,
    }
    identities = {"subject": {"model": "hub/small"}, "llm of the explainer": {"model": f"hub/{llm}"}}
    return RunManifest(run_id, "", chosen, ("layers.0.mlp/1",), identities, {}, "c")


def _names(*runs: RunManifest) -> list[tuple[str, ...]]:
    return [(e.row.subject, e.row.explainer, e.row.llm, e.row.simulator, e.row.judge) for e in entries_of(runs)]


def test_a_run_alone_is_named_by_its_components() -> None:
    assert _names(_run("a")) == [("hub/small", "prose", "m", "logprob", "")]


def test_rows_are_named_by_what_differs() -> None:
    more = {"component": "prose", "n_records": 10}
    assert [name[1:3] for name in _names(_run("a"), _run("b", explainer=more), _run("c", llm="large"))] == [
        *(("prose n_records=5", "m"), ("prose n_records=10", "m"), ("prose n_records=5", "large"))
    ]
    calibrated = {"component": "logprob", "calibration": "linear"}
    assert [name[3] for name in _names(_run("a"), _run("b", simulator=calibrated))] == [
        *("logprob calibration=none", "logprob calibration=linear")
    ]


def test_other_records_are_another_subject_and_other_seeds_are_not() -> None:
    other = _run("b", collection={"top_k": 5, "batch_size": 1})
    assert [name[0] for name in _names(_run("a"), other)] == [
        *("hub/small collection.top_k=20", "hub/small collection.top_k=5")
    ]
    assert len(set(_names(_run("a"), _run("b", seed=1)))) == 1


def test_floors_of_runs_are_rows_once_each() -> None:
    floor = {"token_table": {"explainer": {"component": "token_table"}, "simulator": {"component": "table"}}}
    entries = entries_of([_run("a", floor=floor), _run("b", floor=floor, llm="large")])
    assert [(e.row.explainer, e.row.llm, e.row.simulator, e.arm, e.floor) for e in entries] == [
        ("prose", "m", "logprob", "main", False),
        ("token_table", "", "table", "token_table", True),
        ("prose", "large", "logprob", "main", False),
    ]
