"""The store of activations: what a pass over a corpus left of each unit.

```
ROOT/KEY/                    one collection: a subject, a corpus and a plan
    tokens/                  every token sequence, once
    units-HASH/              one set of units: statistics and records
    token_sums-HASH/         activations summed per token, for one set of units
    statistics-HASH/         statistics alone, for one set of units
```
Each subdirectory is sealed: whole and checksummed, or not there. A set of units holds a file of arrays
per site, unit by unit, and beside it two of rows: values along sequences, whole numbers of 16 bits
times a power of two. The arrays hold the rows' addresses, so that one unit of many is read without the others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from neurogloss.errors import StoreError
from neurogloss.records.plans import UnitColumns, UnitSelection
from neurogloss.records.units import UnitId
from neurogloss.reducers.value_rows import values_at
from neurogloss.store.array_files import ArrayFile, mapped_rows, write_arrays
from neurogloss.store.sealed import read_manifest, remove, remove_leftovers, sealed_in, sealing, verify
from neurogloss.store.token_table import TokenTable

UNITS, TOKEN_SUMS, STATISTICS = "units", "token_sums", "statistics"
"""The kinds of sets of units."""

_TOKENS = "tokens"
_FORMAT = 3
"""Raised when the files' layout changes: older collections are then not found, and collected anew."""


class ActivationStore:
    """All collections under one directory.

    Args:
        root: The directory; need not exist.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def collection(self, identity: Mapping[str, Any]) -> StoredCollection:
        """The collection of whatever `identity` (plain JSON) determines; it may hold nothing yet.

        What killed processes left of any collection is removed.
        """
        for directory in sealed_in(self.root):
            remove_leftovers(directory)
        text = json.dumps({"format": _FORMAT, **identity}, sort_keys=True)
        return StoredCollection(self.root / hashlib.sha256(text.encode("utf-8")).hexdigest()[:32], identity)

    def open(self, key: str) -> StoredCollection:
        """A collection that is there.

        Raises:
            StoreError: It is not there, or damaged, or its files are laid out as an earlier version did.
        """
        manifest = read_manifest(self.root / key / _TOKENS) if key in self.keys() else None
        if manifest is None:
            raise StoreError(
                f"The store holds no collection {key!r}.", known=f"{self.root} holds {len(self.keys())} collections."
            )
        if manifest.get("format") != _FORMAT:
            raise StoreError(
                f"The collection {key} was written by an earlier version.",
                known=f"Its files are of format {manifest.get('format', 'unknown')}, and this version reads {_FORMAT}.",
                remedy="Start the run again: what it needs is collected anew.",
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
    """What is stored of one site's units."""

    columns: UnitColumns
    plain: Mapping[str, np.ndarray]
    """Their first axis is the unit."""
    shared: Mapping[str, np.ndarray] = field(default_factory=dict)
    """What is the same for every unit of the site."""


