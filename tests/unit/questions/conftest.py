"""A unit that fires on `cat` in a good many documents, and whose neighbour fires on `heron`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from neurogloss.records.activations import ActivationRecord
from neurogloss.records.tokens import Split, TokenSequence
from neurogloss.records.unit_records import Neighbour, SplitRecords, SplitView
from neurogloss.records.units import UnitId
from neurogloss.testing.records import activation_record, token_sequence, unit_record

WEIGHTS = {"cat": 4.0, "kitten": 2.0, "lion": 0.2}
_RANDOM = np.random.default_rng(5)
_FILLERS = "the a river barn slowly quick over near painted market song grey tall old six under".split()  # noqa: SIM905


def _sequence(number: int, words: Sequence[str]) -> TokenSequence:
    filled = list(_RANDOM.choice(_FILLERS, 14))
    for word in words:
        filled[int(_RANDOM.integers(2, 12))] = word
    return token_sequence([f" {word}" for word in filled], id=number, split=Split.TEST)


class Herons:
    """The surroundings: a unit that fires on herons."""

    def __init__(self, sequences: Sequence[TokenSequence]) -> None:
        self._herons = [activation_record(s, {"heron": 1.0}) for s in sequences if " heron" in s.tokens]

    def neighbours(self, unit: UnitId, split: Split, n: int) -> tuple[Neighbour, ...]:
        record = replace(unit_record(unit="layers.1.mlp/7"), splits={split: SplitRecords(top=tuple(self._herons))})
        return (Neighbour(record.view(split), 0.5),)[:n]

    def pool(self, split: Split, n: int) -> tuple[TokenSequence, ...]:
        return ()

    def values(self, unit: UnitId, sequences: Sequence[TokenSequence]) -> tuple[ActivationRecord, ...]:
        return tuple(activation_record(s, WEIGHTS) for s in sequences)


@pytest.fixture(scope="session")
def view() -> SplitView:
    """60 documents that fire (20 of them weakly, on `lion` alone, below level 1), 30 quiet ones, 30 with herons."""
    cats = [_sequence(i, ["cat"] if i % 3 else ["cat", "kitten", "kitten"]) for i in range(40)]
    lions = [_sequence(100 + i, ["lion"]) for i in range(20)]
    quiet = [_sequence(200 + i, []) for i in range(30)]
    herons = [_sequence(300 + i, ["heron", "cat"] if i < 5 else ["heron"]) for i in range(30)]
    firing = [activation_record(s, WEIGHTS) for s in cats]
    records = SplitRecords(
        top=tuple(firing[:10]),
        random=tuple(activation_record(s, WEIGHTS) for s in [*quiet, *lions, *cats[:3]]),
        quantile={
            "0-0.5": tuple(activation_record(s, WEIGHTS) for s in lions[:10]),
            "0.5-0.9": tuple(firing[10:25]),
            "0.9-0.99": tuple(firing[5:20]),
        },
        importance=tuple(firing[20:40]),
    )
    record = replace(unit_record(), splits={Split.TEST: records}, surroundings=Herons(herons))
    return record.view(Split.TEST)
