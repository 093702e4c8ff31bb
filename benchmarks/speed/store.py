"""What the stores and the start of a command cost.

Usage: .venv/bin/python benchmarks/speed/store.py [REPEATS]
"""

from __future__ import annotations

import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from postgres_server import postgres

from neurogloss.config.composing import compose
from neurogloss.config.settings import settings_of
from neurogloss.pipeline.progress import Progress
from neurogloss.plugin.registry import load_registry
from neurogloss.records.runs import Cell, ScoreRow
from neurogloss.records.scores import Measure, Score
from neurogloss.records.tokens import Split
from neurogloss.records.units import UnitId
from neurogloss.session import Session
from neurogloss.store.configs import PostgresStoreConfig, SqliteStoreConfig
from neurogloss.store.sql import SqlResultStore

N_SCORES, TOGETHER, ALONE = 100_000, 1_000, 2_000
N_SITES, N_UNITS = 48, 6_400
"""GPT-2 XL's."""
SHARED = ("length", "n_tokens", "n_sequences")
"""The arrays that do not lie unit by unit."""
PLACES = (0, 1234, 3201, 5000, 6399)
"""Units that are looked at, one of another site each."""
READ = {"all splits": " ".join(Split), "to explain and score it": f"{Split.EXPLAIN} {Split.TEST}"}
"""Which splits of a unit are read, and what for."""
Row = tuple[str, list[float], str, str]
"""What is measured, its values, their format and what is wanted."""

OPEN = """
import mmap, os, re, sys, time
from pathlib import Path
from neurogloss.pipeline.collected import reopened
from neurogloss.records.tokens import Split
from neurogloss.records.units import UnitId
from neurogloss.store.activations import ActivationStore

def read():
    return int(re.search(r"rchar: (\\d+)", Path("/proc/self/io").read_text())[1])

root, key, unit, splits, cold = sys.argv[1:]
if cold == "cold":
    # Without pages in memory and without reading ahead, what is mapped in the end is what was looked at.
    for path in Path(root).rglob("*.*"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    made = mmap.mmap
    def alone(*arguments, **options):
        mapped = made(*arguments, **options)
        mapped.madvise(mmap.MADV_RANDOM)
        return mapped
    mmap.mmap = alone
before, started, cpu_started = read(), time.perf_counter(), time.process_time()
record = reopened(ActivationStore(Path(root)), key, [UnitId.parse(unit)]).record(UnitId.parse(unit))
kept = [record.splits[Split(split)] for split in splits.split()]
seconds, cpu, read_bytes = time.perf_counter() - started, time.process_time() - cpu_started, read() - before
mapped, file = {True: 0, False: 0}, ""
for line in Path("/proc/self/smaps").read_text().splitlines():
    if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
        file = line if root in line else ""
    elif file and line.startswith("Rss:"):
        mapped["/tokens/" in file] += 1024 * int(line.split()[1])
assert all(each.top for each in kept)
print(1000 * seconds, 1000 * cpu, (read_bytes + mapped[False]) / 1e3, mapped[True] / 1e3)
"""
UNTIL_THE_MODEL = """
import os, sys
from neurogloss.cli.main import main
from neurogloss.plugin import building
build = building.build

def stop(component, *rest):
    if component.kind in ("subject", "llm"):
        os._exit(0)
    return build(component, *rest)

building.build = stop
main(["run", "llm=local", f"store.root={sys.argv[1]}"])
os._exit(1)
"""


def scores(n: int) -> list[ScoreRow]:
    """As the scorer `simulation` makes them, without simulations."""
    measures = {name: Measure(0.123456789, 0.01, 0.5) for name in ("correlation", "r2", "correlation.top")}
    verdict = Score("main", "correlation", measures, {"shuffled": 0.0123}, 0.98, 640, 640)
    return [ScoreRow(Cell(UnitId("layers.0.mlp", index), "main", 0), "main", verdict) for index in range(n)]


def writing(config: SqliteStoreConfig | PostgresStoreConfig) -> tuple[float, float, float]:
    """Seconds, by the clock and of the CPU, of writing 100,000 scores, a thousand at a time; milliseconds alone."""
    store, rows = SqlResultStore(config), scores(N_SCORES)
    try:
        started, cpu_started = time.perf_counter(), time.process_time()
        for first in range(0, N_SCORES, TOGETHER):
            store.add_scores("together", rows[first : first + TOGETHER])
        together, cpu = time.perf_counter() - started, time.process_time() - cpu_started
        started = time.perf_counter()
        for row in rows[:ALONE]:
            store.add_scores("alone", [row])
        return together, cpu, 1000 * (time.perf_counter() - started) / ALONE
    finally:
        store.close()


def collection(root: Path) -> str:
    """A collection of 307,200 units with the default plan; gives its key.

    It is a small real one, whose files are stretched with holes: they take no room, and what is read of them is
    as much as of full ones. The units that are looked at are copies of real ones.
    """
    registry = load_registry()
    options = ["subject=synthetic", "llm=scripted", "units=[layers.0.mlp/*]", f"store.root={root.parent}"]
    found = Session(settings_of(compose(options, registry), registry), Progress()).collected()
    (units,) = (root / found.key).glob("units-*")
    small = units / "site-0000.safetensors"
    manifest = json.loads((units / "manifest.json").read_text())
    names = {f"layers.{site}.mlp": f"site-{site:04d}.safetensors" for site in range(N_SITES)}
    for name in names.values():
        stretched(small, units / f"big-{name}")
        if name != small.name:
            (units / f"big-{name}").rename(units / name)
            for ending in (".kept", ".drawn"):
                shutil.copy(small.with_suffix(ending), (units / name).with_suffix(ending))
    (units / f"big-{small.name}").rename(small)
    files = {path.name: {"bytes": path.stat().st_size, "xxh3": ""} for path in units.glob("site-*")}
    manifest |= {"sites": names, "n_units": N_SITES * N_UNITS, "files": files}
    (units / "manifest.json").write_text(json.dumps(manifest))
    return found.key


