"""Texts that a language model wrote: reading them, and what the unit does on them."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurogloss.builtin.scorers.configs import GenerateThenActivateConfig
from neurogloss.builtin.scorers.generate_then_activate import GenerateThenActivateScorer
from neurogloss.builtin.scorers.written_texts import read_texts, schema
from neurogloss.errors import ConfigError
from neurogloss.records.explanations import ProseExplanation
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.scores import Score
from neurogloss.records.tokens import Split
from neurogloss.testing.fakes import (
    FailingLanguageModel,
    FakeLanguageModel,
    garbled_language_model,
    refusing_language_model,
)
from neurogloss.testing.records import prose_explanation, token_table_explanation, unit_record

CONFIG = GenerateThenActivateConfig(n_texts=4, n_bootstrap=50, n_permutations=50)
FIRING = ["The cat sleeps.", "A cat!", "My dog barks", "One dog and one cat"]
SILENT = ["The heron sleeps.", "A boat!", "My aunt barks", "One cup and one cat"]


def _llm(firing: list[str] = FIRING, silent: list[str] = SILENT) -> FakeLanguageModel:
    return FakeLanguageModel(json.dumps({"firing": firing, "silent": silent}))


async def _outcome(llm: FakeLanguageModel, config: GenerateThenActivateConfig = CONFIG) -> Score | Failure:
    scorer = GenerateThenActivateScorer(config, llm)
    return (await scorer.score(prose_explanation(), unit_record().view(Split.TEST))).outcome


async def test_measures_by_hand() -> None:
    """The maxima are 4, 4, 2, 4 and 0, 0, 0, 4: of 16 pairs 12 are right and 3 of 4 equal, 2 below 4 is wrong."""
    score = await _outcome(_llm())
    assert isinstance(score, Score)
    values = {name: measure.value for name, measure in score.measures.items()}
    assert values["auc"] == pytest.approx((12 + 3 / 2) / 16)
    assert score.value == values["balanced_accuracy"] == (4 / 4 + 3 / 4) / 2
    assert values["mean.firing"] == 3.5
    assert values["mean.silent"] == 1
    # The twelve sequences of the split: three with a cat, three with a dog, one emoji without either; see records.
    natural = np.array([record.maximum for record in unit_record().view(Split.TEST).on(_pool())])
    assert values["mean.natural"] == pytest.approx(natural.mean())
    assert values["difference"] == pytest.approx((3.5 - natural.mean()) / natural.std())
    assert values["above.0.9"] == np.mean([maximum > np.quantile(natural, 0.9) for maximum in (4, 4, 2, 4)])
    assert values["above.0.99.silent"] == 0
    pairs = [np.mean((natural < maximum) + (natural == maximum) / 2) for maximum in (4, 4, 2, 4)]
    assert values["auc.natural"] == pytest.approx(np.mean(pairs))
    assert score.floors["constant"] == 0.5
    assert (score.n_asked, score.n_answered, score.n_unparsable) == (8, 8, 0)


def _pool() -> tuple:  # type: ignore[type-arg]
    return unit_record().view(Split.TEST).pool(200)


async def test_missing_texts_are_counted() -> None:
    config = GenerateThenActivateConfig(n_texts=6, n_bootstrap=0, n_permutations=0)
    score = await _outcome(_llm([*FIRING, "  "], [*SILENT, "Another boat"]), config)
    assert isinstance(score, Score)
    assert (score.n_asked, score.n_answered, score.n_unparsable) == (12, 9, 3)
    assert score.flags == ("3 of 12 texts missing",)


@pytest.mark.parametrize(
    ("llm", "reason", "rejected"),
    [
        (FailingLanguageModel(), Reason.FAILED, 0),
        (refusing_language_model(), Reason.REFUSED, 1),
        (garbled_language_model(), Reason.UNPARSABLE, 1),
        (_llm(silent=SILENT[:3]), Reason.UNPARSABLE, 1),
    ],
)
async def test_without_texts_there_is_no_score(llm: FakeLanguageModel, reason: Reason, rejected: int) -> None:
    outcome = await _outcome(llm)
    assert isinstance(outcome, Failure)
    assert outcome.reason is reason
    assert len(llm.rejected) == rejected


async def test_nothing_but_prose_is_written_about() -> None:
    verdict = await GenerateThenActivateScorer(CONFIG, _llm()).score(
        token_table_explanation(), unit_record().view(Split.TEST)
    )
    assert isinstance(verdict.outcome, Failure)
    assert verdict.outcome.reason is Reason.MISMATCHED


async def test_the_other_polarity_is_asked_about_itself() -> None:
    """The subject's sign is the view's matter: the fake unit's words weigh the same, and so do the maxima."""
    record = unit_record({"cat": 1.0, "dog": -1.0}, "layers.0.mlp/0-")
    scorer = GenerateThenActivateScorer(CONFIG, _llm())
    explanation: ProseExplanation = prose_explanation()
    score = (await scorer.score(explanation, record.view(Split.TEST))).outcome
    assert isinstance(score, Score)
    assert score.measures["mean.firing"].value == pytest.approx((1 + 1 + 0 + 1) / 4)


