"""What the ledger costs: a run on a server of fixed latency, a call, and a replay.

Usage: .venv/bin/python benchmarks/speed/ledger.py [REPEATS]
"""

from __future__ import annotations

import asyncio
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from postgres_server import postgres

from neurogloss.builtin.llms.configs import ScriptedConfig
from neurogloss.builtin.llms.scripted import ScriptedModel
from neurogloss.config.composing import compose
from neurogloss.config.settings import Settings, settings_of
from neurogloss.errors import PermanentError
from neurogloss.pipeline.ledger import Ledger
from neurogloss.pipeline.progress import Progress
from neurogloss.plugin.registry import load_registry
from neurogloss.records.documents import Message
from neurogloss.records.requests import GenerateRequest
from neurogloss.session import Session
from neurogloss.store.configs import PostgresStoreConfig, SqliteStoreConfig
from neurogloss.store.sql import SqlResultStore
from neurogloss_openai.clients import Body, Server
from neurogloss_openai.configs import Endpoint, OpenAIConfig

SERVER = Path(__file__).parents[2] / "tests" / "faults" / "scripted_server.py"
LATENCY_S = 0.05
CONCURRENCY = 32
CHAIN = 2
"""What every simulation waits for, one after the other: its explanation, and what the server says of tokens."""
N_UNITS = 8
N_CALLS = 10_000
Row = tuple[str, list[float], str, str]
"""What is measured, its values, their format and what is wanted."""


