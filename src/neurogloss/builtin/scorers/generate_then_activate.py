"""Scoring by writing: does the unit fire on texts that were written so that it should?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from neurogloss.builtin.prompts.rendering import Conversation, Prompt
from neurogloss.builtin.scorers.configs import GenerateThenActivateConfig
from neurogloss.builtin.scorers.questions.selecting import obstacle
from neurogloss.builtin.scorers.ranking import AUC, Ranking, difference, mean_of
from neurogloss.builtin.scorers.written_texts import FIRING, SILENT, read_texts, schema
from neurogloss.errors import LanguageModelError
from neurogloss.interfaces.language_model import JSON_SCHEMA, LanguageModel
from neurogloss.interfaces.metric import MISSING_LABELS
from neurogloss.interfaces.scorer import Scorer, Verdict
from neurogloss.records.activations import ActivationRecord
from neurogloss.records.explanations import Explanation, ProseExplanation
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.requests import GenerateRequest
from neurogloss.records.scores import Measure, Score
from neurogloss.records.unit_records import SplitView

HEADLINE = "balanced_accuracy"
_TOKENS_PER_TEXT, _TOKENS_AROUND = 64, 32
_RARE = (0.9, 0.99)
_BLIND = (MISSING_LABELS,)
"""Nobody writes texts on which the unit fires and of which the explanation says nothing."""


class GenerateThenActivateScorer(Scorer):
    """Has the language model write texts that should fire the unit and texts that should not, and runs the subject.

    The number of a text is its maximum. Measures are `balanced_accuracy` (the mean of the share of the texts
    written to fire that do, and of those written not to that do not), `auc` (written to fire against
    written not to) and `auc.natural` (written to fire against sequences of the split), `above.0.9` and
    `above.0.99` (the share of texts written to fire whose maximum lies above this quantile of the natural maxima) with
    `above.0.9.silent` and `above.0.99.silent`, `difference` (the mean of those written to fire less
    that of the natural ones, in standard deviations of the natural ones) and the means `mean.firing`,
    `mean.silent` and `mean.natural`.

    Sources: `auc.natural` is clarity of Puri et al. 2025, "FADE: Why Bad Descriptions Happen to Good
    Features", as an AUC and signed; `difference` is the mean activation difference of Kopf et al. 2024,
    "CoSy: Evaluating Textual Explanations of Neurons".
    """

    accepts = (ProseExplanation,)

    def __init__(self, config: GenerateThenActivateConfig, llm: LanguageModel) -> None:
        self._config = config
        self._llm = llm
        self._prompt = Prompt("generate_then_activate", config.prompt)

    async def score(self, explanation: Explanation, view: SplitView) -> Verdict:
        """See `Scorer.score`."""
        if not isinstance(explanation, ProseExplanation):
            return Verdict(Failure(Reason.MISMATCHED, f"prose is needed, this is a {type(explanation).__name__}"))
        failure = obstacle(view)
        if failure is not None:
            return Verdict(failure)
        natural = [record for record in view.on(view.pool(self._config.n_natural)) if record.counted.any()]
        if len(natural) < self._config.min_each:
            detail = f"{len(natural)} sequences in split {view.split}, at least {self._config.min_each} are needed"
            return Verdict(Failure(Reason.TOO_FEW_RECORDS, detail))
        request = self.request(explanation.text)
        texts = await self._written(request)
        if isinstance(texts, Failure):
            return Verdict(texts)
        run = {key: [r for r in view.written(each) if r is not None and r.counted.any()] for key, each in texts.items()}
        if min(map(len, run.values())) < self._config.min_each:
            self._llm.reject(request)
            return Verdict(Failure(Reason.UNPARSABLE, "the subject reads no token in the texts that were written"))
        return Verdict(self._score(run[FIRING], run[SILENT], natural, view.firing_value))

    def conversation(self, explanation: str) -> Conversation:
        """The prompt for an explanation."""
        return self._prompt.render(explanation=" ".join(explanation.split()), n=self._config.n_texts)

    def request(self, explanation: str) -> GenerateRequest:
        """What the language model is asked."""
        n = self._config.n_texts
        return GenerateRequest(
            messages=self.conversation(explanation).messages,
            max_tokens=_TOKENS_AROUND + 2 * n * _TOKENS_PER_TEXT,
            temperature=self._config.temperature,
            seed=self._config.seed,
            json_schema=schema(n) if JSON_SCHEMA in self._llm.capabilities else None,
        )

    async def _written(self, request: GenerateRequest) -> Mapping[str, Sequence[str]] | Failure:
        try:
            reply = await self._llm.generate(request)
        except LanguageModelError as error:
            return Failure(Reason.FAILED, str(error))
        completion = reply.completions[0]
        texts = read_texts(completion.text, self._config.n_texts)
        if completion.finish_reason == "refusal":
            self._llm.reject(request)
            return Failure(Reason.REFUSED, "the language model refused to write texts")
        if min(map(len, texts.values())) < self._config.min_each:
            self._llm.reject(request)
            counts = " and ".join(f"{len(each)} {key}" for key, each in texts.items())
            detail = f"{counts} texts in the reply {completion.text[:80]!r}, {self._config.min_each} of each are needed"
            return Failure(Reason.UNPARSABLE, detail)
        return texts

    def _score(
        self,
        firing: list[ActivationRecord],
        silent: list[ActivationRecord],
        natural: list[ActivationRecord],
        fires_from: float,
    ) -> Score:
        config = self._config
        written, against_natural = _ranking(firing, silent), _ranking(firing, natural)
        n_asked, n_answered = 2 * config.n_texts, len(firing) + len(silent)
        flags = ["constant maxima"] if written.constant else []
        if n_answered < n_asked:
            flags.append(f"{n_asked - n_answered} of {n_asked} texts missing")
        return Score(
            scorer="generate_then_activate",
            headline=HEADLINE,
            measures={
                HEADLINE: written.firing(fires_from).measure(AUC.weighted, config, _BLIND),
                "auc": written.measure(AUC.weighted, config, _BLIND),
                "auc.natural": against_natural.measure(AUC.weighted, config, _BLIND),
                **self._shares(written, np.array([record.maximum for record in natural])),
                "difference": against_natural.measure(_in_deviations, config, _BLIND),
                "mean.firing": written.measure(mean_of(True), config),
                "mean.silent": written.measure(mean_of(False), config),
                "mean.natural": against_natural.measure(mean_of(False), config),
            },
            floors=written.firing(fires_from).floors(AUC.weighted, config),
            ceiling=1.0,
            n_asked=n_asked,
            n_answered=n_answered,
            n_unparsable=n_asked - n_answered,
            flags=tuple(flags),
        )

    def _shares(self, written: Ranking, natural: np.ndarray) -> dict[str, Measure]:
        shares = {}
        for quantile in _RARE:
            above = (written.scores > np.quantile(natural, quantile)).astype(np.float64)
            rare = Ranking(written.truth, above, written.groups, written.documents)
            shares[f"above.{quantile}"] = rare.measure(mean_of(True), self._config, _BLIND)
            shares[f"above.{quantile}.silent"] = rare.measure(mean_of(False), self._config)
        return shares


def _ranking(firing: Sequence[ActivationRecord], others: Sequence[ActivationRecord]) -> Ranking:
    """Each text by its maximum; a written text is a document of its own."""
    records = (*firing, *others)
    truth = np.arange(len(records)) < len(firing)
    return Ranking(
        truth=truth,
        scores=np.array([record.maximum for record in records]),
        groups=np.where(truth, "firing", "others"),
        documents=np.array([f"{i < len(firing)} {r.sequence.document_id}" for i, r in enumerate(records)]),
    )


def _in_deviations(truth: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    spread = scores[~truth].std()
    return difference(truth, scores, weights) / spread if spread > 0 else np.full(weights.shape[:-1], np.nan)
