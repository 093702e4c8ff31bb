"""Scores that are known: the synthetic subject, explained truly and falsely, and simulated by an oracle."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from neurogloss import app
from neurogloss.builtin.subjects.configs import SyntheticConfig
from neurogloss.builtin.subjects.synthetic import SyntheticSubject
from neurogloss.config.composing import compose
from neurogloss.config.settings import settings_of
from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.pipeline.ledgered_model import Answering
from neurogloss.pipeline.progress import Progress
from neurogloss.plugin.registry import load_registry
from neurogloss.records.explanations import ProseExplanation, Provenance
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.requests import Reply, Request
from neurogloss.records.scores import Score
from neurogloss.records.tokens import Split
from neurogloss.records.unit_records import SplitView
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
    root = tmp_path_factory.mktemp("store")
    opened: dict[tuple[str, ...], Session] = {}

    def session(*overrides: str) -> Session:
        if overrides not in opened:
            registry = load_registry()
            selected = f"units=[{','.join(names())}]"
            common = ("subject=synthetic", "corpus=synthetic", "llm=oracle", "floor=[]", "explainer=random_text")
            config = compose([*common, selected, f"store.root={root}", *overrides], registry)
            opened[overrides] = Session(settings_of(config, registry), Progress(), Direct())
        return opened[overrides]

    yield session
    for each in opened.values():
        asyncio.run(each.close())


@pytest.fixture(scope="module")
def views(sessions: Sessions) -> Mapping[UnitId, SplitView]:
    """Each unit's test split."""
    session = sessions("simulator=logprob", *QUICK)
    collected = session.collected()
    return {unit: collected.record(unit).view(Split.TEST) for unit in session.units}


@pytest.fixture(scope="module")
def truth() -> SyntheticSubject:
    return SyntheticSubject(SyntheticConfig())


@pytest.fixture(scope="module")
def apart(truth: SyntheticSubject, views: Mapping[UnitId, SplitView]) -> Mapping[str, set[str]]:
    """Of each true explanation, the false ones that differ from it at enough tokens of the split's random records."""
    sequences = [record.sequence for record in next(iter(views.values())).records.random]

    @cache
    def values(text: str) -> np.ndarray:
        found = [truth.true_values(text, sequence) for sequence in sequences]
        return np.concatenate([each for each in found if each is not None])

    return {
        row["explanation"]: {
            false["text"]
            for false in row["false_explanations"]
            if np.mean(values(false["text"]) != values(row["explanation"])) >= APART
        }
        for row in DATA
    }


def scored(session: Session, view: SplitView, *texts: str) -> list[Score | Failure]:
    (scorer,) = session.arms[0].scorers.values()

    async def score() -> list[Score | Failure]:
        said = [ProseExplanation(Provenance("written"), text) for text in texts]
        return [(await scorer.score(each, view)).outcome for each in said]

    return asyncio.run(score())


def headline(score: Score | Failure) -> float:
    assert isinstance(score, Score), score
    value = score.measures[score.headline].value
    assert value is not None
    return value


@pytest.mark.parametrize(("simulator", "every"), [("logprob", 1), ("json", 4)])
def test_the_truth_reaches_the_ceiling_and_beats_what_is_false(
    sessions: Sessions,
    views: Mapping[UnitId, SplitView],
    truth: SyntheticSubject,
    apart: Mapping[str, set[str]],
    simulator: str,
    every: int,
) -> None:
    session = sessions(f"simulator={simulator}", *QUICK)
    pairs = won = dead = 0
    for unit in session.units[::every]:
        true = truth.true_explanation(unit)
        false = [text for text in truth.false_explanations(unit) if text in apart[true]]
        first, paraphrase, *others = scored(session, views[unit], true, truth.paraphrases(unit)[0], *false)
        if isinstance(first, Failure):
            assert first.reason is Reason.DEAD
            dead += 1
            continue
        assert first.ceiling is not None
        assert headline(first) >= 0.95 * first.ceiling, true
        assert headline(paraphrase) == pytest.approx(headline(first))
        assert first.n_answered == first.n_asked
        pairs += len(others)
        won += sum(headline(first) > headline(other) for other in others)
    assert dead == sum(row["family"] == "dead" for row in DATA[::every])
    assert pairs >= len(DATA) // every
    assert won >= 0.98 * pairs


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
    sessions: Sessions,
    views: Mapping[UnitId, SplitView],
    truth: SyntheticSubject,
    tmp_path: Path,
    simulator: str,
    part: str | None,
) -> None:
    change = "llm.random=true" if part is None else without(simulator, tmp_path, part)
    session = sessions(f"simulator={simulator}", change, "scorer.openai_2023.n_bootstrap=200")
    values = []
    for unit in session.units[::9]:
        (outcome,) = scored(session, views[unit], truth.true_explanation(unit))
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