@contextmanager
def server() -> Iterator[int]:
    """The scripted server in a process of its own; gives its port."""
    process = subprocess.Popen(
        [sys.executable, str(SERVER), str(LATENCY_S)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.communicate()


def settings_for(folder: Path, port: int) -> Settings:
    """Eight units with the defaults for how much is scored."""
    registry = load_registry()
    overrides = ["subject=synthetic", "llm=openai", "llm.model=tiny", "llm.api_key_env=null", "floor=[]"]
    overrides += ["llm.choice_method=echo", 'llm.single_tokens=["10"]', "collection.max_documents=200"]
    overrides += ["units=[layers.0.mlp/0:6,layers.1.mlp/0:2]", f"limits.concurrency={CONCURRENCY}"]
    overrides += [f"executor.concurrency={N_UNITS}", f"llm.base_url=http://127.0.0.1:{port}/v1"]
    return settings_of(compose([*overrides, f"store.root={folder}"], registry), registry)


async def explained(settings: Settings) -> tuple[float, float, float, int]:
    """Seconds of explaining and scoring, those of this process's CPU, the ideal, and the number of calls.

    Collecting comes before the clock.
    """
    from neurogloss import app

    session = Session(settings, Progress())
    try:
        collected = session.collected()
        started, cpu_started = time.perf_counter(), time.process_time()
        await app.explain_units(session, collected, session.units, Progress())
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu_started
        verbs = Counter(entry.verb for entry in session.store.ledger(session.run_id))
    finally:
        await session.close()
    assert verbs.keys() == {"generate", "choice_logprobs"}
    n_calls = verbs.total()
    return seconds, cpu, (n_calls / CONCURRENCY + CHAIN) * LATENCY_S, n_calls


@contextmanager
def noted() -> Iterator[list[tuple[Endpoint, Body]]]:
    """Gives what is asked of servers within the block."""
    asked: list[tuple[Endpoint, Body]] = []
    ask = Server.ask

    async def note(self: Server, endpoint: Endpoint, body: Body) -> Body:
        asked.append((endpoint, body))
        return await ask(self, endpoint, body)

    Server.ask = note  # type: ignore[method-assign]
    try:
        yield asked
    finally:
        Server.ask = ask  # type: ignore[method-assign]


async def by_client_alone(config: OpenAIConfig, asked: Sequence[tuple[Endpoint, Body]]) -> tuple[float, float]:
    """Seconds, and those of the CPU, that the official client needs for the same calls, with nothing around them."""
    started, cpu_started = time.perf_counter(), time.process_time()
    server, places = Server(config), asyncio.Semaphore(CONCURRENCY)

    async def ask(endpoint: Endpoint, body: Body) -> None:
        async with places:
            await server.ask(endpoint, body)

    await asyncio.gather(*(ask(*each) for each in asked if each[0] is Endpoint.CHAT))
    with suppress(PermanentError):  # it does not tell how it splits texts
        await server.ask_root("tokenize", {"prompt": "a"})
    await asyncio.gather(*(ask(*each) for each in asked if each[0] is Endpoint.COMPLETIONS))
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu_started
    await server.close()
    return seconds, cpu


def requests(n: int) -> Sequence[GenerateRequest]:
    """Requests as long as an explainer's."""
    text = "A line of a prompt, as long as most of them are.\n" * 60
    return [GenerateRequest((Message("user", f"{text}{number}"),), max_tokens=60, seed=number) for number in range(n)]


class Instant(ScriptedModel):
    """Answers at once, as another process would: it is limited like a server."""

    def identity(self) -> dict[str, str]:
        return {"provider": "elsewhere", "model": "instant"}


async def seconds_of(ask: Callable[[GenerateRequest], Awaitable[object]], asked: Sequence[GenerateRequest]) -> float:
    """All asked together."""
    started = time.perf_counter()
    await asyncio.gather(*map(ask, asked))
    return time.perf_counter() - started


async def ledger_costs(config: SqliteStoreConfig | PostgresStoreConfig) -> tuple[float, float]:
    """Milliseconds that the ledger adds to a call, and seconds of asking for 10,000 replies that are committed."""
    model, asked = Instant(ScriptedConfig()), requests(N_CALLS)
    bare = await seconds_of(model.generate, asked)
    store = SqlResultStore(config)
    try:
        behind = await seconds_of(Ledger(store, "first").opened_for("explainer", model).generate, asked)
        again = await seconds_of(Ledger(store, "second").opened_for("explainer", model).generate, asked)
    finally:
        store.close()
    return 1000 * (behind - bare) / N_CALLS, again


def measured(repeats: int) -> list[Row]:
    """The three measures, in turn, so that a busy moment of the machine does not fall on one alone."""
    ratios, times, cpus, floors, floor_cpus, added, replays = (list[float]() for _ in range(7))
    elsewhere: list[tuple[float, float]] = []
    n_calls = 0
    with server() as port:
        for repeat in range(repeats + 1):
            with tempfile.TemporaryDirectory() as folder, noted() as asked:
                settings = settings_for(Path(folder), port)
                seconds, cpu, ideal, n_calls = asyncio.run(explained(settings))
            alone, alone_cpu = asyncio.run(by_client_alone(settings.llms["explainer"].config, asked))
            if repeat == 0:  # imports, and what is done once in a process
                continue
            ratios.append(seconds / ideal)
            times.append(seconds)
            cpus.append(cpu)
            floors.append(alone / ideal)
            floor_cpus.append(alone_cpu)
            with tempfile.TemporaryDirectory() as folder:
                each, replay = asyncio.run(ledger_costs(SqliteStoreConfig(folder)))
                with postgres(folder) as config:
                    elsewhere += [] if config is None else [asyncio.run(ledger_costs(config))]
            added.append(each)
            replays.append(replay)
    on_postgres: list[Row] = []
    if elsewhere:
        each_there, replays_there = map(list, zip(*elsewhere, strict=True))
        on_postgres = [
            ("the ledger on Postgres, for each call: ms", each_there, ".2f", ""),
            (f"{N_CALLS:,} committed calls again, on Postgres: seconds", replays_there, ".2f", ""),
        ]
    return [
        (f"{N_UNITS} units, {n_calls} calls: seconds", times, ".2f", ""),
        (f"{N_UNITS} units, {n_calls} calls: CPU seconds", cpus, ".2f", ""),
        (f"{N_UNITS} units, {n_calls} calls: over the ideal", ratios, ".2f", "1.15"),
        ("the same calls by the official client alone: CPU seconds", floor_cpus, ".2f", ""),
        ("the same calls by the official client alone: over the ideal", floors, ".2f", ""),
        ("the ledger, for each call: ms", added, ".2f", "1"),
        (f"{N_CALLS:,} committed calls again: seconds", replays, ".2f", "10"),
        *on_postgres,
    ]


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    rows = measured(repeats)
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {repeats} repeats, in turn\n")
    print("| measure | median | min | max | at most |\n|---|---|---|---|---|")
    for name, values, shape, most in rows:
        cells = (format(value, shape) for value in (statistics.median(values), min(values), max(values)))
        print(f"| {name} | {' | '.join(cells)} | {most} |")


if __name__ == "__main__":
    main()
