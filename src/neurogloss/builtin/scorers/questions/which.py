"""Choosing and ordering questions about several texts, one of which is meant."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neurogloss.builtin.prompts.rendering import shown
from neurogloss.builtin.scorers.questions.configs import WhichConfig
from neurogloss.builtin.scorers.questions.question import Question, Questionnaire
from neurogloss.builtin.scorers.questions.selecting import Chosen, shown_part
from neurogloss.records.failures import Failure, Reason


def questionnaire(
    meant: Sequence[Chosen], others: Sequence[Chosen], config: WhichConfig, rng: np.random.Generator
) -> Questionnaire | Failure:
    """A question for each text that is meant, with the next of the others, over and over, beside it.

    The place of the text that is meant is each place equally often, in a random order.
    """
    n_questions, n_beside = min(len(meant), config.n_questions), config.n_texts - 1
    if n_questions < config.min_questions or len(others) < n_beside:
        detail = (
            f"{len(meant)} texts to ask for and {len(others)} to put beside them, "
            f"at least {config.min_questions} and {n_beside} are needed"
        )
        return Failure(Reason.TOO_FEW_RECORDS, detail)
    places = rng.permutation(np.arange(n_questions) % config.n_texts)
    questions = []
    for number, (each, place) in enumerate(zip(meant, places, strict=False)):
        beside = [others[(number * n_beside + i) % len(others)] for i in range(n_beside)]
        records = [*beside[:place], each, *beside[place:]]
        texts = tuple(shown(shown_part(one.record, config.window).sequence.text) for one in records)
        questions.append(
            Question(texts, int(place), tuple(one.group for one in records), each.record.sequence.document_id)
        )
    flags = [f"{n_questions} of {config.n_questions} questions"] if n_questions < config.n_questions else []
    return Questionnaire(tuple(questions[i] for i in rng.permutation(n_questions)), tuple(flags))
