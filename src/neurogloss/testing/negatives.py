"""The contract of negatives."""

from __future__ import annotations

import numpy as np
import pytest

from neurogloss.interfaces.negatives import Negatives
from neurogloss.records.tokens import Split
from neurogloss.records.unit_records import SplitView
from neurogloss.testing.contract import Contract, override_fixture
from neurogloss.testing.records import constant_unit_record, unit_record

MANY = 100
"""More than any split of the suite holds."""


class NegativesContract(Contract):
    """What all negatives do.

    ```
    class TestMine(NegativesContract):
        @pytest.fixture
        def negatives(self):
            return MyNegatives(MyConfig())
    ```
    """

    @pytest.fixture
    def negatives(self) -> Negatives:
        """The negatives; what they are built on must answer for the unit of `unit_record()`."""
        override_fixture("NegativesContract", "negatives")

    @pytest.fixture
    def view(self) -> SplitView:
        """A unit that fires on some of the split's sequences, not on all."""
        return unit_record().view(Split.TEST)

    def test_there_are_some(self, negatives: Negatives, view: SplitView) -> None:
        assert isinstance(negatives.records(view, MANY), tuple)
        assert negatives.records(view, MANY)

    def test_the_unit_fires_on_none(self, negatives: Negatives, view: SplitView) -> None:
        assert not any(view.fires(record) for record in negatives.records(view, MANY))

    def test_all_are_of_the_split(self, negatives: Negatives, view: SplitView) -> None:
        assert {record.sequence.split for record in negatives.records(view, MANY)} <= {view.split}

    def test_values_are_the_units_own(self, negatives: Negatives, view: SplitView) -> None:
        records = negatives.records(view, MANY)
        for record, true in zip(records, view.on([each.sequence for each in records]), strict=True):
            np.testing.assert_array_equal(record.values, true.values)
            np.testing.assert_array_equal(record.counted, true.counted)

    def test_none_comes_twice(self, negatives: Negatives, view: SplitView) -> None:
        ids = [record.sequence.id for record in negatives.records(view, MANY)]
        assert len(set(ids)) == len(ids)

    def test_no_more_than_asked(self, negatives: Negatives, view: SplitView) -> None:
        for n in range(4):
            assert len(negatives.records(view, n)) <= n

    def test_the_hardest_come_first_however_many_are_asked(self, negatives: Negatives, view: SplitView) -> None:
        many = [record.sequence.id for record in negatives.records(view, MANY)]
        for n in (1, 2):
            assert [record.sequence.id for record in negatives.records(view, n)] == many[:n]

    def test_asking_twice_gives_the_same(self, negatives: Negatives, view: SplitView) -> None:
        first, second = ([record.sequence.id for record in negatives.records(view, MANY)] for _ in range(2))
        assert first == second

    def test_a_unit_that_always_fires_has_none(self, negatives: Negatives) -> None:
        assert negatives.records(constant_unit_record().view(Split.TEST), MANY) == ()
