"""Whole runs on a model that costs money: budgets, recording, asking again, and a key that must not be seen."""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from neurogloss import session
from neurogloss.builtin.llms.configs import ScriptedConfig
from neurogloss.builtin.llms.scripted import ScriptedModel
from neurogloss.cli import doctor, results, running
from neurogloss.cli.main import main
from neurogloss.errors import ConfigError, PermanentError
from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.interfaces.probing import Finding, Probing
from neurogloss.plugin.component import Component
from neurogloss.plugin.loading import Plugin, load_plugin
from neurogloss.plugin.registry import Registry
from neurogloss.records import codec
from neurogloss.records.requests import (
    ChoiceReply,
    ChoiceRequest,
    Completion,
    GenerateReply,
    GenerateRequest,
    Request,
    Usage,
)

CANARY = "canary-3f9a7c21d5e8"
VARIABLE = "PLANTED_HERE"
RUN = (
    "subject=synthetic",
    "llm=paid",
    "units=[layers.0.mlp/0,layers.1.mlp/4]",
    "collection.max_documents=80",
    "collection.batch_size=8",
    "scorer.openai_2023.n_bootstrap=20",
)
FOUR = "units=[layers.0.mlp/0,layers.0.mlp/5,layers.1.mlp/1,layers.1.mlp/4]"


@dataclass
class PaidConfig:
    model: str = "gpt-4o"
    key_env: str = VARIABLE