def stretched(small: Path, big: Path) -> None:
    """Writes a site's file with so many units that only those at `PLACES` and the units' keys hold values."""
    with small.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        start = file.tell()
    old = np.memmap(small, np.uint8, mode="r")[start:]
    n_before = header["unit_keys"]["shape"][0]
    made, end = {}, 0
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        size = last - first if name in SHARED else (last - first) // n_before * N_UNITS
        shape = entry["shape"] if name in SHARED else [N_UNITS, *entry["shape"][1:]]
        made[name] = {**entry, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(made).encode()
    text += b" " * (-len(text) % 8)
    with big.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)
    new = np.memmap(big, np.uint8, mode="r+", offset=0)[8 + len(text) :]
    for name, entry in made.items():
        source = old[slice(*header[name]["data_offsets"])]
        target = new[slice(*entry["data_offsets"])]
        if name in SHARED:
            target[:] = source
        elif name == "unit_keys":
            target.view(np.int64)[:] = 2 * np.arange(N_UNITS)
        else:
            rows, copies = source.reshape(n_before, -1), target.reshape(N_UNITS, -1)
            for place in PLACES:
                copies[place] = rows[place % n_before]


def opening(root: Path, key: str, splits: str) -> list[tuple[float, ...]]:
    """Milliseconds by the clock and of the CPU, and kilobytes, of reading one unit in a new process, imports aside.

    The last number is kilobytes of the token table, which all units share. Records of some splits are read, and all
    statistics. The time is that of files in memory; the kilobytes are those that are looked at when they are not.
    """
    found = []
    for number, place in enumerate(PLACES):
        command = [sys.executable, "-c", OPEN, str(root), key, f"layers.{11 * number}.mlp/{place}", splits]
        told = [
            subprocess.run([*command, state], check=True, capture_output=True, text=True).stdout.split()
            for state in ("cold", "warm", "warm")
        ]
        found.append(tuple(map(float, (*told[-1][:2], *told[0][2:]))))
    return found


def seconds_of(command: Sequence[str]) -> tuple[float, float]:
    """Of a process: by the clock, and of its CPU."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - started, cpu


def measured(repeats: int) -> list[Row]:
    """All measures, in turn, so that a busy moment of the machine does not fall on one alone."""
    written: list[tuple[float, float, float]] = []
    elsewhere: list[tuple[float, float, float]] = []
    opened: dict[str, list[tuple[float, ...]]] = {splits: [] for splits in READ.values()}
    starts: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "activations"
        key = collection(root)
        commands = {
            "neurogloss --help": ([sys.executable, "-m", "neurogloss", "--help"], "0.4"),
            "neurogloss plugins": ([sys.executable, "-m", "neurogloss", "plugins"], "0.4"),
            "neurogloss run, until it loads the model": ([sys.executable, "-c", UNTIL_THE_MODEL, folder], "1.5"),
        }
        for repeat in range(repeats):
            written.append(writing(SqliteStoreConfig(f"{folder}/results-{repeat}")))
            with postgres(folder) as config:
                elsewhere += [] if config is None else [writing(config)]
            for splits in READ.values():
                opened[splits] += opening(root, key, splits)
            for name, (command, _) in commands.items():
                starts.setdefault(name, []).append(seconds_of(command))
    together, of_cpu, alone = map(list, zip(*written, strict=True))
    rows = [
        (f"{N_SCORES:,} scores, {TOGETHER:,} at a time: seconds", together, ".2f", "10"),
        (f"{N_SCORES:,} scores, {TOGETHER:,} at a time: CPU seconds", of_cpu, ".2f", ""),
        ("a score, committed alone: ms", alone, ".2f", ""),
    ]
    for what, splits in READ.items():
        milliseconds, of_cpu, kilobytes, of_tokens = map(list, zip(*opened[splits], strict=True))
        name = f"one unit of {N_SITES * N_UNITS:,}, {what}"
        rows += [(f"{name}: ms", milliseconds, ".1f", "20"), (f"{name}: ms of the CPU", of_cpu, ".1f", "")]
        rows.append((f"{name}: kB read of the unit", kilobytes, ".0f", "a few hundred"))
        rows.append((f"{name}: kB read of the token table", of_tokens, ".0f", ""))
    if elsewhere:
        together, of_cpu, alone = map(list, zip(*elsewhere, strict=True))
        rows += [
            (f"Postgres: {N_SCORES:,} scores, {TOGETHER:,} at a time: seconds", together, ".2f", ""),
            (f"Postgres: {N_SCORES:,} scores, {TOGETHER:,} at a time: CPU seconds here", of_cpu, ".2f", ""),
            ("Postgres: a score, committed alone: ms", alone, ".2f", ""),
        ]
    for name, (_, most) in commands.items():
        walls, cpus = map(list, zip(*starts[name], strict=True))
        rows += [(f"{name}: seconds", walls, ".2f", most), (f"{name}: CPU seconds", cpus, ".2f", "")]
    return rows


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
