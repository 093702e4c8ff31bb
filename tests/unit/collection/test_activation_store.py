"""The store of activations: sets of units, what a read touches, and what damage and death leave."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from neurogloss.errors import StoreError
from neurogloss.pipeline.collection import collect_units
from neurogloss.pipeline.progress import Progress
from neurogloss.records.plans import CollectionPlan, UnitColumns, UnitSelection
from neurogloss.records.tokens import Split, TokenSequence
from neurogloss.records.units import UnitId
from neurogloss.store import array_files
from neurogloss.store.activations import UNITS, ActivationStore, SiteArrays, StoredCollection
from neurogloss.store.token_table import TokenTable, write_table

SITE = "layers.0.mlp"


@pytest.fixture
def stored(tmp_path: Path) -> StoredCollection:
    return ActivationStore(tmp_path).collection({"plan": {"seed": 0}})


def arrays(indices, signs=None, **plain: np.ndarray) -> SiteArrays:
    signs = signs or [1] * len(indices)
    columns = UnitColumns(np.array(indices, dtype=np.int64), np.array(signs, dtype=np.int8))
    return SiteArrays(columns, {"mean": np.array(indices, dtype=np.float64), **plain}, {"common": np.arange(3)})


def write(stored: StoredCollection, sites: dict[str, SiteArrays]) -> None:
    units = [UnitId(site, int(i)) for site, of_site in sites.items() for i in of_site.columns.indices]
    with stored.writing(UNITS, UnitSelection(tuple(units))) as writer:
        for site, of_site in sites.items():
            writer.add(site, of_site)


def sequence(number: int, text: str = "ab\ud800🙂") -> TokenSequence:
    spans = np.array([[0, 0], *[[i, i + 1] for i in range(len(text))]])
    special = np.arange(len(text) + 1) == 0
    splits = tuple(Split)
    return TokenSequence(number << 20, f"d{number}", splits[number % 4], text, np.arange(len(text) + 1), spans, special)


def write_tokens(stored: StoredCollection, n: int = 5, shard: int = 2) -> TokenTable:
    manifest: dict[str, object] = {}
    with stored.writing_tokens(manifest) as directory:
        manifest.update(write_table(directory, map(sequence, range(n)), 1, shard))
    table = stored.tokens()
    assert table is not None
    return table


def test_a_token_table_in_shards(stored: StoredCollection) -> None:
    table = write_tokens(stored)
    assert len(table) == 5
    assert [s.id >> 20 for s in table.sequences()] == [0, 1, 2, 3, 4]
    assert table.splits.tolist() == [0, 1, 2, 3, 0]
    assert table.lengths.tolist() == [5] * 5
    read, written = table.sequence(3), sequence(3)
    assert (read.text, read.document_id, read.split) == (written.text, "d3", written.split)
    for name in ("token_ids", "spans", "special"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
    assert table.counts[Split.EXPLAIN] == {"documents": 2, "sequences": 2, "tokens": 8}
    assert table.vocabulary == {1: "a", 2: "b", 3: "\ud800", 4: "🙂"}


def test_units_are_found_in_any_set_with_their_polarity(stored: StoredCollection) -> None:
    units = [UnitId(SITE, 3), UnitId(SITE, 3, "-"), UnitId(SITE, 8), UnitId("other", 8)]
    assert stored.missing(UNITS, units) == tuple(units)
    write(stored, {SITE: arrays([8, 3], v=np.array([1.0, 2.0]))})
    assert stored.missing(UNITS, units) == (units[1], units[3])
    write(stored, {SITE: arrays([3], [-1], v=np.array([5.0])), "other": arrays([8])})
    assert stored.missing(UNITS, units) == ()
    assert [float(stored.unit(UNITS, unit).plain("v")) for unit in units[:3]] == [2.0, 5.0, 1.0]
    assert stored.unit(UNITS, units[3]).plain("mean") == 8.0
    assert stored.unit(UNITS, units[0]).shared("common").tolist() == [0, 1, 2]
    with pytest.raises(StoreError, match="other/9"):
        stored.unit(UNITS, UnitId("other", 9))


def test_values_are_rows_at_addresses(stored: StoredCollection) -> None:
    kept = np.array([[1, 2, 0], [-8, 5, 0]], np.int16)
    drawn = np.array([[3, 3, 3]], np.int16)
    addresses = np.array([[[1, -1], [-2, 0]]], np.int32)  # [unit split slot]
    exponents = np.array([[[2, 0], [-1, 0]]], np.int8)
    units = [UnitId(SITE, 5)]
    with stored.writing(UNITS, UnitSelection(tuple(units))) as writer:
        for name, rows in (("site-0000.kept", kept), ("site-0000.drawn", drawn)):
            (writer.directory / name).write_bytes(rows.tobytes())
        made = arrays([5], top_addresses=addresses, top_exponents=exponents)
        writer.add(SITE, SiteArrays(made.columns, made.plain, {"length": np.array(3)}))
    entry = stored.unit(UNITS, units[0])
    assert entry.values("top", 0).tolist() == [[-32, 20, 0], [0, 0, 0]]
    assert entry.values("top", 1).tolist() == [[1.5, 1.5, 1.5], [1, 2, 0]]


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="only Linux tells what a process has touched")
def test_reading_one_unit_of_many_touches_only_its_rows(stored: StoredCollection) -> None:
    write(stored, {SITE: arrays([0], v=np.zeros((1, 4, 20, 64), np.float16))})
    path = next(stored.directory.glob("units-*/site-0000.safetensors"))
    grow_to(300_000, path)
    entry = StoredCollection(stored.directory, {}).unit(UNITS, UnitId(SITE, 123_456))
    assert entry.plain("v").tolist() == np.zeros((4, 20, 64)).tolist()
    assert path.stat().st_size > 3e9
    # Of the index the kernel may map all 3.6 MB, of the values the pages around one row of 10 kB.
    assert 10_240 <= touched_bytes(path) < 4e6


def grow_to(n: int, path: Path) -> None:
    """Makes the file one of `n` units, with holes for their values, and the manifest fit."""
    begins = np.cumsum([0, 8 * n, 4 * 20 * 64 * 2 * n]).tolist()
    described = {"unit_keys": ("I64", [n]), "v": ("F16", [n, 4, 20, 64])}
    header = json.dumps(
        {
            name: {"dtype": dtype, "shape": shape, "data_offsets": begins[i : i + 2]}
            for i, (name, (dtype, shape)) in enumerate(described.items())
        }
    ).encode()
    header += b" " * (-len(header) % 8)  # as safetensors aligns its arrays
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.write((2 * np.arange(n, dtype=np.int64)).tobytes())
        file.truncate(8 + len(header) + begins[-1])
    manifest_path = path.parent / "manifest.json"
    manifest = json.loads(manifest_path.read_text(encoding="utf-8"))
    manifest["files"][path.name]["bytes"] = path.stat().st_size
    manifest_path.write_text(json.dumps(manifest), encoding="utf-8")


def touched_bytes(path: Path) -> int:
    """Bytes of a mapped file that this process has looked at, in whole pages as the kernel counts them."""
    total, of_path = 0, False
    for line in Path("/proc/self/smaps").read_text(encoding="utf-8").splitlines():
        if "-" in line.split()[0]:
            of_path = line.endswith(str(path))
        elif of_path and line.startswith("Rss:"):
            total += int(line.split()[1]) * 1024
    return total


def test_listing_disk_use_and_deleting(tmp_path: Path) -> None:
    store = ActivationStore(tmp_path / "not yet there")
    assert (store.keys(), store.disk_use()) == ((), {})
    one, two = store.collection({"plan": 1}), store.collection({"plan": 2})
    write_tokens(one)
    write_tokens(two, n=3)
    write(two, {SITE: arrays([1])})
    assert store.keys() == tuple(sorted([one.key, two.key]))
    assert store.open(two.key).identity == {"plan": 2}
    manifest = two.directory / "tokens" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format": ', '"format": 1'))
    with pytest.raises(StoreError, match="earlier version"):
        store.open(two.key)
    assert store.disk_use()[two.key] == sum(p.stat().st_size for p in two.directory.rglob("*.*") if p.is_file())
    store.delete(one.key)
    assert store.keys() == (two.key,)
    for call in (store.delete, store.open):
        with pytest.raises(StoreError, match=one.key):
            call(one.key)


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "manifest"])
def test_damage_is_found_and_named(tmp_path: Path, damage: str) -> None:
    store = ActivationStore(tmp_path)
    stored = store.collection({"plan": 1})
    write_tokens(stored)
    write(stored, {SITE: arrays([1, 2], v=np.ones((2, 3)))})
    store.verify(stored.key)
    file = next(stored.directory.glob("units-*/site-*"))
    data = file.read_bytes()
    match damage:
        case "flip":
            file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        case "cut":
            file.write_bytes(data[:-1])
        case "remove":
            file.unlink()
        case "manifest":
            (file.parent / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(StoreError, match=file.parent.name) as caught:
        store.verify(stored.key)
    assert "Delete" in caught.value.remedy
    if damage != "flip":  # too dear to look for at every opening
        with pytest.raises(StoreError, match=file.parent.name):
            store.collection({"plan": 1}).missing(UNITS, [UnitId(SITE, 1)])


def test_an_error_while_writing_leaves_nothing(stored: StoredCollection) -> None:
    with pytest.raises(FileNotFoundError), stored.writing_tokens({}) as directory:
        (directory / "no such directory" / "file").touch()
    assert list(stored.directory.iterdir()) == []


def test_who_seals_first_wins(stored: StoredCollection) -> None:
    manifest: dict[str, object] = {}
    with stored.writing_tokens(manifest) as directory:
        write_tokens(stored, n=5)
        manifest.update(write_table(directory, map(sequence, range(2)), 1))
    table = stored.tokens()
    assert table is not None
    assert len(table) == 5


KILLED = """
import os, signal, sys
from pathlib import Path
from neurogloss.store.activations import ActivationStore
stored = ActivationStore(Path(sys.argv[1])).collection({"plan": 1})
with stored.writing_tokens({}) as directory:
    (directory / "half").write_text("x", encoding="utf-8")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_leaves_is_ignored_and_removed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)], env={**os.environ, "PYTHONPATH": SRC}, check=False
    )
    assert done.returncode == -signal.SIGKILL
    store = ActivationStore(tmp_path)
    (leftover,) = tmp_path.glob("*/*")
    assert store.keys() == ()
    store.collection({"plan": 2})  # any other
    assert not leftover.exists()
    stored = store.collection({"plan": 1})
    assert stored.tokens() is None
    write_tokens(stored)
    assert (stored.directory / "tokens").stat().st_mode == stored.directory.stat().st_mode
    assert store.keys() == (stored.key,)


