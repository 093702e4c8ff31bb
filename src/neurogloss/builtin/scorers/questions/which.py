"""Choosing and ordering questions about several texts, one of which is meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from neurogloss.builtin.prompts.marks import marks_absent_from
from neurogloss.builtin.scorers.questions.configs import WhichConfig
from neurogloss.builtin.scorers.questions.marking import (
    Marked,
    free_pieces,
    marked,
    marked_where_it_fires,
    moved,
    unmarked,
)
from neurogloss.builtin.scorers.questions.question import Question, Questionnaire
from neurogloss.builtin.scorers.questions.selecting import Chosen, shown_part
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.unit_records import SplitView

NEAREST = 20
"""Units among which one is looked for that fires on a text."""
Text = tuple[int, str]
"""A sequence, and what there is of it: it may be its beginning."""


def own_texts(view: SplitView, chosen: Sequence[Chosen], config: WhichConfig) -> list[Marked]:
    """Texts that fire. Where marks are wanted they are on the tokens of level 1 of 10 and above."""
    if not config.marked:
        return [unmarked(each, config.window) for each in chosen]
    return [marked_where_it_fires(each, view.firing_value, config.window) for each in chosen]


def others_texts(
    view: SplitView,
    chosen: Sequence[Chosen],
    own: Sequence[Marked],
    config: WhichConfig,
    rng: np.random.Generator,
    known: Mapping[Text, Marked] | None = None,
) -> list[Marked]:
    """Texts that do not fire. Where marks are wanted there are as many as in a text of the unit's own, at like places.

    A text that has too few tokens for that is left out.

    Args:
        view: The unit.
        chosen: The texts.
        own: What `own_texts` returned.
        config: Whether marks are wanted.
        rng: Draws the text whose marks are imitated.
        known: Texts whose marks are known already.
    """
    if not config.marked:
        return [unmarked(each, config.window) for each in chosen]
    found = (
        (known or {}).get(_text(each)) or _at_like_places(each, own, view.firing_value, config.window, rng)
        for each in chosen
    )
    return [each for each in found if each is not None]


def where_neighbours_fire(view: SplitView, chosen: Sequence[Chosen], window: int | None) -> dict[Text, Marked]:
    """Of texts that are among the top records of similar units: where the most similar of those units fires."""
    groups = {_text(each): each.group for each in chosen}
    found: dict[Text, Marked] = {}
    for theirs in (neighbour.view for neighbour in view.neighbours(NEAREST)):
        for each in (Chosen(record, "") for record in theirs.records.top if theirs.fires(record)):
            text = _text(each)
            if text in groups and text not in found:
                found[text] = marked_where_it_fires(Chosen(each.record, groups[text]), theirs.firing_value, window)
    return found


def questionnaire(
    meant: Sequence[Marked], others: Sequence[Marked], config: WhichConfig, rng: np.random.Generator
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
    marks = marks_absent_from(each.record.sequence.text for each, _ in (*meant, *others))
    places = rng.permutation(np.arange(n_questions) % config.n_texts)
    questions = []
    for number, (each, place) in enumerate(zip(meant, places, strict=False)):
        beside = [others[(number * n_beside + i) % len(others)] for i in range(n_beside)]
        shown = [*beside[:place], each, *beside[place:]]
        texts = tuple(marked(one.record, at, marks) for one, at in shown)
        groups = tuple(one.group for one, _ in shown)
        questions.append(Question(texts, int(place), groups, each[0].record.sequence.document_id))
    flags = [f"{n_questions} of {config.n_questions} questions"] if n_questions < config.n_questions else []
    asked = tuple(questions[i] for i in rng.permutation(n_questions))
    return Questionnaire(asked, tuple(flags), {"marks": marks if config.marked else None})


def _text(chosen: Chosen) -> Text:
    return chosen.record.sequence.id, chosen.record.sequence.text


def _at_like_places(
    chosen: Chosen, own: Sequence[Marked], threshold: float, window: int | None, rng: np.random.Generator
) -> Marked | None:
    part = shown_part(chosen.record, window)
    free = free_pieces(part, threshold)
    for row in rng.permutation(len(own)):
        places = moved(own[row][1], free)
        if places is not None:
            return Chosen(part, chosen.group), places
    return None
