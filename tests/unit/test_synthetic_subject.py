"""The synthetic subject and its rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurogloss.builtin.subjects.configs import SyntheticConfig
from neurogloss.builtin.subjects.rules import compile_rule
from neurogloss.builtin.subjects.synthetic import SyntheticSubject
from neurogloss.errors import SubjectError
from neurogloss.records.documents import Document, Message
from neurogloss.records.tokens import Batch, Split, TokenSequence
from neurogloss.records.units import UnitId

SUBJECT = SyntheticSubject(SyntheticConfig())
UNITS = json.loads(
    (Path(__file__).parents[2] / "src/neurogloss/builtin/data/synthetic_units.json").read_text(encoding="utf-8")
)
TEXT = (
    'In 1999 the " old Anna " boat was returning , and ten ( 12 , 13 ) eggs [ 25 ] were so so hot . '
    "Der Hund ist $ 25 ! If not : the BBC , said Anna Lund"
)


def sequence(text: str, number: int = 0) -> TokenSequence:
    (tokenized,) = SUBJECT.tokenize([Document(f"d{number}", text)])
    return TokenSequence(
        number, f"d{number}", Split.EXPLAIN, text, tokenized.token_ids, tokenized.spans, tokenized.special
    )


def values(text: str, site: str, unit: int) -> dict[str, float]:
    """The unit's value at each token that is not 0, by the token's text."""
    one = sequence(text)
    found = SUBJECT.activations(Batch.of([one]), {site: np.array([unit])})[site][0, :, 0]
    return {f"{i}{token}": float(v) for i, (token, v) in enumerate(zip(one.tokens, found, strict=True)) if v}


@pytest.mark.parametrize(
    ("spec", "words", "expected"),
    [
        ({"kind": "words", "words": ["Sea"]}, "sea Sea seas", [1, 1, 0]),
        ({"kind": "graded", "values": {"one": 1, "ten": 10}}, "ten one two", [10, 1, 0]),
        ({"kind": "pattern", "pattern": r"(1[5-9]|20)\d\d"}, "1999 1400 20000 2024", [1, 0, 0, 1]),
        ({"kind": "pattern", "pattern": "re[a-z]{2,}"}, "return re area", [1, 0, 0]),
        ({"kind": "length", "above": 3}, "four three 99999 a", [1, 2, 0, 0]),
        ({"kind": "constant", "value": 2}, "a b", [2, 2]),
        ({"kind": "position", "start": 1, "stop": 3}, "a b c d", [0, 1, 1, 0]),
        ({"kind": "quoted"}, 'a " b c " d “ e ”', [0, 0, 1, 1, 0, 0, 0, 1, 0]),
        ({"kind": "repeated", "rule": {"kind": "constant", "value": 1}}, "The cat the dog cat", [0, 0, 1, 0, 1]),
        ({"kind": "after", "rule": {"kind": "words", "words": ["the"]}}, "the cat sat the", [0, 1, 0, 0]),
        ({"kind": "scaled", "factor": -2, "rule": {"kind": "words", "words": ["b"]}}, "a b", [0, -2]),
        ({"kind": "position", "stop": 1, "in_sentence": True}, "a b . c", [1, 0, 0, 1]),
        ({"kind": "inside", "opening": "(", "closing": ")"}, ") a ( b ( c ) d ) e", [0, 0, 0, 1, 0, 1, 0, 1, 0, 0]),
        (
            {"kind": "until_sentence_ends", "rule": {"kind": "words", "words": ["not"]}},
            "a not b c . d",
            [0, 0, 1, 1, 0, 0],
        ),
        (
            {"kind": "fading", "rule": {"kind": "words", "words": [","]}, "factor": 0.5},
            "a , b c , d",
            [0, 1, 0.5, 0.25, 1, 0.5],
        ),
        ({"kind": "count", "rule": {"kind": "words", "words": ["a"]}, "most": 2}, "b a a c a", [0, 1, 2, 2, 2]),
        ({"kind": "alike"}, "so so , , So", [0, 1, 0, 0, 0]),
        ({"kind": "alike", "letters": 1}, "big Bears run 7 7", [0, 1, 0, 0, 0]),
        ({"kind": "arithmetic", "relation": "sum"}, "2 and 3 make 5 , 8", [0, 0, 0, 0, 1, 0, 1]),
        ({"kind": "arithmetic", "relation": "next"}, "2 3 3 4", [0, 1, 0, 1]),
        ({"kind": "arithmetic", "relation": "difference"}, "9 4 5 " + "1" * 19, [0, 0, 1, 0]),
        ({"kind": "language", "language": "german"}, "Hund und Katze the cat", [0, 1, 1, 0, 0]),
        (
            {"kind": "all", "rules": [{"kind": "pattern", "pattern": "a.*"}, {"kind": "length", "above": 2}]},
            "abcd bcde ab",
            [1, 0, 0],
        ),
        (
            {"kind": "any", "rules": [{"kind": "words", "words": ["b"]}, {"kind": "length", "above": 1}]},
            "a b ccc",
            [0, 1, 2],
        ),
        ({"kind": "not", "rule": {"kind": "length", "above": 1}}, "a bb", [1, 0]),
        (
            {"kind": "where", "rule": {"kind": "constant", "value": -2}, "holds": {"kind": "words", "words": ["b"]}},
            "a b",
            [0, -2],
        ),
        (
            {"kind": "sum", "rules": [{"kind": "position", "stop": 2}, {"kind": "words", "words": ["b"]}]},
            "a b b",
            [1, 2, 1],
        ),
    ],
)
def test_rules(spec: dict[str, Any], words: str, expected: list[float]) -> None:
    np.testing.assert_array_equal(compile_rule(spec)(words.split()), expected)


def test_noise_is_standard_normal_and_hears_what_came_before() -> None:
    noise = compile_rule({"kind": "noise", "scale": 2})
    drawn = noise([str(i) for i in range(4000)])
    assert drawn.mean() == pytest.approx(0, abs=0.15)
    assert drawn.std() == pytest.approx(2, abs=0.1)
    assert noise(["a", "c"])[1] != noise(["b", "c"])[1]
    cut = compile_rule({"kind": "noise", "scale": 2, "most": 3})([str(i) for i in range(4000)])
    np.testing.assert_array_equal(cut, np.clip(drawn, -3, 3))


def test_no_rule_looks_ahead() -> None:
    words = TEXT.split()
    for spec in (spec for unit in UNITS for spec in (unit, *unit["false_explanations"])):
        rule = compile_rule(spec["rule"])
        whole = rule(words)
        for stop in range(len(words) + 1):
            np.testing.assert_array_equal(rule(words[:stop]), whole[:stop], str(spec["rule"]))


def test_units_do_what_they_say() -> None:
    assert values("The rain at sea", "layers.0.mlp", 0) == {"1 rain": 1, "3 sea": 1}
    assert values("In 1987, 12 men", "layers.0.mlp", 4) == {"1 1987": 1}
    assert values('He said "go home" twice', "layers.1.mlp", 0) == {"3go": 1, "4 home": 1}
    assert values("Salt and 25 eggs", "layers.1.mlp", 7) == {"0Salt": 1, "2 25": 0.5, "3 eggs": 1}
    assert values("Salt and 25 eggs", "layers.1.mlp", 5) == {"1 and": -1}
    assert values("anything", "layers.0.mlp", 7) == {}
    assert "water" in SUBJECT.true_explanation(UnitId("layers.0.mlp", 0))


@pytest.mark.parametrize("text", ["", " a  b\n\nc ", "naïve 猫 🐈 don't e-mail_x 3.14", "日本語"])
def test_tokens_cover_the_text(text: str) -> None:
    (tokenized,) = SUBJECT.tokenize([Document("d", text)])
    assert "".join(text[a:b] for a, b in tokenized.spans) == text
    assert tokenized.spans.shape == (len(tokenized.token_ids), 2)
    assert not tokenized.special.any()


def test_a_token_has_the_same_id_everywhere() -> None:
    first, second = SUBJECT.tokenize([Document("a", "the cat saw the cat"), Document("b", "a cat")])
    ids = list(first.token_ids)
    assert ids[1] == ids[4] == second.token_ids[1]
    assert len(set(ids)) == 4, "the first `the` has no space before it"
    assert min(ids) > 0


def test_conversations_mark_their_roles() -> None:
    turns = (Message("user", "Hi there"), Message("assistant", "Hello"))
    (tokenized,) = SUBJECT.tokenize([Document("d", "", turns)])
    assert tokenized.text == "user: Hi there\nassistant: Hello\n"
    shown = [
        tokenized.text[a:b] for (a, b), special in zip(tokenized.spans, tokenized.special, strict=True) if not special
    ]
    assert shown == [" Hi", " there", "\n", " Hello", "\n"]


def test_batch_padding_and_order_change_nothing() -> None:
    sequences = [sequence("The rain", 0), sequence('A " long " text of 1999 and the rain', 1)]
    wanted = {site.name: np.arange(site.n_units) for site in SUBJECT.sites()}
    together = SUBJECT.activations(Batch.of(sequences), wanted)
    for row, one in enumerate(sequences):
        alone = SUBJECT.activations(Batch.of([one]), wanted)
        for site in wanted:
            assert together[site].dtype == np.float32
            np.testing.assert_array_equal(together[site][row, : len(one)], alone[site][0])


def test_units_come_in_the_order_wanted() -> None:
    batch = Batch.of([sequence("The rain in 1999")])
    all_units = SUBJECT.activations(batch, {"layers.0.mlp": np.arange(8)})["layers.0.mlp"]
    some = SUBJECT.activations(batch, {"layers.0.mlp": np.array([5, 0, 4])})["layers.0.mlp"]
    np.testing.assert_array_equal(some, all_units[:, :, [5, 0, 4]])


@pytest.mark.parametrize(
    ("site", "unit", "known"), [("layers.9.mlp", 0, "layers.0.mlp"), ("layers.0.mlp", 99, "0 to 7")]
)
def test_what_is_not_there_is_said(site: str, unit: int, known: str) -> None:
    with pytest.raises(SubjectError) as caught:
        SUBJECT.activations(Batch.of([sequence("a")]), {site: np.array([unit])})
    assert known in caught.value.known


def test_own_units(tmp_path: Path) -> None:
    path = tmp_path / "units.json"
    row = {"site": "layers.0.mlp", "explanation": "cats", "rule": {"kind": "words", "words": ["cat"]}}
    path.write_text(json.dumps([row]), encoding="utf-8")
    own = SyntheticSubject(SyntheticConfig(units=str(path), bos=True))
    assert [site.n_units for site in own.sites()] == [1]
    assert own.bos_token_id is not None
    assert SUBJECT.bos_token_id is None
    assert own.identity() != SUBJECT.identity()


@pytest.mark.parametrize(
    ("content", "known"),
    [
        ("[\n{", "line 2: this is no JSON: Expecting"),
        (
            '[{"site": "a", "explanation": "b",\n"rule": {"kind": "wrods"}}]',
            "line 2, field [0].rule.kind: unknown kind",
        ),
        ('[{"site": "a", "explanation": "b", "rule": {"kind": "words", "word": []}}]', "unexpected keyword"),
        (
            '[{"site": "a", "explanation": "b",\n"rule": {"kind": "all", "rules": [\n{"kind": "quoted"},\n'
            '{"kind": "not",\n"rule": {"kind": "words",\n"words": "cat"}}]}}]',
            "line 5, field [0].rule.rules[1].rule: rule of kind 'words'",
        ),
        (
            '[{"site": "a", "explanation": "b", "rule": {"kind": "any",\n"rules": 3}}]',
            "line 2, field [0].rule.rules: a list belongs here",
        ),
        ('[{"explanation": "b", "rule": {"kind": "quoted"}}]', "line 1, field [0]: the field 'site' is missing"),
        ('[{"site": "a", "explanation": " ", "rule": {"kind": "quoted"}}]', "field [0].explanation: a text belongs"),
        ('[{"site": "a", "explanation": "b",\n\t"rules": 3}]', "line 2, field [0].rules: there is no field"),
        ('[{"site": "a", "explanation": "b", "rule": {"kind": "quoted"}, "top": true}]', "a number belongs here"),
        ('[{"site": "a", "explanation": "b", "rule": {"kind": "quoted"}, "sides": "*"}]', "sides are +, -, +-"),
        ("[]", "the list is empty"),
        ("7", "a list belongs here"),
        (None, "No such file"),
    ],
)
def test_units_that_cannot_be_read(tmp_path: Path, content: str | None, known: str) -> None:
    path = tmp_path / "units.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(SubjectError) as caught:
        SyntheticSubject(SyntheticConfig(units=str(path)))
    assert known in str(caught.value)


def test_a_single_word_in_place_of_a_list_is_not_taken_letter_by_letter() -> None:
    with pytest.raises(ValueError, match="words is a list, not 'cat'"):
        compile_rule({"kind": "words", "words": "cat"})
