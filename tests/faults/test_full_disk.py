"""A full disk ends a command with one message; what is left opens, and the same command goes on when there is room."""

from __future__ import annotations

import gc
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faulty_runs import SMALL, Store

from neurogloss.cli.main import main
from neurogloss.store.activations import ActivationStore

RUN = ("run", "--quiet", "subject=synthetic", "llm=scripted", "units=[layers.0.mlp/0,layers.0.mlp/5]", *SMALL)
NO_ROOM = ("No space left on device", "database or disk is full")
Ended = Callable[..., None]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Store:
    root = tmp_path_factory.mktemp("undisturbed") / "store"
    assert main([*RUN, f"store.root={root}"]) == 0
    return Store(root)


@pytest.fixture
def ended(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Ended:
    """Asserts that a command ends for want of room, with one message and nothing beside it."""

    def end(*arguments: str) -> None:
        assert main(arguments) == 2
        gc.collect()  # tasks whose errors nobody has looked at
        message = capsys.readouterr().err
        assert message.count("neurogloss: ") == 1
        assert any(known in message for known in NO_ROOM), message
        assert "kept" in message
        assert len(message.splitlines()) <= 4
        assert not caplog.records, caplog.text

    return end


def _fill(disk: Path, room: int = 0) -> Path:
    """Takes all but so many kilobytes."""
    filler = disk / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(disk).free - 1024 * room))
    return filler


@pytest.mark.parametrize("room", [0, 120, 240, 280, 400])
def test_whatever_a_run_was_writing(room: int, disk: Path, undisturbed: Store, ended: Ended) -> None:
    """With ever more room: the database, the token table, the units' records, the ledger and the scores."""
    filler, root = _fill(disk, room), disk / "store"
    ended(*RUN, f"store.root={root}")
    activations = ActivationStore(root / "activations")
    for key in activations.disk_use():
        activations.verify(key)
    assert not list(root.rglob(".*")), "half-written files are left"
    filler.unlink()
    assert main(["runs", f"store.root={root}"]) == 0
    assert main([*RUN, f"store.root={root}"]) == 0
    assert Store(root).explanations() == undisturbed.explanations()
    assert Store(root).scores() == undisturbed.scores()
    assert Store(root).answered() == undisturbed.answered()


def test_the_ledger_file_holds_whole_calls(disk: Path, tmp_path: Path, ended: Ended) -> None:
    filler, file = _fill(disk, room=8), disk / "calls.jsonl"
    run = (*RUN, f"llm.ledger={file}")
    ended(*run, "llm.mode=record", f"store.root={tmp_path / 'store'}")
    assert file.stat().st_size > 0
    assert file.read_bytes().endswith(b"\n")
    filler.unlink()
    assert main([*run, "llm.mode=record", f"store.root={tmp_path / 'store'}"]) == 0
    assert main([*run, "llm.mode=replay", f"store.root={tmp_path / 'replayed'}"]) == 0


def test_a_report_and_a_leaderboard_are_whole_or_not_there(disk: Path, undisturbed: Store, ended: Ended) -> None:
    filler, root = _fill(disk, room=8), f"store.root={undisturbed.root}"
    report = ("report", "latest", root, "--output", str(disk / "report.html"))
    leaderboard = ("leaderboard", "latest", root, "--output", str(disk / "board"))
    ended(*report)
    ended(*leaderboard)
    assert not [path for path in disk.rglob("*") if path.is_file() and path != filler]
    filler.unlink()
    assert main(report) == 0
    assert main(leaderboard) == 0
