"""`ResultStore`: where runs, explanations, scores and the ledger are kept."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from neurogloss.records.requests import Reply
from neurogloss.records.runs import ExplanationRow, LedgerEntry, LedgerTotals, OpenBatch, RunManifest, ScoreRow


class ResultStore(ABC):
    """Keeps results; everything it has accepted survives the death of the process."""

    @abstractmethod
    def begin_run(self, manifest: RunManifest) -> None:
        """Records a run; one that exists already keeps its rows and its manifest."""

    @abstractmethod
    def runs(self) -> list[RunManifest]:
        """All runs, oldest first."""

    @abstractmethod
    def run(self, run_id: str) -> RunManifest:
        """The run whose id is or begins with `run_id`; `latest` is the newest.

        Raises:
            StoreError: None, or more than one.
        """

    @abstractmethod
    def delete_run(self, run_id: str) -> None:
        """Forgets a run's explanations and scores; the ledger keeps the replies."""

    @abstractmethod
    def add_explanations(self, run_id: str, rows: Sequence[ExplanationRow]) -> None:
        """Commits explanations together or not at all, in place of earlier ones of the same cells."""

    @abstractmethod
    def explanations(self, run_id: str) -> list[ExplanationRow]:
        """A run's explanations, sorted by cell."""

    @abstractmethod
    def add_scores(self, run_id: str, rows: Sequence[ScoreRow]) -> None:
        """Commits scores with their simulations, together or not at all, in place of earlier ones of the same cells.

        Args:
            run_id: Of the run.
            rows: Each cell once a scorer.
        """

    @abstractmethod
    def scores(self, run_id: str) -> list[ScoreRow]:
        """A run's scores, sorted by cell and scorer."""

    @abstractmethod
    def reply(self, key: str, *, rejected: bool = True) -> Reply | None:
        """The committed reply to a request, if there is one: the newest of those that were not rejected.

        Args:
            key: Of the request.
            rejected: Where all were rejected, the newest of them.
        """

    @abstractmethod
    def reject(self, key: str) -> None:
        """Notes that the committed replies to a request were of no use; they stay in the ledger."""

    @abstractmethod
    def add_entry(self, run_id: str, entry: LedgerEntry) -> None:
        """Commits one call."""

    @abstractmethod
    def add_use(self, run_id: str, key: str, role: str) -> None:
        """Notes that a run used a reply that was already there."""

    @abstractmethod
    def open_batch(self, batch: OpenBatch) -> None:
        """Commits a batch that is about to be handed in, or, in its place, one whose id is known now."""

    @abstractmethod
    def open_batches(self) -> list[OpenBatch]:
        """The batches of all runs that are not closed, oldest first."""

    @abstractmethod
    def close_batch(self, batch: OpenBatch, entries: Sequence[LedgerEntry]) -> bool:
        """Commits what became of a batch's requests, as calls of its run, and forgets the batch; all or nothing.

        Returns:
            Whether the batch was open; if not, nothing is committed.
        """

    @abstractmethod
    def ledger(self, run_id: str) -> Sequence[LedgerEntry]:
        """The calls whose replies a run used or that failed in it, oldest first."""

    @abstractmethod
    def totals(self, run_id: str) -> LedgerTotals:
        """Sums over the ledger of a run, without reading its replies."""

    @abstractmethod
    def close(self) -> None:
        """Releases the database."""
