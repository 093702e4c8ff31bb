"""Sealed directories: written under another name, checksummed, and renamed when whole.

Whatever bears its final name is complete. A directory being written is locked by its writer; one that
is not locked was left by a killed process and is removed by the next writer.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import xxhash

from neurogloss.errors import StoreError

_MANIFEST = "manifest.json"
_PARTIAL = ".partial-"


@contextmanager
def sealing(
    target: Path, content: dict[str, Any], checksums: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Path]:
    """Gives a directory to write to, which becomes `target` when the block ends without an error.

    Args:
        target: The final directory. If another process seals it first, its version stays.
        content: What the manifest says beside the checksums; read at the end of the block.
        checksums: XXH3 of files whose writer has computed it on the way; read at the end of the block.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(target.parent)
    partial, lock = _partial(target)
    try:
        yield partial
        files = {
            path.name: {
                "bytes": path.stat().st_size,
                "xxh3": checksums[path.name] if path.name in checksums else _xxh3(path),
            }
            for path in sorted(partial.iterdir())
        }
        manifest = json.dumps({**content, "files": files}, ensure_ascii=False, indent=1)
        (partial / _MANIFEST).write_text(manifest, encoding="utf-8")
        partial.chmod(target.parent.stat().st_mode & 0o777)  # temporary directories are for their owner alone
        with suppress(FileExistsError):
            _rename(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        os.close(lock)


def read_manifest(directory: Path) -> Mapping[str, Any] | None:
    """The manifest of a sealed directory; `None` where there is no such directory.

    Raises:
        StoreError: The manifest is unreadable, or a file's size is not the manifest's.
    """
    if not directory.is_dir():
        return None
    try:
        manifest: Mapping[str, Any] = json.loads((directory / _MANIFEST).read_text(encoding="utf-8"))
        for name, entry in manifest["files"].items():
            if (directory / name).stat().st_size != entry["bytes"]:
                raise _damaged(directory, f"{name} has not the size that the manifest says.")
    except (OSError, ValueError, KeyError) as error:
        raise _damaged(directory, str(error)) from error
    return manifest


def verify(directory: Path) -> None:
    """Reads every file of a sealed directory and compares its XXH3 with the manifest's.

    Raises:
        StoreError: One differs, or is missing.
    """
    manifest = read_manifest(directory) or {"files": {}}
    for name, entry in manifest["files"].items():
        if _xxh3(directory / name) != entry.get("xxh3"):
            raise _damaged(directory, f"{name} does not match its checksum.")


def sealed_in(parent: Path) -> list[Path]:
    """The sealed directories in a directory, by name."""
    if not parent.is_dir():
        return []
    return sorted(path for path in parent.iterdir() if path.is_dir() and not path.name.startswith("."))


def remove(directory: Path) -> None:
    """Removes a directory; killed half-way, it leaves no half that looks whole."""
    doomed = Path(tempfile.mkdtemp(prefix=f"{_PARTIAL}{directory.name}-", dir=directory.parent))
    directory.rename(doomed)
    shutil.rmtree(doomed)


def remove_leftovers(parent: Path) -> None:
    """Removes what killed processes left in a directory; what is still being written stays."""
    for path in parent.glob(f"{_PARTIAL}*"):
        with suppress(OSError):  # locked by its writer, or removed by someone else meanwhile
            lock = os.open(path, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path)
            finally:
                os.close(lock)


def _partial(target: Path) -> tuple[Path, int]:
    """A new directory to write to, and its lock, which is held."""
    while True:
        partial = Path(tempfile.mkdtemp(prefix=f"{_PARTIAL}{target.name}-", dir=target.parent))
        # Until it is locked, another process may take it for a leftover.
        with suppress(FileNotFoundError):
            lock = os.open(partial, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if partial.exists():
                return partial, lock
            os.close(lock)


def _rename(partial: Path, target: Path) -> None:
    try:
        partial.rename(target)
    except OSError as error:
        # Linux and macOS call a non-empty target by different names; either way it is there, and whole.
        if target.is_dir():
            raise FileExistsError(target) from error
        raise


def _damaged(directory: Path, known: str) -> StoreError:
    return StoreError(
        f"The stored activations in {directory} do not match their manifest.",
        known=known,
        remedy="Delete that directory; its contents will be collected again.",
    )


def _xxh3(path: Path) -> str:
    checksum = xxhash.xxh3_64()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            checksum.update(block)
    return checksum.hexdigest()
