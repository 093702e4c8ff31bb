"""`SubjectModel`: the model whose units are explained."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from neurogloss.records.documents import Document
from neurogloss.records.tokens import Batch, Tokenized
from neurogloss.records.units import Site
from neurogloss.reducers.unit_reducer import UnitReducer


class SubjectModel(ABC):
    """A model with sites at which activations can be read.

    A backend may load its weights when the object is made or at the first call of `activations`.
    What a subject can do beyond this (replace activations, tell what a unit writes) is declared by
    further small classes that it also implements, and found with `isinstance`.
    """

    @abstractmethod
    def identity(self) -> Mapping[str, str]:
        """What determines the activations: model, revision, tokenizer, BOS, dtype.

        Cheap: loads no weights. Holds no path, so that equal models are equal on any machine.

        Raises:
            SubjectError: There is no such model.
        """

    @abstractmethod
    def sites(self) -> tuple[Site, ...]:
        """All sites, in the order of the data's way through the model."""

    @property
    @abstractmethod
    def bos_token_id(self) -> int | None:
        """The token to put before every sequence, or `None`; the subject's BOS policy is applied."""

    @abstractmethod
    def tokenize(self, documents: Sequence[Document]) -> list[Tokenized]:
        """Tokenizes whole documents, without BOS; conversations go through the chat template."""

    @abstractmethod
    def activations(self, batch: Batch, wanted: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Runs the subject on a batch.

        Args:
            batch: Padded sequences. Padding, batch size and order change no value beyond the
                tolerance that the subject documents.
            wanted: For each site, the indices of the units to read, int64 [unit].

        Returns:
            For each site, float32 [seq pos unit], in the order of the indices; what stands in the
            padding is undefined.

        Raises:
            SubjectError: An unknown site, or an index beyond its units.
        """

    def collect(self, batches: Iterable[Batch], reducer: UnitReducer) -> None:
        """Runs the subject on batches and lets the reducer take in the activations of its units.

        This implementation reads all sites of a batch, then reduces them; a backend may hand them over
        site by site while it runs. The reducer must be left in an equal state.

        Args:
            batches: What to run on; the next one is asked for when one is done.
            reducer: Says which units, and takes in their activations.
        """
        for batch in batches:
            reducer.add(batch, self.activations(batch, reducer.wanted))
