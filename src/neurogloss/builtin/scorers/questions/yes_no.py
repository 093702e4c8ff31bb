"""Choosing and ordering questions about one text each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neurogloss.builtin.scorers.questions.configs import YesNoConfig
from neurogloss.builtin.scorers.questions.question import Question, Questionnaire
from neurogloss.builtin.scorers.questions.selecting import Chosen
from neurogloss.records.failures import Failure, Reason


def proportioned(n_yes: int, n_no: int, config: YesNoConfig) -> tuple[int, int] | Failure:
    """How many questions of either answer are asked where there could be so many.

    Where one kind is short, the other is cut by the same share, so that the proportion stays.
    """
    share = min(1.0, n_yes / config.n_positives, n_no / config.n_negatives)
    yes, no = int(share * config.n_positives + 1e-9), int(share * config.n_negatives + 1e-9)
    if min(yes, no) < config.min_each:
        detail = f"{n_yes} texts that fire and {n_no} that do not, at least {config.min_each} of each are needed"
        return Failure(Reason.TOO_FEW_RECORDS, detail)
    return yes, no


def questionnaire(
    asked: Sequence[tuple[Chosen, str, int]],
    config: YesNoConfig,
    rng: np.random.Generator,
    variables: dict[str, Any] | None = None,
) -> Questionnaire:
    """Questions from (record, its text, answer), shuffled."""
    questions = [
        Question((text,), answer, (each.group,), each.record.sequence.document_id) for each, text, answer in asked
    ]
    counts = {"positives": (1, config.n_positives), "negatives": (0, config.n_negatives)}
    there = [question.answer for question in questions]
    flags = [f"{there.count(a)} of {n} {kind}" for kind, (a, n) in counts.items() if there.count(a) < n]
    shuffled = tuple(questions[i] for i in rng.permutation(len(questions)))
    return Questionnaire(shuffled, tuple(flags), variables or {})
