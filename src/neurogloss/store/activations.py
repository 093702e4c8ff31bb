"""The store of activations: what a pass over a corpus left of each unit.

```
ROOT/KEY/                    one collection: a subject, a corpus and a plan
    tokens/                  every token sequence, once
    units-HASH/              one set of units: statistics and records
    token_sums-HASH/         activations summed per token, for one set of units
    statistics-HASH/         statistics alone, for one set of units
```
Each subdirectory is sealed: whole and checksummed, or not there. A set of units holds one file per
site, unit by unit, so that one unit of many is read without the others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from neurogloss.errors import StoreError
from neurogloss.records.plans import UnitColumns, UnitSelection
from neurogloss.records.units import UnitId
from neurogloss.store.array_files import ArrayFile, write_arrays
from neurogloss.store.sealed import read_manifest, remove, sealed_in, sealing, verify
from neurogloss.store.token_table import TokenTable

UNITS, TOKEN_SUMS, STATISTICS = "units", "token_sums", "statistics"
"""The kinds of sets of units."""

_TOKENS = "tokens"
_FORMAT = 1
"""Raised when the files' layout changes: older collections are then not found, and collected anew."""


class ActivationStore:
    """All collections under one directory.

    Args:
        root: The directory; need not exist.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def collection(self, identity: Mapping[str, Any]) -> StoredCollection:
        """The collection of whatever `identity` (plain JSON) determines; it may hold nothing yet."""
        text = json.dumps({"format": _FORMAT, **identity}, sort_keys=True)
        return StoredCollection(self.root / hashlib.sha256(text.encode("utf-8")).hexdigest()[:32], identity)

    def open(self, key: str) -> StoredCollection:
        """A collection that is there.

        Raises:
            StoreError: It is not there, or damaged.
        """
        manifest = read_manifest(self.root / key / _TOKENS) if key in self.keys() else None
        if manifest is None:
            raise StoreError(
                f"The store holds no collection {key!r}.", known=f"{self.root} holds {len(self.keys())} collections."
            )
        return StoredCollection(self.root / key, manifest["identity"])

    def keys(self) -> tuple[str, ...]:
        """The collections that are there, sorted."""
        return tuple(path.name for path in sealed_in(self.root) if (path / _TOKENS).is_dir())

    def disk_use(self) -> dict[str, int]:
        """Bytes on disk of each collection."""
        return {
            key: sum(path.stat().st_size for path in (self.root / key).rglob("*") if path.is_file())
            for key in self.keys()
        }

    def delete(self, key: str) -> None:
        """Removes a collection.

        Raises:
            StoreError: It is not there.
        """
        if key not in self.keys():
            raise StoreError(f"The store holds no collection {key!r}.")
        remove(self.root / key)

    def verify(self, key: str) -> None:
        """Compares every file of a collection with its checksum.

        Raises:
            StoreError: One differs; the message names it.
        """
        for directory in sealed_in(self.root / key):
            verify(directory)


@dataclass(frozen=True, eq=False)
class SiteArrays:
    """What is stored of one site's units. Each array's first axis is the unit, but for `shared`."""

    columns: UnitColumns
    plain: Mapping[str, np.ndarray]
    """Stored as they are."""
    values: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Activations, float32 [unit ...]: stored in half precision, under one scale per unit."""
    shared: Mapping[str, np.ndarray] = field(default_factory=dict)
    """What is the same for every unit of the site."""


class StoredUnit:
    """One unit's entry in a file; reads what it is asked for."""

    def __init__(self, file: ArrayFile, row: int) -> None:
        self._file = file
        self._row = row

    def plain(self, name: str) -> np.ndarray:
        """The unit's part of one of `SiteArrays.plain`."""
        return self._file.row(name, self._row)

    def values(self, name: str) -> np.ndarray:
        """The unit's part of one of `SiteArrays.values`, float32."""
        scale = self._file.row("scale", self._row)
        values: np.ndarray = self._file.row(name, self._row).astype(np.float32) * scale
        return values

    def shared(self, name: str) -> np.ndarray:
        """One of `SiteArrays.shared`."""
        return self._file.array(name)


