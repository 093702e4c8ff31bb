"""Executable explanations: what rules say, what they predict, and how they are learned."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from neurogloss.builtin.explainers.configs import ExecutableConfig
from neurogloss.builtin.explainers.executable import ExecutableExplainer
from neurogloss.builtin.explainers.rule_evidence import START, UNKNOWN, Evidence, evidence_of
from neurogloss.builtin.explainers.rule_learning import RuleLearner
from neurogloss.builtin.explainers.rule_shrinkage import shrunk
from neurogloss.builtin.explainers.token_tests import TokenTests
from neurogloss.builtin.simulators.configs import RulesConfig
from neurogloss.builtin.simulators.rules import RulesSimulator
from neurogloss.errors import ConfigError
from neurogloss.records import codec
from neurogloss.records.explanations import Provenance
from neurogloss.records.rules import Rule, RulesExplanation, TokenTest, shape
from neurogloss.records.simulations import Simulation
from neurogloss.records.tokens import Split
from neurogloss.testing.records import sequences, token_sequence, unit_record


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("cat", "lower"),
        ("Cat", "capitalised"),
        ("NASA", "upper"),
        ("A", "upper"),
        ("iPhone", "letters"),
        ("1984", "digits"),
        (").", "punctuation"),
        ("3rd", "mixed"),
        ("", "space"),
        ("Élan", "capitalised"),
    ],
)
def test_the_shape_of_a_word(word: str, kind: str) -> None:
    assert shape(word) == kind


@pytest.mark.parametrize(
    ("test", "holds", "fails"),
    [
        (TokenTest(tokens=(" cat", "Cat")), [" cat", "Cat"], ["cat", " Cat", None]),
        (TokenTest(words=("cat",)), [" cat", "CAT", "\nCat"], [" cats", None]),
        (TokenTest(shape="digits", length=4), [" 1984"], [" 84", " four"]),
        (TokenTest(prefix="re", shape="lower"), [" red", "re"], [" Red", " bred"]),
        (TokenTest(suffix="ing", spaced=True), [" RING"], ["ring", " rings"]),
        (TokenTest(start=True), [None], ["", "a"]),
        (TokenTest(), ["a", "", None], []),
    ],
)
def test_what_a_test_asks(test: TokenTest, holds: Sequence[str | None], fails: Sequence[str | None]) -> None:
    assert all(test.holds(text) for text in holds)
    assert not any(test.holds(text) for text in fails)


RULES = RulesExplanation(
    Provenance("x"),
    0.5,
    (
        Rule(2.0, TokenTest(words=("cat",))),
        Rule(-1.0, TokenTest(words=("cat",)), (TokenTest(tokens=(" a",)),)),
        Rule(4.0, before=(TokenTest(tokens=(" b",)), TokenTest(tokens=(" a",)))),
        Rule(8.0, TokenTest(shape="upper"), (TokenTest(start=True),)),
    ),
)


def test_the_effects_of_all_rules_that_hold_add_up() -> None:
    assert RULES.predict(["X", " cat", " a", " Cat", " a", " b", " cat"]) == [8.5, 2.5, 0.5, 1.5, 0.5, 0.5, 6.5]
    assert RULES.predict([]) == []


def test_a_special_token_has_no_value_and_begins_a_text() -> None:
    found = RULES.predict([" a", None, "X", " cat"])
    assert np.isnan(found[1])
    assert [found[0], *found[2:]] == [0.5, 8.5, 2.5]


def test_rules_can_be_read() -> None:
    assert RULES.text().splitlines() == [
        "0.5 everywhere",
        "+2 at 'cat' in any case",
        "-1 at 'cat' in any case after ' a'",
        "+4 at any token after ' a', ' b'",
        "+8 at upper-case word after the start of the text",
    ]
    assert RULES.summary() == (
        "0.5 everywhere; +2 at 'cat' in any case; -1 at 'cat' in any case after ' a'; "
        "+4 at any token after ' a', ' b'; and 1 more"
    )
    pattern = TokenTest(shape="digits", length=4, prefix="19", suffix="4", spaced=False)
    assert str(pattern) == "number of 4 characters starting with '19' ending with '4' without a space before it"
    assert str(TokenTest(tokens=tuple("abcdefghijklmn"))).endswith("'l' and 2 more")
    assert codec.decode(codec.encode(RULES)) == RULES


def test_the_simulator_runs_rules_on_any_tokenizer() -> None:
    simulator = RulesSimulator(RulesConfig())
    one, other = token_sequence([" a", " cat"]), token_sequence([" ", "a", " c", "at"], bos=False)
    outcomes = asyncio.run(simulator.simulate(RULES, (one, other)))
    values = [outcome.expected.tolist() for outcome in outcomes if isinstance(outcome, Simulation)]
    assert np.isnan(values[0][0])
    assert values[0][1:] == [0.5, 1.5]
    assert values[1] == [0.5, 0.5, 0.5, 0.5]
    assert all(outcome.top_level is None for outcome in outcomes if isinstance(outcome, Simulation))


def test_evidence_is_the_records_and_the_rest_of_the_table() -> None:
    record = unit_record()
    evidence = evidence_of(record.view(Split.EXPLAIN), 2)
    means = record.token_means
    assert means is not None
    # Nothing is counted twice, and nothing is missing: counts and sums are those of the whole split.
    assert evidence.counts.sum() == means.counts.sum()
    assert float(evidence.counts @ evidence.values) == pytest.approx(float(means.sums.sum()))
    assert evidence.n_seen < len(evidence.token)
    assert (evidence.before[evidence.n_seen :] == UNKNOWN).all()
    first = evidence.texts.index("The")
    assert (evidence.before[: evidence.n_seen][evidence.token[: evidence.n_seen] == first] == START).all()


def test_noise_is_the_variance_among_equal_tokens() -> None:
    texts = ("a", "b", "c")
    evidence = Evidence(
        texts, np.array([0, 0, 1, 1, 2]), np.zeros((5, 0), int), np.array([1.0, 3.0, 5.0, 5.0, 9.0]), np.ones(5), 5
    )
    # (1 - 2)^2 + (3 - 2)^2 over 5 tokens less 3 means.
    assert evidence.noise(evidence.values) == 1.0


def test_where_equal_tokens_have_equal_values_nothing_is_shrunk() -> None:
    seen = evidence("cat dog cat cow dog", {"cat": 2.0, "dog": 1.0})
    assert shrunk(seen, seen.values).tolist() == seen.values.tolist()


def test_means_of_tokens_that_tell_nothing_of_each_other_are_what_is_usual() -> None:
    values = np.array([1.0, -1.0, 1.0, -1.0, 3.0])
    token = np.array([0, 0, 1, 1, 2])
    seen = Evidence(("a", "b", "c"), token, np.zeros((5, 0), int), values, np.ones(5), 5)
    # One sighting of "a" says nothing of the other: the usual counts as much as 64 sightings, the most that is tried.
    # Means 0, 0 and 3 weigh 2/66, 2/66 and 1/65, and the mean over all, 3/5, weighs 1.
    usual = (3 / 65 + 3 / 5) / (2 / 66 + 2 / 66 + 1 / 65 + 1)
    a = usual * 64 / 66
    assert shrunk(seen, values) == pytest.approx([1 + a, -1 + a, 1 + a, -1 + a, (3 + 64 * usual) / 65])


def test_a_token_seen_once_is_moved_to_its_own_kind() -> None:
    # Numbers are near 10 and words near 0, each by chance a little more or less.
    texts = ("1", "2", "a", "b")
    token = np.array([0, 0, 0, 0, 1, 2, 2, 2, 2, 3])
    values = np.array([9.0, 11.0, 9.0, 11.0, 14.0, 1.0, -1.0, 1.0, -1.0, 4.0])
    seen = Evidence(texts, token, np.zeros((10, 0), int), values, np.ones(10), 10)
    moved = shrunk(seen, values)
    assert 9.0 < moved[4] < 14.0
    assert 0.0 < moved[9] < 4.0
    assert moved[0] - moved[1] == pytest.approx(-2.0)


def test_the_best_list_has_a_common_level() -> None:
    tests = TokenTests(("a", "b", "c", "d"), max_tokens=2)
    found = tests.best(np.array([4.0, 8.0, 1.0, 0.0, 0.0]), np.array([1.0, 2.0, 1.0, 5.0, 0.0]), price=0.5)
    assert found is not None
    assert set(found.test.words) == {"a", "b"}
    # Three tokens of mean 4 lower the squares by 3 x 16, less the price of two words.
    assert found.gain == pytest.approx(47.0)
    assert found.holds.tolist() == [True, True, False, False, False]


def evidence(texts: str, value: dict[str, float], n_seen: int | None = None) -> Evidence:
    """Tokens in a row; the words of `value` have values wherever they stand."""
    tokens = texts.split()
    kinds = tuple(dict.fromkeys(tokens))
    token = np.array([kinds.index(t) for t in tokens])
    before = np.concatenate([[START], token[:-1]])[:, None]
    values = np.array([value.get(t, 0.0) for t in tokens])
    return Evidence(kinds, token, before, values, np.ones(len(tokens)), len(tokens) if n_seen is None else n_seen)


def test_words_are_learned_exactly() -> None:
    base, rules = RuleLearner(evidence("a cat and a dog and a cow " * 3, {"cat": 2, "dog": 2}), 20, 12, 3.0).learn()
    assert base == 0.0
    (rule,) = rules
    assert rule.effect == pytest.approx(2.0)
    assert set(rule.token.words) == {"cat", "dog"}
    assert rule.before == ()


def test_a_pattern_goes_before_a_list_that_does_the_same() -> None:
    words = "singing walking eating running talking the of a in to"
    value = dict.fromkeys(words.split()[:5], 1.0)
    _, rules = RuleLearner(evidence(words, value), 20, 12, 3.0).learn()
    assert [str(rule) for rule in rules] == ["+1 at token ending with 'g'"]


def test_an_exception_is_a_rule_of_its_own() -> None:
    words = "singing walking eating running talking bringing pulling king the of a in to bag dog"
    value = dict.fromkeys(words.split()[:7], 1.0)
    base, rules = RuleLearner(evidence(words, value), 20, 3, 3.0).learn()
    explanation = RulesExplanation(Provenance("x"), base, rules)
    assert explanation.predict(words.split()) == pytest.approx([1.0] * 7 + [0.0] * 8)
    assert len(rules) == 2


def test_what_stands_before_is_learned() -> None:
    tokens = ("the cat saw a dog and the bird met a fox or the hen ate a bug " * 4).split()
    values = [float(before in ("the", "a")) for before in ["", *tokens[:-1]]]
    seen = evidence(" ".join(tokens), {})
    seen = Evidence(seen.texts, seen.token, seen.before, np.array(values), seen.counts, seen.n_seen)
    base, rules = RuleLearner(seen, 20, 2, 3.0).learn()
    explanation = RulesExplanation(Provenance("x"), base, rules)
    assert explanation.predict(tokens) == pytest.approx(values)


@pytest.mark.parametrize(("n_after", "n_rules"), [(1, 0), (12, 1)])
def test_what_stood_before_a_single_outlier_is_no_rule(n_after: int, n_rules: int) -> None:
    values = np.array([1.0, -1.0] * 30 + [10.0] * n_after)
    before = np.array([1] * 60 + [2] * n_after)[:, None]
    seen = Evidence(("w", "p", "q"), np.zeros(60 + n_after, int), before, values, np.ones(60 + n_after), 60 + n_after)
    # The outlier alone has a square of nearly 97, more than the price of 2 x 15 x 2.65; as one of three it has a ninth.
    _, rules = RuleLearner(seen, 20, 12, 0.2).learn()
    assert len(rules) == n_rules
    assert all(rule.before == (TokenTest(words=("q",)),) for rule in rules)


def test_rules_are_as_many_as_allowed() -> None:
    words = [f"w{i}{chr(97 + i)}" for i in range(12)]
    value = {word: float(2**i) for i, word in enumerate(words)}
    _, rules = RuleLearner(evidence(" ".join(words), value), 5, 1, 0.0).learn()
    assert len(rules) == 5
    # The one that says most comes first.
    assert rules[0].token.words == (words[-1],)


def test_the_explainer_finds_the_rule_of_a_unit_and_holds_on_other_splits() -> None:
    (found,) = asyncio.run(ExecutableExplainer(ExecutableConfig()).explain(unit_record().view(Split.EXPLAIN)))
    assert isinstance(found, RulesExplanation)
    for sequence in sequences(Split.TEST):
        expected = [{" cat": 4.0, " dog": 2.0, " 🐈": 3.0}.get(token, 0.0) for token in sequence.tokens]
        assert found.predict(sequence.tokens) == pytest.approx(expected)


@pytest.mark.parametrize("field", ["max_rules", "max_tokens"])
def test_bad_values_are_refused(field: str) -> None:
    with pytest.raises(ConfigError, match=field):
        ExecutableConfig(**{field: 0}).check()
