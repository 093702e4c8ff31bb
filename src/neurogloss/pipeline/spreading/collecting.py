"""One pass over a collection, spread over processes."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from neurogloss.errors import StoreError
from neurogloss.interfaces.executor import Hub, Line, Reducing, Reduction
from neurogloss.interfaces.subject import SubjectModel
from neurogloss.pipeline.collection import CollectionPass
from neurogloss.pipeline.progress import Progress
from neurogloss.pipeline.sequences import document_starts
from neurogloss.pipeline.spreading.hub import News, ProgressHub
from neurogloss.pipeline.spreading.lines import LineProgress
from neurogloss.reducers.unit_reducer import UnitReducer
from neurogloss.store.activations import ActivationStore
from neurogloss.store.token_table import TokenTable

Shard = tuple[int, int]
"""The rows of a token table from the first up to the second: whole documents."""
Packed = Mapping[str, np.ndarray]


class SpreadPasses:
    """Lets an executor do passes over a collection.

    Args:
        executor: Where the parts run.
        subject: Builds the subject where a part runs; plain data.
        store: The collection's store, in a folder that every part sees.
        progress: Hears of all parts.
    """

    def __init__(
        self, executor: Reducing, subject: Callable[[], SubjectModel], store: ActivationStore, progress: Progress
    ) -> None:
        self._executor = executor
        self._subject = subject
        self._store = store
        self._progress = progress

    def reduce(self, key: str, what: CollectionPass, reducer: UnitReducer) -> None:
        """Lets the empty reducer take in the whole token table of the collection of this key."""
        reducer.load(self._executor.reduce(CollectionWork(self._subject, self._store.root, key, what, self._progress)))


class CollectionWork(Reduction):
    """A pass: shards are documents, states are reducers."""

    def __init__(
        self, subject: Callable[[], SubjectModel], root: Path, key: str, what: CollectionPass, progress: Progress
    ) -> None:
        self._build = subject
        self._root = root
        self._key = key
        self._what = what
        self._progress = progress

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_progress": None}

    def hub(self) -> Hub:
        counts = self._opened().counts
        return ProgressHub({self._what.stage: sum(counts[split]["tokens"] for split in self._what.splits)})

    def join(self, line: Line) -> None:
        self._progress = LineProgress(line)

    def hear(self, news: News) -> None:
        told, values = news
        getattr(self._progress, told)(*values)

    def shards(self, n: int) -> Sequence[Shard]:
        table = self._opened()
        starts = document_starts(table.ids)
        wanted = np.linspace(0, len(table), n + 1)[1:-1]
        cuts = np.unique([0, *starts[np.searchsorted(starts[:-1], wanted)], len(table)])
        return list(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True))

    def open(self) -> None:
        self._subject = self._build()
        self._table = self._opened()

    def reduce(self, shard: Shard) -> UnitReducer:
        reducer = self._what.reducer(self._table)
        self._what.reduce(self._subject, self._table, np.arange(*shard), reducer, self._progress)
        return reducer

    def merge(self, state: UnitReducer, packed: Packed) -> UnitReducer:
        other = self._what.reducer(self._table)
        other.load(packed)
        state.merge(other)
        return state

    def pack(self, state: UnitReducer) -> Packed:
        return state.arrays()

    def close(self) -> None:
        """The process ends."""

    def _opened(self) -> TokenTable:
        store = ActivationStore(self._root)
        check_shared(store, self._key)
        table = store.open(self._key).tokens()
        assert table is not None
        return table


def check_shared(store: ActivationStore, key: str) -> None:
    """Refuses to go on where a collection is not to be seen that another machine has written.

    Raises:
        StoreError: It is not.
    """
    there = store.keys()
    if key not in there:
        raise StoreError(
            f"The machine {platform.node()!r} does not see the collection {key} in {store.root.absolute()}.",
            known="The machine that begins a run writes its collection, and every worker reads it.",
            remedy="Let store.root be a folder that all machines share, under the same path.",
        )
