"""Estimates beside the ledgers of the runs that follow them."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from neurogloss import session
from neurogloss.builtin.llms.configs import ScriptedConfig
from neurogloss.builtin.llms.scripted import ScriptedModel
from neurogloss.cli import estimate, running
from neurogloss.cli.main import main
from neurogloss.errors import ConfigError
from neurogloss.plugin.component import Component
from neurogloss.plugin.loading import Plugin, load_plugin
from neurogloss.plugin.registry import Registry
from neurogloss.records.requests import ChoiceReply, ChoiceRequest, GenerateReply, GenerateRequest, Request, Usage

SMALL = (
    "subject=synthetic",
    "collection.max_documents=60",
    "scorer.openai_2023.n_bootstrap=0",
    "scorer.openai_2023.n_permutations=0",
)
EIGHT = "units=[layers.0.mlp/0:4,layers.1.mlp/0:4]"
VARIABLE = "KEY_OF_THE_METERED"

Start = Callable[..., dict[str, Any]]


@dataclass
class MeteredConfig:
    model: str = "gpt-4o"
    key_env: str = VARIABLE


class MeteredModel(ScriptedModel):
    """The scripted model behind a name that has a price; half of each later prompt is read from a cache."""

    n_asked = 0
    n_probed = 0

    def __init__(self, config: MeteredConfig) -> None:
        super().__init__(ScriptedConfig())
        self._name = config.model
        if not os.environ.get(config.key_env):
            raise ConfigError("the key is missing")

    def identity(self) -> Mapping[str, str]:
        return {"provider": "openai", "model": self._name}

    async def generate(self, request: GenerateRequest) -> GenerateReply:
        reply = await super().generate(request)
        return GenerateReply(reply.completions, self._metered(reply.usage))

    async def choice_logprobs(self, request: ChoiceRequest) -> ChoiceReply:
        reply = await super().choice_logprobs(request)
        return ChoiceReply(reply.logprobs, self._metered(reply.usage))

    async def usable_choices(self, choices: Sequence[str]) -> tuple[str, ...]:
        type(self).n_probed += 1
        return tuple(choices)

    async def count_tokens(self, request: Request) -> int:
        return 3 + await super().count_tokens(request)

    def _metered(self, usage: Usage) -> Usage:
        type(self).n_asked += 1
        n_cached = (usage.prompt_tokens or 0) // 2 if type(self).n_asked > 5 else 0
        return Usage(usage.prompt_tokens, n_cached, usage.completion_tokens)


@pytest.fixture
def metered(monkeypatch: pytest.MonkeyPatch) -> type[MeteredModel]:
    """The metered model's class, registered as the llm `metered`; its key is there."""
    able = ("generate", "choice_logprobs", "json_schema")
    components = [
        Component("llm", "metered", MeteredConfig, "metered_for_tests:MeteredModel", provides=able),
        Component("llm", "local", MeteredConfig, "nowhere:Nothing", provides=able),
        Component("subject", "smollm2", MeteredConfig, "nowhere:Nothing"),
    ]
    module = ModuleType("metered_for_tests")
    module.MeteredModel = MeteredModel  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "metered_for_tests", module)
    builtin = load_plugin(EntryPoint("builtin", "neurogloss.builtin.plugin", "neurogloss"))
    registry = Registry([builtin, Plugin("neurogloss-metered", "1.0", "metered", components)])
    for user in (session, running, estimate):
        monkeypatch.setattr(user, "load_registry", lambda: registry)
    monkeypatch.setattr(MeteredModel, "n_asked", 0)
    monkeypatch.setattr(MeteredModel, "n_probed", 0)
    monkeypatch.setenv(VARIABLE, "a key")
    return MeteredModel


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Start:
    """Runs a command in an empty folder and returns what it prints as JSON."""
    monkeypatch.chdir(tmp_path)

    def started(command: str, *arguments: str) -> dict[str, Any]:
        assert main([command, "--quiet", "--json", *SMALL, *arguments]) in (0, 1)  # scripted JSON cannot be read
        data: dict[str, Any] = json.loads(capsys.readouterr().out)
        return data

    return started


def _contains(interval: Mapping[str, float], value: float) -> bool:
    return interval["low"] <= value <= interval["high"]


def _width(interval: Mapping[str, float]) -> float:
    return interval["high"] - interval["low"]


def _agrees(estimated: dict[str, Any], ledger: dict[str, Any], tolerance: float = 0.15) -> bool:
    """Calls and prompt tokens are near the outcome, and the completion tokens contain it."""
    in_all = estimated["all_units"]
    near = [in_all[name]["expected"] for name in ("calls", "prompt_tokens")]
    assert near == pytest.approx([ledger["calls"], ledger["prompt_tokens"]], rel=tolerance)
    assert _contains(in_all["calls"], ledger["calls"])
    assert _contains(in_all["completion_tokens"], ledger["completion_tokens"])
    return True


