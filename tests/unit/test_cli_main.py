from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml

from neurogloss import __version__
from neurogloss.cli import doctor, results, run_help, running
from neurogloss.cli.main import main
from neurogloss.errors import BudgetError, LanguageModelError
from neurogloss.plugin.registry import Registry
from neurogloss.records.explanations import ProseExplanation, Provenance
from neurogloss.records.runs import Cell, ExplanationRow, LedgerTotals, RunManifest, ScoreRow
from neurogloss.records.scores import Measure, Score
from neurogloss.records.units import UnitId
from neurogloss.store.configs import SqliteStoreConfig
from neurogloss.store.sql import SqlResultStore

UNIT = UnitId("layers.0.mlp", 1)


@pytest.fixture(autouse=True)
def _registry(some_registry: Registry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for module in (running, results, doctor, run_help):
        monkeypatch.setattr(module, "load_registry", lambda: some_registry)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
    """Puts functions in place of the application's and returns the list of what they were given."""

    def replace(**functions: Callable[..., Any]) -> list[Any]:
        calls: list[Any] = []
        module = ModuleType("neurogloss.app")
        for name, function in functions.items():

            def recorded(*given: Any, function: Callable[..., Any] = function) -> Any:
                calls.append(given)
                return function(*given)

            setattr(module, name, recorded)
        monkeypatch.setitem(sys.modules, "neurogloss.app", module)
        monkeypatch.setattr(sys.modules["neurogloss"], "app", module, raising=False)
        return calls

    return replace


def _ran(settings: Any, progress: Any, n_failed_units: int = 0) -> SimpleNamespace:
    score = Score("openai_2023", "correlation", {"correlation": Measure(settings.seed / 4)})
    return SimpleNamespace(
        run_id=f"run{settings.seed}",
        manifest=SimpleNamespace(units=(str(UNIT),)),
        explanations=[ExplanationRow(Cell(UNIT, "main"), ProseExplanation(Provenance("x"), "rain"))],
        scores=[ScoreRow(Cell(UNIT, "main"), "openai_2023", score)],
        ledger=LedgerTotals(),
        report=Path("r.html"),
        n_failed_units=n_failed_units,
        resumed=False,
        seconds=1.0,
        notes=settings.notes,
    )


def _raising(error: BaseException) -> Callable[..., Any]:
    def function(*_: Any) -> Any:
        raise error

    return function


def test_run_hands_the_settings_over_and_prints_the_table(
    app: Callable[..., list[Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    calls = app(run=_ran)
    assert main(["run", "--quiet", "seed=2", "units=[all]"]) == 0
    ((settings, _),) = calls
    assert (settings.seed, settings.units) == (2, ("all",))
    captured = capsys.readouterr()
    assert "rain" in captured.out
    assert "0.500" in captured.out
    assert captured.err == ""


def test_flags_may_stand_between_overrides(app: Callable[..., list[Any]], capsys: pytest.CaptureFixture[str]) -> None:
    calls = app(run=_ran)
    assert main(["run", "seed=3", "--json", "units=[all]", "--quiet", "~experiment"]) == 0
    assert calls[0][0].units == ("all",)
    assert json.loads(capsys.readouterr().out)["run_id"] == "run3"


def test_failed_units_are_exit_code_1(app: Callable[..., list[Any]]) -> None:
    app(run=lambda settings, progress: _ran(settings, progress, n_failed_units=2))
    assert main(["run"]) == 1


@pytest.mark.parametrize(
    ("error", "code"), [(LanguageModelError("no"), 1), (BudgetError("spent"), 3), (ZeroDivisionError("oh"), 1)]
)
def test_errors_are_one_message_and_an_exit_code(
    error: Exception, code: int, app: Callable[..., list[Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    app(run=_raising(error))
    assert main(["run", "--quiet"]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert str(error) in captured.err
    assert captured.err.startswith("neurogloss: ")
    assert "Traceback" not in captured.err
    assert main(["run", "--quiet", "--debug"]) == code
    assert "Traceback" in capsys.readouterr().err


def test_an_interruption_says_that_nothing_committed_is_lost(
    app: Callable[..., list[Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    app(run=_raising(KeyboardInterrupt()))
    assert main(["run"]) == 130
    assert "the same command goes on" in capsys.readouterr().err


def test_a_sweep_runs_every_job_and_one_that_fails_stops_no_other(
    app: Callable[..., list[Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    def sometimes(settings: Any, progress: Any) -> Any:
        if settings.seed == 1:
            raise BudgetError("spent")
        return _ran(settings, progress)

    calls = app(run=sometimes)
    assert main(["run", "-m", "seed=0,1,2", "llm=scripted", "--json", "--quiet"]) == 3
    assert [settings.seed for settings, _ in calls] == [0, 1, 2]
    jobs = json.loads(capsys.readouterr().out)["jobs"]
    assert [job["overrides"] for job in jobs] == ["seed=0", "seed=1", "seed=2"]
    assert jobs[1]["error"] == "spent"
    assert jobs[2]["means"]["openai_2023"]["main"]["value"] == 0.5
    assert main(["run", "-m", "seed=2,1", "explainer/llm=local,chat", "--quiet"]) == 3
    text = capsys.readouterr().out
    assert "seed=2 explainer/llm=chat" in text
    assert "0.500 (1 of 1)" in text
    assert "spent" in text


def test_no_job_of_a_sweep_runs_when_one_is_misspelled(app: Callable[..., list[Any]]) -> None:
    calls = app(run=_ran)
    assert main(["run", "-m", "llm=local,lokal"]) == 2
    assert calls == []


def test_the_composed_config_is_yaml(app: Callable[..., list[Any]], capsys: pytest.CaptureFixture[str]) -> None:
    calls = app(run=_ran)
    assert main(["run", "--cfg", "job", "simulator.calibration=linear"]) == 0
    config = yaml.safe_load(capsys.readouterr().out)
    assert config["simulator"]["calibration"] == "linear"
    assert config["collection"]["top_k"] == 20
    assert calls == []


def test_collect_tells_what_it_read(app: Callable[..., list[Any]], capsys: pytest.CaptureFixture[str]) -> None:
    found = SimpleNamespace(key="k", units=(UNIT,), n_documents=2, n_sequences=3, n_tokens=90, seconds=0.5)
    app(collect=lambda settings, progress: found)
    assert main(["collect", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "collection": "k",
        "n_units": 1,
        "n_documents": 2,
        "n_sequences": 3,
        "n_tokens": 90,
        "seconds": 0.5,
    }
    assert main(["collect"]) == 0
    assert "tokens      90" in capsys.readouterr().out


def test_help_lists_groups_options_and_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--help"]) == 0
    text = capsys.readouterr().out
    for part in ("subject ", "elsewhere, smollm2, synthetic", "openai_2023", "--multirun", "experiment=demo", "demo"):
        assert part in text
    assert main([]) == 0
    assert "plugins" in capsys.readouterr().out


def test_the_leaderboards_help_asks_for_runs(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["leaderboard", "--help"])
    text = capsys.readouterr().out
    assert "[RUN ...]" in text
    assert "--against EXPLAINER" in text
    assert "OVERRIDE" not in text


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert main(["--version"]) == 0
    assert main(["version", "--json"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"neurogloss {__version__}",
        f"neurogloss {__version__}",
        json.dumps({"version": __version__}),
    ]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["rnu"], "Did you mean run?"),
        (["run", "--jsn"], "run does not know --jsn"),
        (["version", "seed=1"], "version does not know seed=1"),
        (["run", "--cfg", "jbo"], "job"),
        (["report"], "No run was named"),
        (["--debug"], "No command"),
        (["runs"], "no store neurogloss-store"),
        (["runs", "seed=1"], "no key seed"),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: list[str], part: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert part in captured.err
    assert captured.err.count("neurogloss: ") == 1
    assert captured.out == ""


def test_report_hands_over_the_store_and_the_run(
    app: Callable[..., list[Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    calls = app(report=lambda store, run, path: path or Path("made.html"))
    assert main(["report", "abc", "store.root=there"]) == 0
    assert main(["report", "latest", "--output", "x.html", "--json"]) == 0
    assert capsys.readouterr().out.splitlines() == ["made.html", '{"report": "x.html"}']
    assert calls[0][0].config.root == "there"
    assert calls[1][1] == "latest"


def test_runs_are_listed_and_deleted(capsys: pytest.CaptureFixture[str]) -> None:
    store = SqlResultStore(SqliteStoreConfig(root="there"))
    config = {"subject": {"component": "transformers", "model": "gpt2"}, "explainer": {"component": "token_table"}}
    store.begin_run(RunManifest("abc123", "2025-01-01T00:00:00+00:00", config, ("a/1", "a/2"), {}, {}))
    store.close()
    assert main(["runs", "store.root=there"]) == 0
    text = capsys.readouterr().out
    assert "abc123" in text
    assert "gpt2" in text
    assert main(["runs", "store.root=there", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["runs"][0]["n_units"] == 2
    assert sum(data["bytes"].values()) > 0
    assert main(["runs", "store.root=there", "--delete", "abc"]) == 0
    assert "deleted abc123" in capsys.readouterr().out
    assert main(["runs", "store.root=there", "--delete", "abc"]) == 2


def test_doctor_tells_what_is_wrong(capsys: pytest.CaptureFixture[str], some_registry: Registry) -> None:
    assert main(["doctor", "--json"]) == 1
    data = json.loads(capsys.readouterr().out)
    checks = {check["check"]: check for check in data["checks"]}
    assert checks["store sqlite"]["ok"]
    assert checks["store"]["ok"]
    assert checks["default run"]["ok"]
    assert not checks["subject smollm2"]["ok"], "its factory does not exist"
    assert "nowhere" in checks["subject smollm2"]["found"]
    some_registry.add_problem(some_registry.get("llm", "local"), "it is haunted")
    assert main(["doctor"]) == 1
    assert "WRONG plugin: neurogloss-madeup 1.0 (madeup): it is haunted" in capsys.readouterr().out