SRC = str(Path(array_files.__file__).parents[2])


def test_what_is_being_written_is_not_removed(stored: StoredCollection) -> None:
    write_tokens(stored)
    living = stored.directory / ".partial-units-0-x"
    living.mkdir()
    lock = os.open(living, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        write(stored, {SITE: arrays([1])})
        assert living.exists()
    finally:
        os.close(lock)
    write(stored, {SITE: arrays([2])})
    assert not living.exists()


@pytest.mark.parametrize("damaged", ["units-*/site-0000.safetensors", "units-*/site-0000.drawn", "tokens/sequences-*"])
def test_what_is_damaged_is_named_and_collected_again(tmp_path, byte_subject, list_corpus, damaged: str) -> None:
    notes: list[str] = []
    progress = Progress()
    progress.note = notes.append  # type: ignore[method-assign]
    plan = replace(CollectionPlan(), sequence_length=8, top_k=2, n_random=1, n_importance=1, per_bin=1)

    def record():
        corpus = list_corpus(["abc", "def", "ghijk"] * 3)
        store, unit = ActivationStore(tmp_path), UnitId(SITE, 1)
        return collect_units(byte_subject(), corpus, [unit], plan, store, batch_size=4, progress=progress).record(unit)

    before = repr(dict(record().splits))
    (path,) = tmp_path.glob(f"*/{damaged}")
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert repr(dict(record().splits)) == before
    (note,) = notes
    assert path.name in note
    assert note.endswith("It is collected again.")
    assert "Delete" not in note  # that is for those who only read
