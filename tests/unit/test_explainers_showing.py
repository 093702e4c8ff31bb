"""What prompts show of a unit: texts with marks, and tokens by mean activation."""

from __future__ import annotations

import numpy as np
import pytest

from neurogloss.builtin.explainers.asking_configs import ListingConfig
from neurogloss.builtin.explainers.listing import ListedToken, Listing, listing
from neurogloss.builtin.explainers.showing import marked, marks_for, passages
from neurogloss.builtin.prompts.marks import Marks
from neurogloss.errors import ConfigError
from neurogloss.records.activations import ActivationRecord
from neurogloss.records.tokens import Split
from neurogloss.records.unit_records import SplitRecords, SplitView, TokenMeans, UnitRecord
from neurogloss.testing.records import token_sequence, unit_record

SQUARE = Marks("[[", "]]")


def record(tokens: list[str], values: list[float], id: int = 0) -> ActivationRecord:
    sequence = token_sequence(tokens, id=id, bos=False)
    return ActivationRecord(sequence, np.array(values, dtype=np.float32), np.ones(len(values), dtype=bool))


def test_neighbouring_tokens_share_a_mark_and_spaces_stay_outside() -> None:
    passage = [("A", 0), (" thunder", 7), ("storm", 10), (" kept", 2), (" us", 3), (".", 0)]
    shown = marked(passage, 3, SQUARE)
    assert shown.text == "A [[thunderstorm]] kept [[us]]."
    assert shown.levels == ((" thunder", 7), ("storm", 10), (" us", 3))
    assert marked(passage, 8, SQUARE).text == "A thunder[[storm]] kept us."


def test_levels_are_of_the_highest_value_that_is_shown_and_windows_are_cut() -> None:
    shown = passages([record([" a", " b", "\n", " d"], [0, 0.99, 4, 0]), record([" e"], [2], 1)], window=2)
    assert shown == [[(" b", 2), ("\\n", 10)], [(" e", 5)]]


@pytest.mark.parametrize(
    ("texts", "marks"),
    [
        (["plain"], ("[[", "]]")),
        (["a[[0]]"], ("<<", ">>")),
        (["[[", "x >> 1"], ("{{", "}}")),
        (["[[ << {{ ⟦"], ("⟦⟦", "⟧⟧")),
    ],
)
def test_marks_are_such_as_no_text_holds(texts: list[str], marks: tuple[str, str]) -> None:
    assert marks_for(texts) == Marks(*marks)


WORDS = {1: " rain", 2: " Rain", 3: " rains", 4: " rail", 5: " sun", 6: " snow", 7: "rain", 8: " rainy"}
SUMS = {1: 8.0, 2: 0.0, 3: 6.0, 4: 0.1, 5: 0.0, 6: 3.0, 7: 0.0, 8: -4.0}
COUNTS = {1: 2, 2: 5, 3: 1, 4: 1, 5: 9, 6: 1, 7: 7, 8: 1}


def weather(*records: ActivationRecord) -> SplitView:
    ids = sorted(WORDS)
    means = TokenMeans(np.array(ids), np.array([SUMS[i] for i in ids]), np.array([COUNTS[i] for i in ids]))
    template = unit_record()
    splits = {Split.EXPLAIN: SplitRecords(top=records)}
    return UnitRecord(template.unit, template.statistics, splits, means, WORDS).view(Split.EXPLAIN)


def test_tokens_are_listed_by_mean_with_levels_of_the_highest_mean() -> None:
    assert listing(weather(), ListingConfig(tokens=2)).top == (ListedToken(" rains", 10, 1), ListedToken(" rain", 6, 2))
    assert [token.text for token in listing(weather(), ListingConfig(tokens=9)).top] == [" rains", " rain", " snow"]


def test_rare_tokens_may_be_left_out_and_the_scale_follows() -> None:
    assert listing(weather(), ListingConfig(tokens=9, min_count=2)).top == (ListedToken(" rain", 10, 2),)


def test_exceptions_look_like_a_listed_token_and_do_not_fire() -> None:
    found = listing(weather(), ListingConfig(tokens=3, exceptions=9)).exceptions
    # The same but for case and space: the more frequent first; then by the share of letters in common: 4/5, 3/4.
    assert [(token.text, token.count) for token in found] == [("rain", 7), (" Rain", 5), (" rainy", 1), (" rail", 1)]
    assert len(listing(weather(), ListingConfig(tokens=3, exceptions=2)).exceptions) == 2


def test_a_context_is_where_the_token_is_highest() -> None:
    low = token_sequence(["no", " rain", " here"], id=1, bos=False)
    high = token_sequence(["heavy", "\n", " rain", " fell", " all", " day"], id=2, bos=False)
    records = []
    for sequence, values in ((low, [0, 1.0, 0]), (high, [0, 0, 7.0, 0, 0, 0])):
        ids = np.array([1 if token == " rain" else 99 for token in sequence.tokens])
        numbered = type(sequence)(**{**vars(sequence), "token_ids": ids})
        records.append(ActivationRecord(numbered, np.array(values, np.float32), np.ones(len(ids), dtype=bool)))
    (rain,) = listing(weather(*records), ListingConfig(tokens=1, min_count=2, context=2)).top
    assert rain.context == "heavy\\n [[rain]] fell all"
    (without,) = listing(weather(), ListingConfig(tokens=1, context=2)).top
    assert without.context == ""


def test_nothing_is_listed_where_nothing_is_asked_for_or_known() -> None:
    assert listing(weather(), ListingConfig()) == Listing()
    template = unit_record()
    bare = UnitRecord(template.unit, template.statistics, template.splits)
    assert listing(bare.view(Split.EXPLAIN), ListingConfig(tokens=5)) == Listing()
    assert listing(unit_record().view(Split.TEST), ListingConfig(tokens=5)) == Listing()


@pytest.mark.parametrize("wrong", [{"tokens": -1}, {"min_count": 0}, {"context": -1}, {"exceptions": -2}])
def test_values_out_of_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        ListingConfig(**wrong).check()
