"""Scores that are known: the synthetic subject, explained truly and falsely, and simulated by an oracle."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from neurogloss import app
from neurogloss.config.composing import compose
from neurogloss.config.settings import settings_of
from neurogloss.interfaces.ground_truth import GroundTruth
from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.pipeline.collected import CollectedUnits
from neurogloss.pipeline.ledgered_model import Answering
from neurogloss.pipeline.progress import Progress
from neurogloss.plugin.registry import load_registry
from neurogloss.records.explanations import ProseExplanation, Provenance
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.requests import Reply, Request
from neurogloss.records.scores import Score
from neurogloss.records.tokens import Split
from neurogloss.records.units import UnitId
from neurogloss.session import Session

DATA = json.loads(files("neurogloss.builtin").joinpath("data", "synthetic_units.json").read_text(encoding="utf-8"))
QUICK = ("scorer.openai_2023.n_bootstrap=0", "scorer.openai_2023.n_permutations=0")
APART = 0.05
"""False explanations count where they differ from the truth on this share of tokens, or more."""

Sessions = Callable[..., Session]


class Direct(Answering):
    """No ledger: thousands of answers that cost nothing need not be committed."""

    async def ask(self, role: str, model: LanguageModel, verb: str, request: Request) -> Reply:
        reply: Reply = await getattr(model, verb)(request)
        return reply

    async def usable_choices(self, model: LanguageModel, choices: Sequence[str]) -> tuple[str, ...]:
        return await model.usable_choices(choices)

    def reject(self, model: LanguageModel, request: Request) -> None:
        pass


def names() -> Iterator[str]:
    """Each unit on the side that fires."""
    places: dict[str, int] = {}
    for unit in DATA:
        place = places[unit["site"]] = places.get(unit["site"], -1) + 1
        yield f"{unit['site']}/{place}{'-' if unit.get('sides') == '-' else ''}"


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sessions]:
    """A session with these overrides; all share a store, and with it one collection of all units."""
    root, opened = tmp_path_factory.mktemp("store"), []

    def session(*overrides: str) -> Session:
        registry = load_registry()
        selected = f"units=[{','.join(names())}]"
        common = ("subject=synthetic", "corpus=synthetic", "llm=oracle", "floor=[]", "explainer=random_text")
        config = compose([*common, selected, f"store.root={root}", *overrides], registry)
        opened.append(Session(settings_of(config, registry), Progress(), Direct()))
        return opened[-1]

    yield session
    for each in opened:
        asyncio.run(each.close())


@pytest.fixture(scope="module")
def collected(sessions: Sessions) -> CollectedUnits:
    return sessions().collected()


def scored(session: Session, collected: CollectedUnits, unit: UnitId, *texts: str) -> list[Score | Failure]:
    (scorer,) = session.arms[0].scorers.values()
    view = collected.record(unit).view(Split.TEST)

    async def score() -> list[Score | Failure]:
        said = [ProseExplanation(Provenance("written"), text) for text in texts]
        return [(await scorer.score(each, view)).outcome for each in said]

    return asyncio.run(score())


def headline(score: Score | Failure) -> float:
    assert isinstance(score, Score), score
    value = score.measures[score.headline].value
    assert value is not None
    return value


def far_apart(session: Session, collected: CollectedUnits) -> dict[str, set[str]]:
    """Of each true explanation, the false ones that differ from it at enough tokens of the split's random records."""
    truth = session.subject
    assert isinstance(truth, GroundTruth)
    (unit, *_) = session.units
    records = collected.record(unit).splits[Split.TEST].random
    known = {
        text: np.concatenate([truth.true_values(text, record.sequence) for record in records])  # type: ignore[misc]
        for row in DATA
        for text in (row["explanation"], *(false["text"] for false in row["false_explanations"]))
    }
    return {
        row["explanation"]: {
            false["text"]
            for false in row["false_explanations"]
            if np.mean(known[false["text"]] != known[row["explanation"]]) >= APART
        }
        for row in DATA
    }


