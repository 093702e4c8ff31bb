"""Prose from texts in which the firing tokens are marked."""

from __future__ import annotations

from neurogloss.builtin.explainers.asking import AskingExplainer, read_conclusion
from neurogloss.builtin.explainers.asking_configs import MaxActivatingConfig
from neurogloss.builtin.explainers.showing import example_passage, marked, marks_for, passages, plain
from neurogloss.builtin.prompts.examples import EXAMPLES
from neurogloss.builtin.prompts.rendering import Conversation
from neurogloss.records.explanations import Explanation, ProseExplanation, Provenance
from neurogloss.records.failures import Failure
from neurogloss.records.unit_records import SplitView

_ANSWER = "This unit responds to"


class MaxActivatingExplainer(AskingExplainer[MaxActivatingConfig]):
    """Asks what the marked parts of texts have in common, with or without numbers, with or without thinking aloud.

    Source of the form: Paulo et al. 2024, "Automatically interpreting millions of features in large
    language models".
    """

    @property
    def max_tokens(self) -> int:
        return self._config.max_tokens + self._config.reasoning

    def conversation(self, view: SplitView) -> Conversation:
        """The prompt that shows a unit's top records."""
        config = self._config
        own = passages(view.records.top[: config.n_records], config.window)
        examples = () if config.reasoning else EXAMPLES[: config.examples]
        marks = marks_for(map(plain, own))
        return self._prompt.render(
            passages=[marked(passage, config.mark_from, marks) for passage in own],
            examples=[
                {
                    "explanation": example.explanation,
                    "passages": [
                        marked(example_passage(record), config.mark_from, marks) for record in example.records
                    ],
                }
                for example in examples
            ],
            marks=marks,
            numbers=config.numbers,
            reasoning=config.reasoning > 0,
            answer=_ANSWER,
            listing=self.listing(view),
        )

    def read(self, provenance: Provenance, text: str, opening: str) -> Explanation | Failure:
        """One gloss; after thinking aloud, what follows the last opening."""
        if not self._config.reasoning:
            return super().read(provenance, text, opening)
        gloss = read_conclusion(text, _ANSWER)
        return gloss if isinstance(gloss, Failure) else ProseExplanation(provenance, gloss)
