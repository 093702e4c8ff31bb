"""Whole benchmarks: resumed, swept, out of money, and with runs that fail."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from neurogloss import app
from neurogloss.builtin.llms.scripted import ScriptedModel
from neurogloss.cli.main import main

RUN = (
    "subject=synthetic",
    "llm=scripted",
    "units=[layers.0.mlp/0,layers.1.mlp/1,layers.1.mlp/4]",
    "collection.max_documents=80",
    "scorer.openai_2023.n_bootstrap=20",
)
PRESET = """
defaults: [axes, _self_]
simulators: {logprob: [simulator=logprob]}
explainers: {prose: [explainer=token_activation], words: [explainer=most_frequent_token]}
floors:
  table: [explainer=token_table, simulator=table]
"""
N_RUNS = 3

Start = Callable[..., tuple[int, Any]]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Start:
    """Runs a command with `--json --quiet`; gives its exit code and what it printed, as data or as a message."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine/benchmark").mkdir(parents=True)
    (tmp_path / "mine/benchmark/small.yaml").write_text(PRESET, encoding="utf-8")

    def command(name: str, *arguments: str) -> tuple[int, Any]:
        code = main([name, "--json", "--quiet", "--config-dir", "mine", *arguments])
        told = capsys.readouterr()
        return code, json.loads(told.out) if told.out else told.err

    return command


def _files(data: Any) -> dict[str, bytes]:
    return {Path(name).name: Path(name).read_bytes() for name in data["files"]}


def _calls(root: str = "neurogloss-store") -> int:
    connection = sqlite3.connect(Path(root) / "results.sqlite")
    try:
        return int(connection.execute("select count(*) from calls").fetchone()[0])
    finally:
        connection.close()


def test_a_benchmark_is_the_sweep_over_the_same_values(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    made = ScriptedModel.__init__
    monkeypatch.setattr(ScriptedModel, "__init__", lambda self, config: (built.append(config), made(self, config))[1])
    code, grid = start("benchmark", "benchmark=small", "benchmark.seeds=[0,1]", "~benchmark.floors.table", *RUN)
    assert code == 0
    assert len(built) == 1, "all runs share one language model"
    sweep = ("run", "-m", *RUN, "explainer=token_activation,most_frequent_token", "seed=0,1", "floor=[]")
    code, swept = start(*sweep)
    assert code == 0
    assert {job["run_id"] for job in swept["jobs"]} == {run["run_id"] for run in grid["runs"]}
    assert all(job["resumed"] for job in swept["jobs"])
    code, board = start("leaderboard", *(job["run_id"] for job in swept["jobs"]))
    assert code == 0
    expected, found = (
        {line["explainer"]: line["units"] for line in data["subjects"][0]["scorers"][0]["lines"]}
        for data in (grid, board)
    )
    assert found == {"token_activation": expected["prose"], "most_frequent_token": expected["words"]}


def test_an_interrupted_benchmark_goes_on_to_the_same_table(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    _, undisturbed = start("benchmark", "benchmark=small", *RUN, "store.root=undisturbed")
    whole = app.run_async
    begun = []

    async def interrupted(*arguments: Any) -> Any:
        begun.append(arguments)
        if len(begun) == N_RUNS - 1:
            raise KeyboardInterrupt
        return await whole(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(app, "run_async", interrupted)
        code, message = start("benchmark", "benchmark=small", *RUN)
    assert (code, "same command goes on" in message) == (130, True)
    for _ in range(2):
        code, again = start("benchmark", "benchmark=small", *RUN)
        assert code == 0
        assert _files(again) == _files(undisturbed)
    assert _calls() == _calls("undisturbed"), "nothing was asked twice"


def test_one_budget_stops_all_runs_and_a_larger_one_goes_on(start: Start) -> None:
    code, message = start("benchmark", "benchmark=small", *RUN, "budget.max_calls=5")
    assert code == 3
    assert f"Done: 1 of the benchmark's {N_RUNS} runs." in message
    assert _calls() <= 5
    code, board = start("benchmark", "benchmark=small", *RUN)
    assert code == 0
    assert [run["n_failed_units"] for run in board["runs"]] == [0] * N_RUNS


def test_runs_that_fail_do_not_stop_the_others_and_are_told(start: Start) -> None:
    given = (
        "+benchmark.subjects.lost=['units=[layers.9.mlp/0]']",
        "+benchmark.subjects.found=[]",
        "explainer/llm=scripted",
        "explainer.llm.fail_share=1",
        "limits.attempts=1",
    )
    run = [override for override in RUN if not override.startswith("units")]
    code, board = start("benchmark", "benchmark=small", *run, "benchmark.run=['units=[layers.0.mlp/0]']", *given)
    assert code == 1
    assert [subject["subject"] for subject in board["subjects"]] == ["found"]
    lines = {line["explainer"]: line for line in board["subjects"][0]["scorers"][0]["lines"]}
    assert lines["prose"]["reasons"] == {"failed": 1}
    assert lines["table"]["n_scored"] == 1
    assert [run["name"].split()[0] for run in board["runs"] if "error" in run] == ["lost"] * 3
    assert any("no site 'layers.9.mlp'" in note for note in board["notes"])


def test_components_of_a_third_party_are_rows_and_blocks_like_any_other(start: Start) -> None:
    code, board = start("benchmark", "benchmark=small", *RUN, "scorer=[openai_2023,top_hit_20]", "--against", "words")
    assert code == 0
    simulation, hits = board["subjects"][0]["scorers"]
    assert hits["reference"]["explainer"] == "words"
    assert {line["explainer"] for line in hits["lines"]} == {"prose", "words"}
    assert hits["lines"][0]["explainer"] == "words"
    assert {line["explainer"] for line in simulation["lines"]} == {"prose", "words", "table"}
    rows = csv.DictReader(io.StringIO(Path(board["files"][2]).read_text(encoding="utf-8")))
    assert "top_hit_20" in {row["scorer"] for row in rows}
    assert board["subjects"][0]["agreement"]["columns"] == ["openai_2023", "top_hit_20"]


def test_a_plan_lists_the_runs_and_does_none(start: Start, tmp_path: Path) -> None:
    code, plan = start("benchmark", "benchmark=small", *RUN, "--plan")
    assert code == 0
    assert len(plan["runs"]) == N_RUNS
    assert not (tmp_path / "neurogloss-store").exists()


def test_a_leaderboard_needs_runs(start: Start) -> None:
    assert start("leaderboard") == (2, start("leaderboard")[1])
    assert "No run was named" in start("leaderboard", "store.root=x")[1]


def test_a_reference_that_is_no_row_is_told_before_anything_runs(start: Start, tmp_path: Path) -> None:
    code, told = start("benchmark", "benchmark=small", *RUN, "--against", "prosa")
    assert code == 2
    assert "No row is called 'prosa'" in told
    assert "Did you mean prose?" in told
    assert not (tmp_path / "neurogloss-store").exists()


def test_a_folder_that_cannot_be_written_is_told(start: Start, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    code, told = start("benchmark", "benchmark=small", *RUN, "--output", "file/here")
    assert code == 2
    assert "The leaderboard cannot be written to file/here." in told
