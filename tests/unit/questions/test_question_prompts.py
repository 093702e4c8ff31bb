"""Every prompt of the question scorers as text."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from neurogloss.builtin.negatives.configs import NeighbourNegativesConfig, RandomNegativesConfig
from neurogloss.builtin.negatives.neighbours import NeighbourNegatives
from neurogloss.builtin.negatives.random import RandomNegatives
from neurogloss.builtin.scorers.questions.configs import (
    AnswersAs,
    DetectionConfig,
    DiscriminationConfig,
    FuzzingConfig,
    IntruderConfig,
)
from neurogloss.builtin.scorers.questions.detection import DetectionScorer
from neurogloss.builtin.scorers.questions.discrimination import DiscriminationScorer
from neurogloss.builtin.scorers.questions.fuzzing import FuzzingScorer
from neurogloss.builtin.scorers.questions.intruder import IntruderScorer
from neurogloss.records.requests import ChoiceRequest, Request
from neurogloss.records.tokens import Split
from neurogloss.testing.fakes import FakeLanguageModel
from neurogloss.testing.records import prose_explanation, unit_record

RANDOM = RandomNegatives(RandomNegativesConfig())
NEIGHBOURS = NeighbourNegatives(NeighbourNegativesConfig())
FEW: dict[str, Any] = {"n_bootstrap": 0, "n_permutations": 0}
SCORERS: dict[str, Any] = {
    "detection": lambda llm, **how: DetectionScorer(
        DetectionConfig(min_each=1, negatives=["random", "neighbours"], **FEW, **how),
        llm=llm,
        negatives=(RANDOM, NEIGHBOURS),
    ),
    "fuzzing": lambda llm, **how: FuzzingScorer(FuzzingConfig(min_each=1, **FEW, **how), llm=llm),
    "intruder": lambda llm, **how: IntruderScorer(
        IntruderConfig(min_questions=1, n_texts=3, **FEW, **how), llm=llm, negatives=RANDOM
    ),
    "intruder_with_explanation": lambda llm, **how: IntruderScorer(
        IntruderConfig(min_questions=1, n_texts=3, with_explanation=True, **FEW, **how), llm=llm, negatives=RANDOM
    ),
    "intruder_unmarked": lambda llm, **how: IntruderScorer(
        IntruderConfig(min_questions=1, n_texts=3, marked=False, **FEW, **how), llm=llm, negatives=RANDOM
    ),
    "discrimination_unmarked": lambda llm, **how: DiscriminationScorer(
        DiscriminationConfig(min_questions=1, n_texts=3, marked=False, **FEW, **how), llm=llm, negatives=NEIGHBOURS
    ),
    "discrimination": lambda llm, **how: DiscriminationScorer(
        DiscriminationConfig(min_questions=1, n_texts=3, **FEW, **how), llm=llm, negatives=NEIGHBOURS
    ),
}


class AsText(SingleFileSnapshotExtension):
    _write_mode = WriteMode.TEXT
    file_extension = "txt"


def readable(request: Request) -> str:
    turns = [f"######## {message.role}\n{message.content}" for message in request.messages]
    if isinstance(request, ChoiceRequest):
        turns.append(
            f"######## text, with slots for one of {', '.join(request.choices)}\n{'<slot>'.join(request.pieces)}"
        )
    else:
        turns.append(f"######## schema\n{request.json_schema}")
    return "\n\n".join(turns) + "\n"


def first_request(name: str, **how: Any) -> Request:
    llm = FakeLanguageModel()
    gloss = prose_explanation("animals that are kept\nin houses")
    asyncio.run(SCORERS[name](llm, **how).score(gloss, unit_record().view(Split.TEST)))
    return llm.requests[0]


@pytest.mark.parametrize("name", SCORERS)
@pytest.mark.parametrize("how", ["probabilities", "text"])
def test_golden(snapshot: SnapshotAssertion, name: str, how: str) -> None:
    assert readable(first_request(name, answers=AnswersAs(how))) == snapshot.use_extension(AsText)


def test_the_chat_holds_the_same_turns() -> None:
    plain, chat = (first_request("detection", chat=how) for how in (False, True))
    assert isinstance(plain, ChoiceRequest)
    assert isinstance(chat, ChoiceRequest)
    assert [message.role for message in chat.messages] == ["system", *["user", "assistant"] * 3, "user"]
    whole = "\n\n".join(message.content for message in chat.messages)
    assert plain.pieces == (f"{whole}\n\n{chat.pieces[0]}", *chat.pieces[1:])