@pytest.mark.parametrize("simulator", ["logprob", "json"])
def test_an_estimate_is_near_the_run_that_follows(start: Start, simulator: str) -> None:
    arguments = ("llm=scripted", EIGHT, f"simulator={simulator}")
    estimated = start("estimate", *arguments, "--sample=4")
    assert (estimated["n_units"], estimated["n_looked_at"], estimated["n_sampled"]) == (8, 8, 4)
    assert _agrees(estimated, start("run", *arguments)["ledger"])


def test_what_many_units_ask_alike_is_counted_once(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 12 units 6 are looked at; the floor has two glosses for them all."""
    units = "units=[layers.0.mlp/0:7,layers.1.mlp/0:5]"
    monkeypatch.setattr("neurogloss.estimating.LOOKED_AT", 6)
    monkeypatch.setattr("neurogloss.builtin.explainers.random_text.GLOSSES", ["words about rain", "words about trains"])
    estimated = start("estimate", "llm=scripted", units, "--sample=4")
    ledger = start("run", "llm=scripted", units)["ledger"]
    assert (estimated["n_units"], estimated["n_looked_at"]) == (12, 6)
    assert _agrees(estimated, ledger)
    assert ledger["calls"] < 0.85 * 12 * 21, "or nothing is asked alike"


def test_a_pilot_narrows_the_estimate_and_is_part_of_the_run(start: Start, metered: type[MeteredModel]) -> None:
    before = start("estimate", "llm=metered", EIGHT)
    assert metered.n_asked == 0
    after = start("estimate", "llm=metered", EIGHT, "--pilot=3")
    n_asked, pilot = metered.n_asked, after["pilot"]
    assert 0 < pilot["calls"] <= n_asked
    again = start("estimate", "llm=metered", EIGHT, "--pilot=3")
    assert again["pilot"]["calls"] == 0
    assert again["all_units"] == after["all_units"]
    done = start("run", "llm=metered", EIGHT)
    assert done["run_id"] == pilot["run_id"]
    assert done["resumed"]
    assert done["ledger"]["reused"] == 0
    for estimated in (before, after):
        assert _agrees(estimated, done["ledger"])
        assert _contains(estimated["all_units"]["usd"], done["ledger"]["usd"])
    for name in ("completion_tokens", "usd"):
        assert _width(after["all_units"][name]) < 0.5 * _width(before["all_units"][name])
    assert before["duration"]["hours"]["low"] > 0


def test_a_pilot_keeps_to_the_budget(
    start: Start, metered: type[MeteredModel], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["estimate", "--quiet", *SMALL, "llm=metered", EIGHT, "--pilot=3", "budget.max_calls=4"]
    assert main(arguments) == 3
    assert "budget.max_calls=4" in capsys.readouterr().err
    assert metered.n_asked <= 4


def test_an_estimate_needs_no_key_asks_nothing_and_leaves_no_result(
    start: Start, metered: type[MeteredModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE)
    estimated = start("estimate", "llm=metered", EIGHT)
    assert estimated["all_units"]["usd"]["low"] > 0
    assert (metered.n_asked, metered.n_probed) == (0, 0)
    assert VARIABLE not in os.environ
    connection = sqlite3.connect("neurogloss-store/results.sqlite")
    tables = ("runs", "explanations", "scores", "simulations", "calls", "uses")
    assert [connection.execute(f"select count(*) from {table}").fetchone() for table in tables] == [(0,)] * 6
    connection.close()


def test_an_unknown_price_is_unknown(
    start: Start, metered: type[MeteredModel], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("llm=metered", "llm.model=nobody-sells-it", "explainer/llm=metered", EIGHT)
    estimated = start("estimate", *arguments)
    assert estimated["all_units"]["usd"] is None
    priced = {role["role"]: role["all_units"]["usd"] for role in estimated["roles"]}
    assert priced["simulator"] is None
    assert priced["explainer"]["high"] > priced["explainer"]["low"] > 0
    assert main(["estimate", "--quiet", *SMALL, *arguments]) == 0
    assert "unknown" in capsys.readouterr().out


def test_more_units_than_are_chosen(start: Start) -> None:
    few = start("estimate", "llm=scripted", EIGHT, "--sample=8")
    many = start("estimate", "llm=scripted", EIGHT, "--sample=8", "--units-total=307200")
    assert few["all_units"]["prompt_tokens"]["low"] == few["all_units"]["prompt_tokens"]["high"], "all were counted"
    assert many["n_units"] == 307200
    for name in ("calls", "prompt_tokens"):
        scaled = few["all_units"][name]["expected"] * 307200 / 8
        assert 0.5 * scaled < many["all_units"][name]["expected"] <= scaled, "the floor's glosses come again"
        assert _contains(many["all_units"][name], many["all_units"][name]["expected"])
        assert many["one_unit"][name]["expected"] == pytest.approx(many["all_units"][name]["expected"] / 307200)


def test_a_run_that_asks_nothing_costs_nothing(start: Start) -> None:
    nothing = {"low": 0, "high": 0, "expected": 0}
    estimated = start("estimate", "explainer=token_table", "simulator=table", "floor=[]", EIGHT)
    assert estimated["roles"] == []
    assert estimated["all_units"]["usd"] == nothing
    assert estimated["duration"]["hours"]["high"] == 0
