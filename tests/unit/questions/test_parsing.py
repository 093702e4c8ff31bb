"""Reading answers: tolerant of how they are written, and never inventing one."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurogloss.builtin.scorers.questions.parsing import YES_NO, numbers_to, read_answers


@pytest.mark.parametrize(
    "text",
    [
        '{"answers": [1, 0, 1]}',
        '```json\n{"answers": [\n  1,\n  0,\n  1,\n]}\n```',
        "{'answers': [True, False, True]}",
        "answers = [1, 0, 1]",
        "[1,0,1]",
        "The answers are [yes, no, yes], because the first and the third speak of rain.",
        "Here you go:\n[\n'Yes',\n'No',\n'Yes'\n]",
        "Text 1 =>Yes\nText 2 =>No\nText 3 =>Yes",
        "1. yes\n2. no\n3. yes",
        "1: 1\n2: 0\n3: 1",
        "**Text 1**: Yes.\n**Text 2**: No.\n**Text 3**: Yes.",
        "yes, no, yes",
        "Yes\nNo\nYes\n",
        "1 0 1",
        'First I thought [0, 0, 1]. {"answers": [1, 0, 1]}',
    ],
)
def test_what_is_read(text: str) -> None:
    assert read_answers(text, 3, YES_NO) == (1, 0, 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1, 0]",
        "[1, 0, 1, 1]",
        '{"answers": [1, 0]}',
        '{"answers": [1, 0, 2]}',
        '{"answers": [1, 0, null]}',
        '{"answers": [1, 0, 1]} or rather {"answers": [1, 1, 1]}',
        "[1, 0, 1] or [0, 0, 1]",
        "1. yes\n2. no",
        "1. yes\n2. no\n2. yes\n3. yes",
        "1. yes\n2. no\n4. yes",
        "yes, no",
        "yes, no, yes, yes",
        "yes no maybe",
        "All three texts are about rain.",
        "I would say yes for 1 and 3, no for 2.",
        "[[1, 0], 1]",
        "101",
    ],
)
def test_what_is_not_read(text: str) -> None:
    assert read_answers(text, 3, YES_NO) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Yes", 1),
        (" no.\n", 0),
        ("Yes, it is about rain.", 1),
        ("True", 1),
        ("No idea", None),
        ("Yes. Or no.", None),
        ("It is, yes", None),
    ],
)
def test_a_single_yes_or_no(text: str, expected: int | None) -> None:
    assert read_answers(text, 1, YES_NO) == (None if expected is None else (expected,))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", 2),
        ("Text 3", 2),
        ("Text =>3", 2),
        ('{"answers": [3]}', 2),
        ("The intruder is text 3, since it is not about rain.", 2),
        ("Of the 5 texts, the answer is 3.", 2),
        ("3, because text 1 is about rain", None),
        ("Text 1 and text 3", None),
        ("Text 7", None),
        ("The third", None),
        ("0", None),
    ],
)
def test_the_number_of_a_text(text: str, expected: int | None) -> None:
    assert read_answers(text, 1, numbers_to(5)) == (None if expected is None else (expected,))


_WORDS = st.sampled_from([*YES_NO, "Yes", "TRUE", "maybe", "2", "10", "", "null", "text", "answers", "Text 1"])
_REPLIES = st.one_of(
    st.text(),
    st.text(alphabet='[]{}",:;=>\n 012yesnoTRUEfalse.'),
    st.lists(_WORDS).flatmap(lambda words: st.sampled_from([", ".join(words), "\n".join(words), str(words)])),
)


@given(_REPLIES, st.integers(1, 6), st.sampled_from([YES_NO, numbers_to(5)]))
def test_any_reply_is_read_or_not_and_nothing_is_invented(text: str, n: int, words: dict[str, int]) -> None:
    found = read_answers(text, n, words)
    if found is not None:
        assert len(found) == n
        for answer in found:
            assert any(word in text.lower() for word, value in words.items() if value == answer)


@given(st.lists(st.integers(0, 1), min_size=1, max_size=9), st.text(alphabet="abcdef ,.\n"), st.booleans())
def test_what_was_meant_is_what_is_read(answers: list[int], prose: str, words: bool) -> None:
    written = [["No", "Yes"][a] for a in answers] if words else answers
    assert read_answers(f"{prose}{json.dumps({'answers': written})}{prose}", len(answers), YES_NO) == tuple(answers)
    assert read_answers(f"{prose}{json.dumps(written)}{prose}", len(answers) + 1, YES_NO) is None