READ: Mapping[str, tuple[str, ...]] = {"firing": ("a cat", 'a "dog"'), "silent": ("rain", "wind")}


@pytest.mark.parametrize(
    "reply",
    [
        json.dumps({"firing": ["a cat", 'a "dog"'], "silent": ["rain", "wind"]}),
        'Sure!\n```json\n{"firing": ["a cat", "a \\"dog\\"",], "silent": ["rain", "wind"]}\n```\nDone.',
        '{"silent": ["rain", "wind", "rain"], "firing": ["a cat", "a \\"dog\\""]}',
        '{"firing": ["a cat", "a \\"dog\\"", "both"], "silent": ["rain", "both", "wind", "sn',
        'Firing:\n1. a cat\n2. "a "dog""\n\nSilent:\n1. rain\n2. wind\n',
        "**Texts that are firing**\n- a cat\n- a \"dog\"\n**Silent ones**\n* rain\n* 'wind'",
        '{"firing": ["a cat", "\\q", "a \\"dog\\""], "silent": ["rain", " wind "]}',
    ],
)
def test_replies_are_read(reply: str) -> None:
    assert read_texts(reply, 2) == READ


@pytest.mark.parametrize("reply", ["", "#!", '{"firing": 3, "silent": {}}', "firing and silent", "1. a cat\n2. rain"])
def test_what_is_not_there_is_not_made_up(reply: str) -> None:
    assert read_texts(reply, 5) == {"firing": (), "silent": ()}


@given(st.lists(st.text(), max_size=6), st.lists(st.text(), max_size=6), st.booleans())
def test_every_json_reply_is_read_exactly(firing: list[str], silent: list[str], ascii: bool) -> None:
    reply = json.dumps({"firing": firing, "silent": silent}, ensure_ascii=ascii)
    found = read_texts(reply, 6)
    clean = {key: {text.strip() for text in texts} - {""} for key, texts in (("firing", firing), ("silent", silent))}
    both = clean["firing"] & clean["silent"]
    if clean["firing"] and clean["silent"]:
        assert {key: set(texts) for key, texts in found.items()} == {key: clean[key] - both for key in clean}


@given(st.text(alphabet='firngsletFIRN":[]{},\\\n1.-* ab', max_size=80))
def test_no_reply_raises(reply: str) -> None:
    for texts in read_texts(reply, 3).values():
        assert len(texts) <= 3
        assert all(texts)


def test_the_schema_holds_as_many_texts_as_are_asked_for() -> None:
    texts = schema(7)["properties"]
    assert {key: (part["minItems"], part["maxItems"]) for key, part in texts.items()} == {
        "firing": (7, 7),
        "silent": (7, 7),
    }


@pytest.mark.parametrize(("field", "value"), [("n_texts", 3), ("n_natural", 3), ("min_each", 0), ("temperature", -1.0)])
def test_values_that_mean_nothing_are_refused(field: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"^{field} is {value}"):
        GenerateThenActivateConfig(**{field: value}).check()  # type: ignore[arg-type]
