"""Gains in likelihood, by hand."""

from __future__ import annotations

import math

import pytest

from neurogloss.builtin.llms.configs import ScriptedConfig
from neurogloss.builtin.llms.scripted import ScriptedModel
from neurogloss.builtin.negatives.configs import RandomNegativesConfig
from neurogloss.builtin.negatives.random import RandomNegatives
from neurogloss.builtin.scorers.configs import SurprisalConfig
from neurogloss.builtin.scorers.surprisal import SurprisalScorer
from neurogloss.errors import ConfigError, PermanentError
from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.pipeline.estimating.standing_in import NotingLedger
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.requests import TextReply, TextRequest
from neurogloss.records.scores import Score
from neurogloss.records.tokens import Split
from neurogloss.testing.fakes import FakeLanguageModel
from neurogloss.testing.records import prose_explanation, unit_record


class Scripted(ScriptedModel):
    """The scripted model, which notes what it is asked and fails where the text holds `lost`."""

    def __init__(self) -> None:
        super().__init__(ScriptedConfig())
        self.asked: list[TextRequest] = []

    async def text_logprobs(self, request: TextRequest) -> TextReply:
        self.asked.append(request)
        if "lost" in request.text:
            raise PermanentError("lost")
        return await super().text_logprobs(request)


def _scorer(llm: LanguageModel, n_unrelated: int = 0) -> SurprisalScorer:
    config = SurprisalConfig(min_each=2, n_bootstrap=50, n_permutations=50, n_unrelated=n_unrelated)
    return SurprisalScorer(config, llm, RandomNegatives(RandomNegativesConfig()))


async def test_gains_by_hand() -> None:
    """To the scripted model a word has probability 1/2 if the context holds it, else 1/16: ln 8 more."""
    gains = await _scorer(Scripted()).rate(
        "zebras and herons", ["zebras", " zebras xylophone\n", "xylophone", "herons"]
    )
    assert gains == pytest.approx([math.log(8), math.log(8) / 2, 0, math.log(8)])


async def test_the_gain_is_over_unrelated_glosses() -> None:
    """One of the two unrelated glosses holds the text's word, so half of the gain is lost."""
    llm = Scripted()
    scorer = _scorer(llm, n_unrelated=2)
    await scorer.rate("zebras", ["xylophone"])
    _, *unrelated = [set(request.context.lower().replace(":", " ").split()) for request in llm.asked]
    (word, *_) = sorted(each for each in unrelated[0] - unrelated[1] if each.isalpha() and len(each) > 3)
    assert await scorer.rate(word, [word]) == pytest.approx([math.log(8) / 2])


async def test_both_contexts_stand_before_the_same_text() -> None:
    llm = Scripted()
    await _scorer(llm).rate("zebras.", [" a text\n"])
    with_gloss, without = llm.asked
    assert with_gloss.text == without.text == "a text"
    assert with_gloss.context.endswith("It holds zebras:\n")
    assert with_gloss.context.startswith(without.context.rstrip(":\n"))


async def test_a_true_gloss_outscores_a_false_one() -> None:
    view = unit_record().view(Split.TEST)
    true = (await _scorer(Scripted()).score(prose_explanation("cat dog heron sleeps"), view)).outcome
    false = (await _scorer(Scripted()).score(prose_explanation("miller painter"), view)).outcome
    assert isinstance(true, Score)
    assert isinstance(false, Score)
    assert true.value == 1
    assert false.value is not None
    assert false.value < 0.5
    assert true.measures["difference"].value is not None
    assert true.measures["difference"].value > 0


async def test_what_failed_or_means_nothing_is_no_rating() -> None:
    lost, empty = await _scorer(Scripted()).rate("zebras", ["lost", "12 !"])
    assert isinstance(lost, Failure)
    assert lost.reason is Reason.FAILED
    assert isinstance(empty, Failure)
    assert empty.reason is Reason.UNPARSABLE


def test_a_model_that_does_not_tell_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs a language model that tells how likely a text is"):
        _scorer(FakeLanguageModel())
    with pytest.raises(ConfigError, match="provides generate"):
        _scorer(ScriptedModel(ScriptedConfig(provides=["generate"])))


async def test_the_ledger_stands_between() -> None:
    """Through a ledger that asks nobody, every request is noted: two for each text."""
    ledger = NotingLedger()
    ratings = await _scorer(ledger.opened_for("scorer", Scripted())).rate("zebras", ["one", "two"])
    assert ratings == [0, 0]
    asked = ledger.taken()
    assert len(asked) == 4
    assert {each.group for each in asked} == {("scorer", "text_logprobs")}
