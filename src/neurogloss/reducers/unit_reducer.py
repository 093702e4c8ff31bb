"""`UnitReducer`: what one pass over the corpus leaves of each chosen unit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from neurogloss.records.plans import UnitSelection
from neurogloss.records.tokens import Batch
from neurogloss.reducers.counted_batch import CountedBatch
from neurogloss.reducers.draws import SequenceDraws
from neurogloss.reducers.site_reducer import SiteReducer
from neurogloss.reducers.value_rows import Scratch


class UnitReducer:
    """Reduces activations to what the plan keeps.

    Only counted tokens enter, with the unit's polarity applied. Given the same activations, what is
    kept of sequences and all counts are identical in any order of batches and any sharding and order
    of merging; moments and token sums agree to about 1e-12.

    Args:
        selection: The units.
        draws: The sequences of the whole corpus, what is drawn from them, and the plan.
        token_sums: Also sum activations per token of the explain split.
        directory: Where values are written; without one, to temporary files.
    """

    def __init__(
        self,
        selection: UnitSelection,
        draws: SequenceDraws,
        *,
        token_sums: bool = False,
        directory: Path | None = None,
    ) -> None:
        self.selection = selection
        self.draws = draws
        scratch = Scratch()
        self.sites = {
            site: SiteReducer(
                site,
                columns,
                draws,
                name=f"site-{number:04d}",
                directory=directory,
                token_sums=token_sums,
                scratch=scratch,
            )
            for number, (site, columns) in enumerate(selection.columns.items())
        }
        """By name, in the selection's order."""

    @property
    def wanted(self) -> dict[str, np.ndarray]:
        """For each site, the indices of its units, int64 [unit]."""
        return {site: reducer.columns.indices for site, reducer in self.sites.items()}

    def counted(self, batch: Batch) -> CountedBatch:
        """A batch as each site's reducer takes it in.

        Raises:
            ValueError: A sequence is longer than the plan's.
        """
        if batch.token_ids.shape[1] > self.draws.plan.sequence_length:
            raise ValueError(
                f"a sequence has {batch.token_ids.shape[1]} tokens; the plan's have at most "
                f"{self.draws.plan.sequence_length}"
            )
        return CountedBatch(batch, self.draws)

    def add(self, batch: Batch, activations: Mapping[str, np.ndarray]) -> None:
        """Takes in a batch.

        Args:
            batch: Sequences of the draws.
            activations: float32 [seq pos unit] for each site of the selection, before polarity.

        Raises:
            SubjectError: A counted activation is NaN or infinite.
        """
        counted = self.counted(batch)
        for site, reducer in self.sites.items():
            reducer.add(counted, activations[site])

    def merge(self, other: UnitReducer) -> None:
        """Takes in what another reducer, of the same selection and draws, kept of other sequences."""
        if other.selection != self.selection or other.draws.plan != self.draws.plan:
            raise ValueError("only reducers of the same selection and plan merge")
        for site, reducer in self.sites.items():
            reducer.merge(other.sites[site])

    def arrays(self) -> dict[str, np.ndarray]:
        """The whole state as named arrays, values included: what another process `load`s."""
        return {
            f"{number}.{name}": array
            for number, reducer in enumerate(self.sites.values())
            for name, array in reducer.arrays().items()
        }

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Puts a state from `arrays` into this reducer, which is still empty."""
        for number, reducer in enumerate(self.sites.values()):
            prefix = f"{number}."
            reducer.load({key.removeprefix(prefix): a for key, a in arrays.items() if key.startswith(prefix)})