@pytest.mark.parametrize(("simulator", "every"), [("logprob", 1), ("json", 4)])
def test_the_truth_reaches_the_ceiling_and_beats_what_is_false(
    sessions: Sessions, collected: CollectedUnits, simulator: str, every: int
) -> None:
    session = sessions(f"simulator={simulator}", *QUICK)
    truth = session.subject
    assert isinstance(truth, GroundTruth)
    apart = far_apart(session, collected)
    pairs = won = dead = 0
    for unit in session.units[::every]:
        true = truth.true_explanation(unit)
        false = [text for text in truth.false_explanations(unit) if text in apart[true]]
        first, *others = scored(session, collected, unit, true, *false)
        if isinstance(first, Failure):
            assert first.reason is Reason.DEAD
            dead += 1
            continue
        assert first.ceiling is not None
        assert headline(first) >= 0.95 * first.ceiling, true
        assert first.n_answered == first.n_asked
        pairs += len(others)
        won += sum(headline(first) > headline(other) for other in others)
    assert dead == sum(DATA[i]["family"] == "dead" for i in range(0, len(DATA), every))
    assert pairs >= len(DATA) // every
    assert won >= 0.98 * pairs


@pytest.mark.parametrize("simulator", ["logprob", "json"])
def test_paraphrases_score_as_the_truth_does(sessions: Sessions, collected: CollectedUnits, simulator: str) -> None:
    session = sessions(f"simulator={simulator}", *QUICK)
    truth = session.subject
    assert isinstance(truth, GroundTruth)
    for unit in session.units[3::20]:
        scores = scored(session, collected, unit, truth.true_explanation(unit), *truth.paraphrases(unit))
        assert len({round(headline(score), 12) for score in scores}) == 1


def without(prompt: str, tmp_path: Path, part: str) -> str:
    """The built-in prompt without a part of its last question, in a file."""
    text = files("neurogloss.builtin.prompts").joinpath(f"{prompt}.jinja").read_text(encoding="utf-8")
    before, found, after = text.rpartition(part)
    assert found
    path = tmp_path / "prompt.jinja"
    path.write_text(before + after, encoding="utf-8")
    return f"simulator.prompt={path}"


@pytest.mark.parametrize(
    ("simulator", "part"),
    [
        ("logprob", None),
        ("json", None),
        ("logprob", "{{ explanation }}"),
        ("json", "{{ explanation }}"),
        ("json", "{{ tokens|json }}"),
    ],
)
def test_chance_and_prompts_that_leave_something_out_are_at_the_floor(
    sessions: Sessions, collected: CollectedUnits, tmp_path: Path, simulator: str, part: str | None
) -> None:
    change = "llm.random=true" if part is None else without(simulator, tmp_path, part)
    session = sessions(f"simulator={simulator}", change, "scorer.openai_2023.n_bootstrap=200")
    truth = session.subject
    assert isinstance(truth, GroundTruth)
    values = []
    for unit in session.units[::9]:
        (outcome,) = scored(session, collected, unit, truth.true_explanation(unit))
        if isinstance(outcome, Score):
            values.append(headline(outcome))
            low = outcome.measures[outcome.headline].low
            assert low is not None
            assert low <= outcome.floors["shuffled"]
        else:
            assert outcome.reason in (Reason.DEAD, Reason.UNPARSABLE)
    assert abs(np.mean(values or [0])) < 0.05
    assert bool(values) != (part == "{{ tokens|json }}"), "without its tokens a list cannot be written"


def test_a_whole_run(tmp_path: Path) -> None:
    registry = load_registry()
    overrides = ["subject=synthetic", "corpus=synthetic", "corpus.n_documents=100", "llm=oracle", "units=[random:3]"]
    config = compose([*overrides, f"store.root={tmp_path}", *QUICK], registry)
    outcome = app.run(settings_of(config, registry), Progress())
    assert outcome.n_failed_units == 0
    assert outcome.manifest.identities["corpus"]["corpus"] == "synthetic"
    assert outcome.manifest.identities["llm of the simulator"]["provider"] == "oracle"