class StoredCollection:
    """One collection; made by `ActivationStore`."""

    def __init__(self, directory: Path, identity: Mapping[str, Any]) -> None:
        self.directory = directory
        self.identity = identity
        """What determines it: subject, corpus and plan."""
        self._paths: dict[str, dict[str, list[Path]]] = {}
        self._open: dict[Path, ArrayFile] = {}

    @property
    def key(self) -> str:
        """The name under which the store holds it."""
        return self.directory.name

    def tokens(self) -> TokenTable | None:
        """The token table, if it has been written.

        Raises:
            StoreError: It is damaged.
        """
        manifest = read_manifest(self.directory / _TOKENS)
        return None if manifest is None else TokenTable(self.directory / _TOKENS, manifest)

    @contextmanager
    def writing_tokens(self, manifest: dict[str, Any]) -> Iterator[Path]:
        """A directory for `write_table`, whose result goes into `manifest`; sealed at the block's end."""
        manifest["identity"] = self.identity
        with sealing(self.directory / _TOKENS, manifest) as directory:
            yield directory

    def missing(self, kind: str, units: Sequence[UnitId]) -> tuple[UnitId, ...]:
        """Those of the units that no set of this kind holds, in order.

        Raises:
            StoreError: A set is damaged.
        """
        lacking: dict[str, set[int]] = {}
        for site, columns in UnitSelection(tuple(units)).columns.items():
            keys = _unit_keys(columns)
            held = [np.isin(keys, file.array("unit_keys")) for file in self._of(kind, site)]
            lacking[site] = set(keys[~np.any(held, axis=0)].tolist() if held else keys.tolist())
        return tuple(unit for unit in units if _unit_key(unit) in lacking[unit.site])

    def unit(self, kind: str, unit: UnitId) -> StoredUnit:
        """A unit's entry.

        Raises:
            StoreError: No set of this kind holds the unit, or one is damaged.
        """
        key = _unit_key(unit)
        for file in self._of(kind, unit.site):
            keys = file.array("unit_keys")
            row = int(np.searchsorted(keys, key))
            if row < len(keys) and keys[row] == key:
                return StoredUnit(file, row)
        raise StoreError(f"The collection {self.key} holds no {kind.replace('_', ' ')} of {unit}.")

    def column(self, kind: str, site: str, n_units: int, name: str) -> np.ndarray:
        """One of `SiteArrays.plain` for all of a site's units of positive polarity, [unit ...].

        Raises:
            StoreError: A unit is in no set of this kind, or a set is damaged.
        """
        parts: dict[int, Any] = {}
        for file in self._of(kind, site):
            parts.update(zip(file.array("unit_keys").tolist(), file.array(name), strict=True))
        try:
            return np.array([parts[2 * index] for index in range(n_units)])
        except KeyError as error:
            raise StoreError(f"The collection {self.key} holds no {kind} of all units of {site}.") from error

    def write_units(self, kind: str, sites: Mapping[str, SiteArrays]) -> None:
        """Stores a set of units."""
        named = sorted(f"{site}/{key}" for site, arrays in sites.items() for key in _unit_keys(arrays.columns))
        digest = hashlib.sha256("\n".join(named).encode("utf-8")).hexdigest()[:16]
        content = {
            "kind": kind,
            "n_units": len(named),
            "values": "float16, to be multiplied by the unit's scale (a power of two)",
            "sites": {site: f"site-{number:04d}.safetensors" for number, site in enumerate(sites)},
        }
        with sealing(self.directory / f"{kind}-{digest}", content) as directory:
            for number, arrays in enumerate(sites.values()):
                write_arrays(directory / f"site-{number:04d}.safetensors", _file_arrays(arrays))
        self._paths.pop(kind, None)

    def _of(self, kind: str, site: str) -> list[ArrayFile]:
        """The files of a site in all sets of a kind; those of other sites are not opened."""
        if kind not in self._paths:
            by_site: dict[str, list[Path]] = {}
            for directory in sealed_in(self.directory):
                manifest = read_manifest(directory) if directory.name.startswith(f"{kind}-") else None
                for name, file in (manifest or {"sites": {}})["sites"].items():
                    by_site.setdefault(name, []).append(directory / file)
            self._paths[kind] = by_site
        paths = self._paths[kind].get(site, [])
        self._open.update({path: ArrayFile(path) for path in paths if path not in self._open})
        return [self._open[path] for path in paths]


def _unit_keys(columns: UnitColumns) -> np.ndarray:
    """A number per unit that tells polarities apart, int64 [unit]."""
    return columns.indices * 2 + (columns.signs < 0)


def _unit_key(unit: UnitId) -> int:
    return unit.index * 2 + (unit.sign < 0)


def _file_arrays(arrays: SiteArrays) -> dict[str, np.ndarray]:
    keys = _unit_keys(arrays.columns)
    order = np.argsort(keys)
    scale = _scale(arrays)
    halves = {
        name: (values / scale.reshape(-1, *[1] * (values.ndim - 1))).astype(np.float16)[order]
        for name, values in arrays.values.items()
    }
    plain = {name: array[order] for name, array in arrays.plain.items()}
    return {"unit_keys": keys[order], "scale": scale[order], **plain, **halves, **arrays.shared}


def _scale(arrays: SiteArrays) -> np.ndarray:
    """A power of two per unit, float32, that takes its largest value to 2**14..2**15.

    Half precision then holds 11 significant bits of every value down to 2**-29 of the largest; without
    a scale it ends at 65,504 and at 6e-5.
    """
    largest = np.zeros(len(arrays.columns))
    for values in arrays.values.values():
        largest = np.maximum(largest, np.abs(values).max(axis=tuple(range(1, values.ndim)), initial=0))
    _, exponent = np.frexp(largest)
    scale: np.ndarray = np.ldexp(np.float32(1), np.clip(exponent - 15, -126, 127))
    return scale