class StoredUnit:
    """One unit's entry in a file; reads what it is asked for."""

    def __init__(self, file: _UnitsFile, row: int) -> None:
        self._file = file
        self._row = row

    def plain(self, name: str) -> np.ndarray:
        """The unit's part of one of `SiteArrays.plain`."""
        return self._file.row(name, self._row)

    def values(self, name: str, split: int) -> np.ndarray:
        """The unit's values along a sample's sequences in a split, float32 [... slot pos]."""
        addresses, exponents = (self.plain(f"{name}_{part}")[split] for part in ("addresses", "exponents"))
        file, length = self._file, int(self.shared("length"))
        return values_at(lambda rows: file.kept[rows], lambda rows: file.drawn[rows], addresses, exponents, length)

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
        self._open: dict[Path, _UnitsFile] = {}

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
        manifest |= {"format": _FORMAT, "identity": self.identity}
        with sealing(self.directory / _TOKENS, manifest) as directory:
            yield directory

    def without_damage(self) -> Iterator[str]:
        """Removes what does not match its checksums, and yields what was wrong with each part."""
        for directory in sealed_in(self.directory):
            try:
                verify(directory)
            except StoreError as error:
                remove(directory)
                yield f"{error.wrong} {error.known}"

    def missing(self, kind: str, units: Sequence[UnitId]) -> tuple[UnitId, ...]:
        """Those of the units that no set of this kind holds, in order.

        Raises:
            StoreError: A set is damaged.
        """
        if not any(self._of(kind, site) for site in {unit.site for unit in units}):
            return tuple(units)
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

    @contextmanager
    def writing(self, kind: str, selection: UnitSelection) -> Iterator[UnitsWriter]:
        """Writes a set of units, sealed at the block's end."""
        digest = hashlib.sha256()
        for site, columns in sorted(selection.columns.items()):
            digest.update(f"{site}\n".encode() + np.sort(_unit_keys(columns)).astype("<i8").tobytes())
        sites: dict[str, str] = {}
        checksums: dict[str, str] = {}
        content = {
            "kind": kind,
            "n_units": len(selection.units),
            "rows": "int16 [row length], to be multiplied by 2 ** exponent",
            "sites": sites,
        }
        with sealing(self.directory / f"{kind}-{digest.hexdigest()[:16]}", content, checksums) as directory:
            yield UnitsWriter(directory, sites, checksums)
        self._paths.pop(kind, None)

    def _of(self, kind: str, site: str) -> list[_UnitsFile]:
        """The files of a site in all sets of a kind; those of other sites are not opened."""
        if kind not in self._paths:
            by_site: dict[str, list[Path]] = {}
            for directory in sealed_in(self.directory):
                manifest = read_manifest(directory) if directory.name.startswith(f"{kind}-") else None
                for name, file in (manifest or {"sites": {}})["sites"].items():
                    by_site.setdefault(name, []).append(directory / file)
            self._paths[kind] = by_site
        paths = self._paths[kind].get(site, [])
        self._open.update({path: _UnitsFile(path) for path in paths if path not in self._open})
        return [self._open[path] for path in paths]


class UnitsWriter:
    """Writes one set of units, site by site; made by `StoredCollection.writing`."""

    def __init__(self, directory: Path, sites: dict[str, str], checksums: dict[str, str]) -> None:
        self.directory = directory
        """Where the sites' rows are written, to `site-NUMBER.kept` and `site-NUMBER.drawn`."""
        self._sites = sites
        self._checksums = checksums

    def add(self, site: str, arrays: SiteArrays, rows: Mapping[Path, str] = MappingProxyType({})) -> None:
        """Writes the arrays of the next site.

        Args:
            site: Its name.
            arrays: Its arrays.
            rows: The files of its rows, with their XXH3.
        """
        name = f"site-{len(self._sites):04d}.safetensors"
        keys = _unit_keys(arrays.columns)
        order = np.argsort(keys)
        plain = {field: array[order] for field, array in arrays.plain.items()}
        write_arrays(self.directory / name, {"unit_keys": keys[order], **plain, **arrays.shared})
        self._sites[site] = name
        self._checksums.update({path.name: checksum for path, checksum in rows.items()})


class _UnitsFile(ArrayFile):
    """The arrays of one site of a set, and the rows beside them."""

    @cached_property
    def kept(self) -> np.ndarray:
        """int16 [row length]"""
        return mapped_rows(self.path.with_suffix(".kept"), int(self.array("length")))

    @cached_property
    def drawn(self) -> np.ndarray:
        """int16 [row length]"""
        return mapped_rows(self.path.with_suffix(".drawn"), int(self.array("length")))


def _unit_keys(columns: UnitColumns) -> np.ndarray:
    """A number per unit that tells polarities apart, int64 [unit]."""
    return columns.indices * 2 + (columns.signs < 0)


def _unit_key(unit: UnitId) -> int:
    return unit.index * 2 + (unit.sign < 0)
