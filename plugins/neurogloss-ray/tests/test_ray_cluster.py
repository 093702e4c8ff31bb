"""The executor on a cluster of two nodes: the table is that of the local executor, whatever dies.

One file, so that all tests share the cluster.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from neurogloss import app
from neurogloss.config.composing import compose
from neurogloss.config.settings import Settings, settings_of
from neurogloss.errors import NeuroglossError
from neurogloss.interfaces.executor import Executor, Work
from neurogloss.pipeline.progress import Progress
from neurogloss.plugin.registry import load_registry
from neurogloss.records import codec
from neurogloss.reducers.value_rows import values_at
from neurogloss.store.array_files import mapped_rows
from neurogloss.store.configs import SqliteStoreConfig
from neurogloss.store.sql import SqlResultStore
from neurogloss.testing import ExecutorContract
from neurogloss.testing.contract import run
from neurogloss_ray.configs import RayConfig
from neurogloss_ray.executor import RayExecutor

RUN = (
    "subject=synthetic",
    "llm=scripted",
    "units=[layers.0.mlp/0:6,layers.1.mlp/0:6]",
    "floor=[token_table]",
    "collection.max_documents=80",
    "collection.batch_size=8",
    "scorer.openai_2023.n_bootstrap=50",
)


class Watched(Progress):
    """Calls something at a step of a stage, and counts."""

    def __init__(self, stage: str = "", step: int = 0, then: Callable[[], None] = lambda: None) -> None:
        self._at = (stage, step)
        self._then = then
        self.totals: dict[str, int | None] = {}
        self.done: Counter[str] = Counter()
        self.finished: list[str] = []

    def start(self, stage: str, total: int | None, counted: str) -> None:
        assert stage not in self.totals, "a stage begins once"
        self.totals[stage] = total

    def advance(self, stage: str, steps: int = 1) -> None:
        before = self.done[stage]
        self.done[stage] += steps
        if stage == self._at[0] and before < self._at[1] <= self.done[stage]:
            self._then()

    def finish(self, stage: str) -> None:
        self.finished.append(stage)


def _settings(folder: Path, *overrides: str) -> Settings:
    registry = load_registry()
    options = [*RUN, f"store.root={folder / 'store'}", f"llm.log={folder / 'log'}", *overrides]
    return settings_of(compose(options, registry), registry)


def _table(folder: Path) -> str:
    """Everything a run concludes, and which requests it has asked."""
    store = SqlResultStore(SqliteStoreConfig(str(folder / "store")))
    try:
        run_id = store.run("latest").run_id
        asked = sorted(entry.key for entry in store.ledger(run_id))
        return codec.encode([run_id, store.explanations(run_id), store.scores(run_id), asked])
    finally:
        store.close()


def _arrays(folder: Path) -> dict[str, np.ndarray]:
    """All that was collected of units; of values, not where they lie in their files."""
    found = {}
    for path in sorted((folder / "store" / "activations").glob("*/units-*/*.safetensors")):
        arrays = load_file(path)
        kept, drawn = (mapped_rows(path.with_suffix(ending), int(arrays["length"])) for ending in (".kept", ".drawn"))
        for name, array in arrays.items():
            sample, _, field = name.rpartition("_")
            if field == "addresses":
                exponents = arrays[f"{sample}_exponents"]
                array = values_at(kept.__getitem__, drawn.__getitem__, array, exponents, int(arrays["length"]))
            found[f"{path.name} {name}"] = array
    return found


def _asked(folder: Path) -> Counter[str]:
    return Counter((folder / "log").read_text(encoding="utf-8").split())


def _committed(folder: Path) -> set[str]:
    connection = sqlite3.connect(folder / "store" / "results.sqlite")
    try:
        packed = connection.execute("select request from calls where reply is not null").fetchall()
    finally:
        connection.close()
    return {hashlib.sha256(zlib.decompress(request)).hexdigest() for (request,) in packed}


def _on(cluster: Any) -> tuple[str, ...]:
    return ("executor=ray", f"executor.address={cluster.address}", "executor.workers=2", "executor.concurrency=3")


def _assert_close(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray], tolerance: float) -> None:
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        np.testing.assert_allclose(array, theirs[name], rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("local")
    app.run(_settings(folder), Progress())
    return folder


class TestRayExecutor(ExecutorContract):
    @pytest.fixture
    def executor(self, two_nodes: Any) -> Executor:
        return RayExecutor(RayConfig(address=two_nodes.address, workers=2, concurrency=2))

    @pytest.fixture
    def concurrency(self) -> int:
        return 4


def test_an_item_that_kills_every_worker_ends_the_work(two_nodes: Any) -> None:
    class DeadlyWork(Work):  # here, so that it is sent whole: workers cannot import this file
        async def open(self) -> None:
            pass

        async def do(self, item: str) -> str:
            if item == "deadly":
                os._exit(1)
            return item.upper()

        async def close(self) -> None:
            pass

    executor = RayExecutor(RayConfig(address=two_nodes.address, workers=1, concurrency=1, attempts=2))
    found: list[str] = []

    async def collect() -> None:
        async for _, result in executor.map(DeadlyWork(), ["a", "deadly", "b"]):
            found.append(result)

    with pytest.raises(NeuroglossError, match="A worker died at deadly, 2 times"):
        run(collect())
    assert found == ["A"]


def test_the_table_is_that_of_the_local_executor(local: Path, two_nodes: Any, tmp_path: Path) -> None:
    progress = Watched()
    app.run(_settings(tmp_path, *_on(two_nodes)), progress)
    assert _table(tmp_path) == _table(local)
    assert max(_asked(tmp_path).values()) == 1
    assert set(progress.finished) == set(progress.totals)
    for stage in ("collect", "explain"):
        assert progress.done[stage] == progress.totals[stage], stage
    _assert_close(_arrays(tmp_path), _arrays(local), 1e-9)


def test_a_node_that_dies_while_units_are_collected(
    local: Path, two_nodes: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    progress = Watched("collect", 500, two_nodes.kill)
    app.collect(_settings(tmp_path, *_on(two_nodes), "executor.shards_per_worker=3"), progress)
    assert "a worker died" in caplog.text
    assert progress.done["collect"] == progress.totals["collect"]
    _assert_close(_arrays(tmp_path), _arrays(local), 1e-9)
    assert not capsys.readouterr().out, "Ray itself says nothing"


def test_a_node_that_dies_while_units_are_explained(
    local: Path, two_nodes: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    committed: set[str] = set()
    before: Counter[str] = Counter()

    def kill() -> None:
        two_nodes.kill()
        committed.update(_committed(tmp_path))
        before.update(_asked(tmp_path))

    shutil.copytree(local / "store" / "activations", tmp_path / "store" / "activations")
    # Of the 48 steps the floor takes 24, which ask nobody.
    app.run(_settings(tmp_path, *_on(two_nodes)), Watched("explain", 26, kill))
    assert "a worker died" in caplog.text
    assert _table(tmp_path) == _table(local)
    assert committed
    assert not committed & (_asked(tmp_path) - before).keys()


def test_a_real_model_is_collected_alike(two_nodes: Any, tmp_path: Path) -> None:
    """Batches end with the shard's documents, so that values differ by what the subject documents."""
    model = ("subject=planted", "collection.max_documents=30")
    app.collect(_settings(tmp_path / "local", *model), Progress())
    app.collect(_settings(tmp_path / "ray", *model, *_on(two_nodes)), Progress())
    _assert_close(_arrays(tmp_path / "ray"), _arrays(tmp_path / "local"), 1e-4)
