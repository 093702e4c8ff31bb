"""Fuzzing: does the unit fire on the marked tokens?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from neurogloss.builtin.prompts.marks import marks_absent_from
from neurogloss.builtin.scorers.questions.asking import Form
from neurogloss.builtin.scorers.questions.base import QuestionScorer
from neurogloss.builtin.scorers.questions.configs import FuzzingConfig
from neurogloss.builtin.scorers.questions.examples import fuzzing_examples
from neurogloss.builtin.scorers.questions.marking import (
    Marked,
    PlacesIn,
    marked,
    marked_where_it_fires,
    moved,
)
from neurogloss.builtin.scorers.questions.question import Questionnaire
from neurogloss.builtin.scorers.questions.selecting import Chosen, check_split, generator, positives
from neurogloss.builtin.scorers.questions.yes_no import proportioned, questionnaire
from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.records.activations import ActivationRecord
from neurogloss.records.failures import Failure
from neurogloss.records.unit_records import SplitView

GROUP = "negatives.other_tokens"


class FuzzingScorer(QuestionScorer):
    """Asks of each text, in which some tokens are marked, whether those are the tokens that the unit fires on.

    Every text fires. Where the answer is yes, the tokens of level 1 of 10 and above are marked; where
    it is no, as many others. Which others: those nearest to where the tokens of another text fire, so
    that marks of both kinds are spread alike; where texts are windows, the window is moved so that
    the marks stand exactly there. A unit that fires on nearly every token leaves too few others, and
    has no score. It does not see whether the gloss is too narrow to find all texts that fire.

    Source: Paulo et al. 2024, "Automatically interpreting millions of features in large language models".
    """

    examples = fuzzing_examples()

    def __init__(self, config: FuzzingConfig, llm: LanguageModel) -> None:
        super().__init__(config, llm, Form.yes_no(), config.per_request)
        self._config = config

    def questions(self, view: SplitView) -> Questionnaire | Failure:
        """See `QuestionScorer.questions`."""
        config, rng = self._config, generator(view, self._config.seed)
        threshold = view.firing_value
        firing = positives(view, config.positives)
        check_split(view, firing)
        yes = [marked_where_it_fires(each, threshold, config.window) for each in firing]
        # Other texts than those with the right marks, as far as there are others.
        later = (*firing[config.n_positives :], *firing[: config.n_positives])
        no = list(self._elsewhere(later, [places for _, places in yes], threshold, rng))
        counts = proportioned(len(yes), len(no), config)
        if isinstance(counts, Failure):
            return counts
        picked = ((yes[: counts[0]], 1), (no[: counts[1]], 0))
        marks = marks_absent_from(each.record.sequence.text for found, _ in picked for each, _ in found)
        asked = [
            (each, marked(each.record, places, marks), answer) for found, answer in picked for each, places in found
        ]
        return questionnaire(asked, config, rng, {"marks": marks})

    def _elsewhere(
        self, firing: Sequence[Chosen], patterns: Sequence[np.ndarray], threshold: float, rng: np.random.Generator
    ) -> Iterator[Marked]:
        """As many as are asked about, as far as there are so many."""
        n_left = self._config.n_negatives
        for each, row in zip(firing, rng.permutation(len(firing)), strict=True):
            # Drawn for every text, looked at or not: the order of the questions comes from the same generator.
            starts = rng.permutation(max(1, len(each.record.values) - self._width(each.record) + 1))
            found = self._moved_into(each.record, patterns[row], threshold, starts) if n_left else None
            if found is not None:
                n_left -= 1
                yield Chosen(found[0], GROUP), found[1]

    def _width(self, record: ActivationRecord) -> int:
        return self._config.window or len(record.values)

    def _moved_into(
        self, record: ActivationRecord, pattern: np.ndarray, threshold: float, starts: np.ndarray
    ) -> tuple[ActivationRecord, np.ndarray] | None:
        """The part of a record, preferably one that fires, in which the pattern fits best, and the marked places."""
        places, width = PlacesIn(record, threshold), self._width(record)
        fits: int | None = None
        for start in starts.tolist():
            free, firing = places.of_window(start, width)
            if not 0 < len(pattern) <= np.count_nonzero(free):
                continue
            if pattern[-1] < len(free) and free[pattern].all() and firing.any():
                return record.window(start, width), pattern
            fits = start if fits is None else fits
        if fits is None:
            return None
        near = moved(pattern, places.of_window(fits, width)[0])
        assert near is not None  # as many are free
        return record.window(fits, width), near
