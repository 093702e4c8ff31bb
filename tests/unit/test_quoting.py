"""Which share of a gloss is copied, counted by hand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from neurogloss.view.quoting import quoted_share

TEXT = "The harbour master wrote the arrival of each ship into a ledger."


@pytest.mark.parametrize(
    ("gloss", "texts", "share"),
    [
        ("words about ships and harbours", [TEXT], 0),
        (TEXT, [TEXT], 1),
        ("phrases like 'the ARRIVAL,\nof each' boat", [TEXT], 4 / 7),
        ("the harbour", [TEXT], 0),
        ("wrote the the harbour master", [TEXT], 3 / 5),
        ("the harbour master and into a ledger", [TEXT], 6 / 7),
        ("a b c d", ["a b c", "b c d"], 1),
        ("a b c d", ["a b", "b c", "c d"], 0),
        ("a b c", ["a b x c"], 0),
        ("", [TEXT], 0),
        ("...", [TEXT], 0),
        ("the harbour master", [], 0),
    ],
)
def test_runs_of_three_words_count(gloss: str, texts: Sequence[str], share: float) -> None:
    assert quoted_share(gloss, texts) == pytest.approx(share)
