"""What the tools need around their calls: neurogloss and two peers at the peers' own work, on a server of 50 ms.

    .venv/bin/python benchmarks/peers/harness.py [REPEATS]

Makes the environments of the peers first (see environments.py). The tools take turns; a first round is not counted.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from children import Child
from environments import ROOT, python_of
from work import N_UNITS, exported

sys.path.append(str(ROOT / "tests" / "live"))
from serving import plain_folder

HERE = Path(__file__).parent
LATENCY_S = 0.05
CONCURRENCY = 32
TIMES_FASTER = 3
CHAT = ["llm=openai", "llm.model=tiny", "llm.api_key_env=null", f"limits.concurrency={CONCURRENCY}"]
CHAT += ["llm.choice_method=echo", 'llm.single_tokens=["10"]', f"executor.concurrency={N_UNITS}"]
WORK = {
    "openai": "explanation and simulation of ten sequences",
    "delphi": "explanation, detection and fuzzing",
}
BY_DELPHI = ["experiment=delphi"]
BY_20 = [f"scorer.{scorer}.per_request=20" for scorer in ("detection_delphi", "fuzzing_delphi")]
WAYS: dict[str, dict[str, list[str]]] = {
    "openai": {"neurogloss": []},
    "delphi": {"neurogloss": BY_DELPHI, "neurogloss, 20 texts a request": [*BY_DELPHI, *BY_20]},
}
"""How neurogloss does a peer's work."""


class Stub:
    """The server, in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._asks, self._answers = process.stdin, process.stdout
        self.url = f"http://127.0.0.1:{int(self._answers.readline())}/v1"

    def answered(self) -> int:
        """Requests so far."""
        self._asks.write("\n")
        self._asks.flush()
        return int(self._answers.readline())


@contextmanager
def stub() -> Iterator[Stub]:
    command = [sys.executable, str(HERE / "stub.py"), str(LATENCY_S)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Stub(process)
    finally:
        process.communicate()


def job(peer: str, way: str, units: list[dict[str, Any]], url: str, tokenizer: str) -> dict[str, Any]:
    """What the peer is told to do, or neurogloss in one of its ways."""
    if way != peer:
        overrides = [*WAYS[peer][way], *CHAT, f"llm.base_url={url}"]
        return {"units": [unit["unit"] for unit in units], "overrides": overrides}
    told = {"base_url": url, "model": "tiny", "units": units}
    if peer == "openai":
        return told | {"do": ["explain", "simulate"]}
    do = ["explain", "detection", "fuzzing"]
    return told | {"do": do, "tokenizer": tokenizer, "concurrency": CONCURRENCY, "max_tokens": 100}


def measured(repeats: int) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """For each peer, and each who did its work, the results of each round but the first."""
    pythons = {"neurogloss": sys.executable} | {peer: python_of(peer) for peer in WORK}
    units, tokenizer = exported(), plain_folder()
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    with stub() as server:
        children = {tool: Child(python, HERE / f"{tool}_child.py") for tool, python in pythons.items()}
        for repeat in range(repeats + 1):
            for peer in WORK:
                for way in (*WAYS[peer], peer):
                    before = server.answered()
                    child = children[peer if way == peer else "neurogloss"]
                    done = child.did(job(peer, way, units, server.url, tokenizer))
                    done["requests"] = server.answered() - before
                    if repeat:
                        found.setdefault((peer, way), []).append(done)
        for child in children.values():
            child.close()
    return found


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    found = measured(repeats)
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {repeats} repeats, in turn")
    print(f"\n{N_UNITS} units, {1000 * LATENCY_S:.0f} ms, {CONCURRENCY} in flight where it can be set\n")
    print("| work | tool | seconds, median | min | max | CPU seconds | requests | peak MB |\n|" + "---|" * 8)
    for (peer, way), rows in found.items():
        seconds = [row["seconds"] for row in rows]
        cells = [format(value, ".2f") for value in (statistics.median(seconds), min(seconds), max(seconds))]
        cells += [f"{statistics.median(row['cpu'] for row in rows):.2f}", str(rows[0]["requests"])]
        print(f"| {WORK[peer]} | {way} | {' | '.join(cells)} | {max(row['peak_mb'] for row in rows):.0f} |")
    print()
    for peer, ways in WAYS.items():
        for way in ways:
            theirs, ours = (statistics.median(row["seconds"] for row in found[peer, who]) for who in (peer, way))
            kept = "" if theirs / ours >= TIMES_FASTER else "**, not kept**"
            print(f"{way}: ratio {theirs / ours:.1f} times as fast as {peer} (goal: at least {TIMES_FASTER}{kept})")


if __name__ == "__main__":
    main()