class PaidModel(LanguageModel, Probing):
    """The scripted model behind a paid name; `fates` says what becomes of a request."""

    asked: list[str] = []  # noqa: RUF012
    fates: Callable[[Request], str] = staticmethod(lambda request: "")

    def __init__(self, config: PaidConfig) -> None:
        import os

        self._config = config
        self._key = os.environ.get(config.key_env, "")
        if not self._key:
            raise ConfigError("the key is missing")
        self._scripted = ScriptedModel(ScriptedConfig())

    @property
    def capabilities(self) -> frozenset[str]:
        return self._scripted.capabilities

    def identity(self) -> Mapping[str, str]:
        return {"provider": "openai", "model": self._config.model}

    async def generate(self, request: GenerateRequest) -> GenerateReply:
        match self._fate(request):
            case "garbled":
                return GenerateReply((Completion("}{ 123"),), Usage(100, 50, 5))
            case "refused":
                return GenerateReply((Completion("", "refusal"),), Usage(100, 50, 5))
        reply = await self._scripted.generate(request)
        return GenerateReply(reply.completions, Usage(100, 50, 5))

    async def usable_choices(self, choices: Sequence[str]) -> tuple[str, ...]:
        self.asked.append("usable")
        return tuple(choices)

    async def choice_logprobs(self, request: ChoiceRequest) -> ChoiceReply:
        logprobs = (await self._scripted.choice_logprobs(request)).logprobs
        if self._fate(request) in ("garbled", "refused"):
            logprobs = np.full_like(logprobs, -np.inf)
        return ChoiceReply(logprobs, Usage(400, 300, 10))

    async def probe(self) -> tuple[Finding, ...]:
        return (
            Finding("generate", True, "it answered"),
            Finding("json_schema", False, f"it said no to {self._key}"),
            Finding("prefill", False, "never heard of"),
        )

    def _fate(self, request: Request) -> str:
        self.asked.append(hashlib.sha256(codec.encode(request).encode()).hexdigest())
        fate = type(self).fates(request)
        if fate == "refused by the server":
            raise PermanentError(f"401: Authorization: Bearer {self._key}", known=f"The key {self._key} is wrong.")
        if fate == "broken":
            raise RuntimeError("broken") from ValueError(f"headers: x-api-key: {self._key}")
        if fate == "told":
            raise OSError(f"cannot connect to https://user:{self._key}@host with {self._key}")
        return fate


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> type[PaidModel]:
    """The paid model's class, registered as the llm `paid`, with its key planted."""
    component = Component(
        "llm", "paid", PaidConfig, "paid_for_tests:PaidModel", provides=("generate", "choice_logprobs", "json_schema")
    )
    module = ModuleType("paid_for_tests")
    module.PaidModel = PaidModel  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "paid_for_tests", module)
    builtin = load_plugin(EntryPoint("builtin", "neurogloss.builtin.plugin", "neurogloss"))
    stand_ins = [
        Component("subject", "smollm2", PaidConfig, "nowhere:Nothing"),
        Component("llm", "local", PaidConfig, "nowhere:Nothing", provides=("generate", "choice_logprobs")),
    ]
    registry = Registry([builtin, Plugin("neurogloss-paid", "1.0", "paid", [component, *stand_ins])])
    for user in (session, running, results, doctor):
        monkeypatch.setattr(user, "load_registry", lambda: registry)
    monkeypatch.setattr(PaidModel, "asked", [])
    monkeypatch.setattr(PaidModel, "fates", staticmethod(lambda request: ""))
    monkeypatch.setenv(VARIABLE, CANARY)
    return PaidModel


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs the command line in an empty folder; returns its exit code."""
    monkeypatch.chdir(tmp_path)
    return lambda *overrides, command="run": main([command, "--quiet", *RUN, *overrides])


def _table(store: str = "neurogloss-store") -> list[tuple[Any, ...]]:
    """Every byte of what a run concludes."""
    connection = sqlite3.connect(Path(store) / "results.sqlite")
    try:
        return [
            row
            for query in (
                "select run_id, unit, arm, sample, summary, outcome from explanations order by 1, 2, 3, 4",
                "select run_id, unit, arm, sample, scorer, value, reason, outcome from scores order by 1, 2, 3, 4, 5",
                "select run_id, unit, arm, sample, scorer, place, simulation from simulations order by 2, 3, 4, 5, 6",
            )
            for row in connection.execute(query)
        ]
    finally:
        connection.close()


def _spent(store: str = "neurogloss-store") -> tuple[int, float]:
    connection = sqlite3.connect(Path(store) / "results.sqlite")
    try:
        calls, dollars = connection.execute("select count(*), sum(usd) from calls").fetchone()
        return int(calls), float(dollars)
    finally:
        connection.close()


def _some(fate: str, every: int) -> Callable[[Request], str]:
    """A fate for one in so many requests, always the same ones."""

    def fates(request: Request) -> str:
        digest = hashlib.sha256(codec.encode(request).encode()).digest()
        return fate if int.from_bytes(digest[:4]) % every == 0 else ""

    return fates


def test_a_budget_stops_the_run_and_a_larger_one_goes_on(
    start: Callable[..., int], model: type[PaidModel], capsys: pytest.CaptureFixture[str]
) -> None:
    assert start("store.root=whole") == 0
    whole_calls, whole_dollars = _spent("whole")
    n_asked = len(set(model.asked))
    # 50 prompt tokens at 2.50, 50 cached at 1.25 and 5 completion tokens at 10 dollars a million, and so on.
    assert whole_dollars == pytest.approx(
        (2 * (50 * 2.5 + 50 * 1.25 + 5 * 10) + 40 * (100 * 2.5 + 300 * 1.25 + 100)) / 1e6
    )
    assert f"${whole_dollars:,.4f}" in capsys.readouterr().out
    model.asked.clear()
    dollars = []
    for _ in range(2):
        assert start("budget.max_usd=0.015") == 3
        dollars.append(_spent()[1])
    assert 0 < dollars[0] <= 0.015
    told = capsys.readouterr().err
    assert "budget.max_usd=0.015" in told
    assert "units" in told
    assert "larger budget.max_usd" in told
    assert dollars[1] <= 0.015
    assert start("budget.max_usd=5") == 0
    assert _spent()[0] == whole_calls
    assert _spent()[1] == pytest.approx(whole_dollars)
    calls = [key for key in model.asked if key != "usable"]
    assert len(calls) == len(set(calls)) == n_asked - 1, "nothing is paid for twice"
    assert _table() == _table("whole")


def test_dollars_are_limited_only_where_they_are_known(
    start: Callable[..., int], model: type[PaidModel], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert start("llm.model=gpt-999", "budget.max_usd=1") == 2
    told = capsys.readouterr().err
    assert "model=gpt-999 provider=openai" in told
    assert "prices=[FILE]" in told
    assert list(tmp_path.iterdir()) == [], "found out before anything else"
    table = "providers: [openai]\ndate: 2026-05-01\nmodels: [{names: [gpt-999], input: 1, output: 1}]\n"
    (tmp_path / "mine.yaml").write_text(table, encoding="utf-8")
    assert start("llm.model=gpt-999", "budget.max_usd=1", "prices=[mine.yaml]", "units=[layers.0.mlp/0]") == 0
    assert start("llm.model=gpt-99", "units=[layers.0.mlp/0]") == 0
    assert "unknown" in capsys.readouterr().out.split("cost")[-1]


def test_a_missing_key_is_named_before_anything_is_done(
    start: Callable[..., int],
    model: type[PaidModel],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, " ")
    assert start() == 2
    assert f"The environment variable {VARIABLE} is not set." in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_replayed_run_is_the_recorded_one_to_the_byte(
    start: Callable[..., int],
    model: type[PaidModel],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kinds = [_some("garbled", 3), _some("told", 11), _some("refused", 5)]
    model.fates = staticmethod(lambda request: next(filter(None, (kind(request) for kind in kinds)), ""))
    assert start("llm.mode=record", "llm.ledger=calls.jsonl") == 1
    recorded, n_asked = _table(), len(model.asked)
    assert any("unparsable" in str(row) for row in recorded)
    assert any("OSError" in str(row) for row in recorded)
    monkeypatch.delenv(VARIABLE)
    assert start("llm.mode=replay", "llm.ledger=calls.jsonl", "store.root=other") == 1
    assert _table("other") == recorded
    assert len(model.asked) == n_asked, "nobody was asked"
    capsys.readouterr()
    assert start("llm.mode=replay", "llm.ledger=calls.jsonl", "store.root=third", "seed=1") == 2
    assert "The ledger file does not hold what the explainer asks" in capsys.readouterr().err
    assert start("llm.mode=replay", "llm.ledger=none.jsonl") == 2
    assert "there is no ledger file none.jsonl" in capsys.readouterr().err


def test_a_run_is_recorded_from_its_beginning(
    start: Callable[..., int], model: type[PaidModel], capsys: pytest.CaptureFixture[str]
) -> None:
    assert start("budget.max_calls=5") == 3
    assert start("llm.mode=record", "llm.ledger=calls.jsonl") == 2
    assert "begun without the ledger file" in capsys.readouterr().err
    record = ("llm.mode=record", "llm.ledger=new/calls.jsonl", "store.root=recorded")
    assert start("budget.max_calls=5", *record) == 3
    assert start(*record) == 0
    assert start("llm.mode=replay", "llm.ledger=new/calls.jsonl", "store.root=other") == 0
    assert _table("other") == _table("recorded")


@pytest.mark.parametrize("fate", ["garbled", "refused", "told"])
def test_retry_failed_asks_again_what_was_of_no_use_and_nothing_else(
    fate: str, start: Callable[..., int], model: type[PaidModel]
) -> None:
    assert start(FOUR, "store.root=whole") == 0
    model.asked.clear()
    bad = _some(fate, 2)
    model.fates = staticmethod(bad)
    assert start(FOUR) == 1
    asked = list(model.asked)
    assert start(FOUR) == 1
    assert len(model.asked) == len(asked), "a new start asks nothing again"
    failed: list[str] = []

    def healed(request: Request) -> str:
        if bad(request):
            failed.append(hashlib.sha256(codec.encode(request).encode()).hexdigest())
        return ""

    model.fates = staticmethod(healed)
    model.asked.clear()
    assert start(FOUR, "retry_failed=true") == 0
    assert failed
    calls = [key for key in model.asked if key != "usable"]
    assert len(calls) == len(set(calls))
    assert not set(calls) & (set(asked) - set(failed)), "what was answered well is not asked again"
    assert _table() == _table("whole")


@pytest.mark.parametrize("fate", ["refused by the server", "broken", "told"])
def test_a_key_is_in_no_byte_that_is_written(
    fate: str,
    start: Callable[..., int],
    model: type[PaidModel],
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    caplog.set_level(logging.DEBUG)
    model.fates = staticmethod(_some(fate, 3))
    record = (FOUR, "--debug", "llm.mode=record", "llm.ledger=calls.jsonl", "budget.max_usd=1")
    assert start(*record) == 1
    assert start(FOUR, "--json", "store.root=other") == 1
    assert start("--debug", "budget.max_calls=2", "store.root=third") == 3
    start("--cfg", "job")
    start("--json", command="doctor")
    shown = "".join(capfd.readouterr()) + caplog.text
    for row in _rows(tmp_path):
        shown += row
    for file in filter(Path.is_file, tmp_path.rglob("*")):
        shown += file.read_bytes().decode("latin-1")
    assert f"[{VARIABLE}]" in shown or "[redacted]" in shown, "the failure was told, without the key"
    assert "a call failed" in caplog.text
    assert CANARY not in shown
    assert CANARY[:-2] not in shown


def _rows(folder: Path) -> list[str]:
    """What stands in the stores, packed texts unpacked."""
    found = []
    for file in folder.rglob("*.sqlite"):
        connection = sqlite3.connect(file)
        for (table,) in connection.execute("select name from sqlite_master where type = 'table'").fetchall():
            for row in connection.execute(f"select * from {table}"):
                found += [zlib.decompress(cell).decode() if isinstance(cell, bytes) else str(cell) for cell in row]
        connection.close()
    return found


def test_the_canary_is_found_where_it_stands(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "x.sqlite") as connection:
        connection.execute("create table calls (reply blob)")
        connection.execute("insert into calls values (?)", (zlib.compress(CANARY.encode()),))
    connection.close()
    assert CANARY in "".join(_rows(tmp_path))


def test_what_a_run_cost_is_in_its_data_and_its_report(
    start: Callable[..., int], model: type[PaidModel], capsys: pytest.CaptureFixture[str]
) -> None:
    assert start("--json") == 0
    data = json.loads(capsys.readouterr().out)
    ledger = data["ledger"]
    assert ledger["usd"] == pytest.approx(_spent()[1])
    assert ledger["calls"] == ledger["attempts"] == _spent()[0]
    page = Path(data["report"]).read_text(encoding="utf-8")
    assert f"<dt>dollars</dt><dd>{ledger['usd']:,.4f}" in page
    share = ledger["cached_prompt_tokens"] / ledger["prompt_tokens"]
    assert f"cached: {share:.0%}" in page


def test_doctor_tells_what_a_model_can_do(
    model: type[PaidModel], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["doctor", "llm=paid"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "ok    llm paid: generate: works: it answered",
        f"WRONG llm paid: json_schema: does not work: it said no to [{VARIABLE}]",
        "ok    llm paid: prefill: lacking: never heard of",
    ]
    monkeypatch.delenv(VARIABLE)
    assert main(["doctor", "llm=paid"]) == 1
    assert "the key is missing" in capsys.readouterr().out
    assert main(["doctor", "llm=scripted"]) == 0
    assert "cannot be probed" in capsys.readouterr().out
