"""Negatives on which units fire that write nearly the same."""

from __future__ import annotations

import numpy as np

from neurogloss.builtin.negatives.configs import DecoderNegativesConfig
from neurogloss.builtin.negatives.quiet import quiet_on_tops_of
from neurogloss.errors import ConfigError
from neurogloss.interfaces.negatives import Negatives
from neurogloss.interfaces.output_weights import OutputWeights
from neurogloss.interfaces.subject import SubjectModel
from neurogloss.records.activations import ActivationRecord
from neurogloss.records.unit_records import SplitView
from neurogloss.records.units import UnitId


class DecoderNegatives(Negatives):
    """Top records of the collected units whose output direction has the highest cosine with this unit's.

    Raises:
        ConfigError: The subject does not tell output directions.
    """

    def __init__(self, config: DecoderNegativesConfig, subject: SubjectModel) -> None:
        if not isinstance(subject, OutputWeights):
            raise ConfigError(
                "negatives=decoder needs a subject that tells what its units write.",
                known=f"{type(subject).__name__} does not.",
                remedy="Choose other negatives, such as neighbours.",
            )
        self._config = config
        self._subject = subject

    def records(self, view: SplitView, n: int) -> tuple[ActivationRecord, ...]:
        """One of each unit in turn, the nearest unit first; see `Negatives.records`."""
        candidates = [neighbour.view for neighbour in view.neighbours(self._config.n_candidates)]
        if not candidates:
            return ()
        directions = self._directions([view.unit, *(candidate.unit for candidate in candidates)])
        nearest = np.argsort(-(directions[1:] @ directions[0]), kind="stable")[: self._config.n_neighbours]
        return quiet_on_tops_of(view, (candidates[i] for i in nearest), n)

    def _directions(self, units: list[UnitId]) -> np.ndarray:
        """What each unit writes when it fires, of length 1 [unit d]; a unit that writes nothing is 0."""
        found: dict[UnitId, np.ndarray] = {}
        for site in dict.fromkeys(unit.site for unit in units):
            here = [unit for unit in units if unit.site == site]
            written = self._subject.output_directions(site, np.array([unit.index for unit in here], dtype=np.int64))
            found.update(zip(here, written.astype(np.float64), strict=True))
        directions = np.stack([unit.sign * found[unit] for unit in units])
        return np.asarray(directions / np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-30))
