"""Purity and responsiveness, by hand."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from neurogloss.builtin.scorers.configs import NaturalConfig
from neurogloss.builtin.scorers.natural import NaturalScorer
from neurogloss.errors import ConfigError
from neurogloss.interfaces.language_model import GENERATE
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.requests import Completion, GenerateReply, GenerateRequest
from neurogloss.records.scores import Score
from neurogloss.records.tokens import Split
from neurogloss.testing.fakes import FailingLanguageModel, FakeLanguageModel
from neurogloss.testing.records import prose_explanation, token_table_explanation, unit_record

_ASKED = re.compile(r"^Text \d+: (.*)$", re.MULTILINE)


class Finds(FakeLanguageModel):
    """Finds the words of the explanation in the texts; cannot answer on a text with the word `lost`."""

    capabilities = frozenset({GENERATE})  # type: ignore[assignment]

    def __init__(self, lost: str = "") -> None:
        super().__init__()
        self._lost = lost

    async def generate(self, request: GenerateRequest) -> GenerateReply:
        last = request.messages[-1].content
        words = set(last.splitlines()[0].removeprefix("What to look for: ").split())
        texts = _ASKED.findall(last)
        answers = [int(bool(words & set(text.split()))) for text in texts]
        reply = "hm" if self._lost and any(self._lost in text for text in texts) else json.dumps({"answers": answers})
        return GenerateReply((Completion(reply),))


def _config(**more: int) -> NaturalConfig:
    return NaturalConfig(
        **{"n_texts": 12, "min_texts": 4, "n_bootstrap": 50, "n_permutations": 50, "per_request": 3, **more}  # type: ignore[arg-type]
    )


async def _outcome(gloss: str, llm: FakeLanguageModel, config: NaturalConfig) -> Score | Failure:
    scorer = NaturalScorer(config, llm)
    return (await scorer.score(prose_explanation(gloss), unit_record().view(Split.TEST))).outcome


def _maxima() -> np.ndarray:
    """Of all twelve sequences of the split: with this many texts every one is asked about."""
    view = unit_record().view(Split.TEST)
    return np.array([record.maximum for record in view.on(view.pool(20))])


async def test_a_gloss_that_is_right_everywhere() -> None:
    score = await _outcome("cat dog 🐈", Finds(), _config())
    assert isinstance(score, Score)
    fires = _maxima() > 0
    assert score.value == 1
    assert score.measures["responsiveness"].value == 1
    assert score.measures["purity"].value == pytest.approx(1)
    assert score.measures["purity.constant"].value == pytest.approx(fires.mean())
    assert score.measures["mean.present"].value == pytest.approx(_maxima()[fires].mean())
    assert score.measures["mean.absent"].value == 0
    assert (score.n_asked, score.n_answered) == (12, 12)
    assert score.floors["constant"] == 0.5


async def test_a_gloss_that_is_too_narrow_loses_everywhere() -> None:
    """The dogs, at 2, are called absent: below the cats, at 4, and above all that is silent."""
    score = await _outcome("dog", Finds(), _config())
    assert isinstance(score, Score)
    maxima = _maxima()
    dogs = maxima == 2
    above = np.mean([(other < 2) + (other == 2) / 2 for other in maxima[~dogs]])
    assert score.measures["auc"].value == pytest.approx(above)
    assert score.measures["responsiveness"].value == pytest.approx(2 * above - 1)
    assert score.value == pytest.approx((1 + np.mean(maxima[~dogs] < 0.4)) / 2)  # a tenth of the split's 4
    n_higher = int((maxima > 2).sum())
    assert score.measures["purity"].value == pytest.approx(dogs.sum() / (dogs.sum() + n_higher))


@pytest.mark.parametrize("gloss", ["The", "nothing"])
async def test_constant_answers_are_worth_nothing_and_flagged(gloss: str) -> None:
    score = await _outcome(gloss, Finds(), _config())
    assert isinstance(score, Score)
    assert score.value == 0.5
    assert score.measures["responsiveness"].value == 0
    assert "constant answers" in score.flags


async def test_a_unit_with_the_same_maximum_in_every_text_has_no_score() -> None:
    view = unit_record({"The": 1.0, "cat": 0.5}).view(Split.TEST)
    outcome = (await NaturalScorer(_config(), Finds()).score(prose_explanation("The"), view)).outcome
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.CONSTANT


def scorer_without_beginnings() -> NaturalScorer:
    return NaturalScorer(_config(n_texts=6, positives=["top", "quantile"]), Finds())


async def test_the_texts_span_the_maxima_and_half_of_them_fire() -> None:
    scorer = NaturalScorer(_config(n_texts=6), Finds())
    view = unit_record().view(Split.TEST)
    chosen = scorer._chosen(view)
    sample = sorted(each.record.maximum for each in chosen if each.group == "sample")
    assert len(chosen) == 6
    before = [each.record for each in chosen if each.group == "before"]
    assert (len(sample), len(before)) == (2, 1)
    assert sample[0] == 0
    assert not view.fires(before[0])
    assert all(view.fires(each.record) for each in chosen if each.group not in ("sample", "before"))
    whole = scorer_without_beginnings()._chosen(view)
    assert [each.group for each in whole].count("sample") == 3
    assert not {"before", "beginnings"} & {each.group for each in whole}
    assert len({each.record.sequence.id for each in chosen}) == 6


async def test_what_is_not_rated_is_counted() -> None:
    score = await _outcome("cat", Finds(lost="river"), _config(per_request=1))
    assert isinstance(score, Score)
    assert score.n_unparsable > 0
    assert score.n_asked == score.n_answered + score.n_unparsable
    assert f"{score.n_unparsable} of 12 texts not rated" in score.flags


async def test_without_ratings_or_texts_there_is_no_score() -> None:
    for outcome, reason in (
        (await _outcome("cat", FailingLanguageModel(), _config()), Reason.FAILED),
        (await _outcome("cat", Finds(lost="The"), _config()), Reason.UNPARSABLE),
        (await _outcome("cat", Finds(), _config(n_texts=40, min_texts=20)), Reason.TOO_FEW_RECORDS),
    ):
        assert isinstance(outcome, Failure)
        assert outcome.reason is reason
    verdict = await NaturalScorer(_config(), Finds()).score(token_table_explanation(), unit_record().view(Split.TEST))
    assert isinstance(verdict.outcome, Failure)
    assert verdict.outcome.reason is Reason.MISMATCHED


@pytest.mark.parametrize(("field", "value"), [("min_texts", 0), ("n_texts", 7), ("n_pool", 0), ("per_request", 0)])
def test_values_that_mean_nothing_are_refused(field: str, value: int) -> None:
    with pytest.raises(ConfigError, match=f"^{field} is {value}"):
        NaturalConfig(**{field: value}).check()  # type: ignore[arg-type]
