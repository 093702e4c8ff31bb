"""Entries: which arm of which run stands in which row, and what the store holds of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from neurogloss.interfaces.result_store import ResultStore
from neurogloss.pipeline.collected import reopened
from neurogloss.pipeline.explaining import MAIN
from neurogloss.records.explanations import Explanation, ProseExplanation
from neurogloss.records.failures import Failure
from neurogloss.records.runs import RunManifest
from neurogloss.records.scores import Score
from neurogloss.records.tokens import Split
from neurogloss.records.unit_records import UnitRecord
from neurogloss.records.units import UnitId
from neurogloss.store.activations import ActivationStore
from neurogloss.view.results import unread


@dataclass(frozen=True, order=True)
class Row:
    """What is compared: the names of a row."""

    subject: str
    explainer: str
    llm: str = ""
    """The language model that explains; empty if none does."""
    simulator: str = ""
    judge: str = ""

    def __str__(self) -> str:
        return " · ".join(filter(None, (self.explainer, self.llm, self.simulator, self.judge)))


@dataclass(frozen=True)
class Entry:
    """One arm of one run. Entries of one row differ in their seed or their units alone."""

    row: Row
    run_id: str
    arm: str = MAIN
    floor: bool = False
    """Whether it is there to be beaten."""


@dataclass(frozen=True, order=True)
class Place:
    """What an explanation is scored on: comparisons are between scores of one place."""

    records: str
    """The collection and the split."""
    unit: UnitId


@dataclass(frozen=True)
class Cost:
    """What one run asked of language models, whoever had asked before it, for each unit."""

    tokens: float | None
    """Prompt and completion; `None` where a backend does not tell."""
    usd: float | None
    """`None` where a price is not known."""


@dataclass(frozen=True)
class Results:
    """What the store holds of an entry."""

    entry: Entry
    manifest: RunManifest
    explanations: Mapping[Place, tuple[Explanation | Failure, ...]]
    """All samples."""
    outcomes: Mapping[str, Mapping[Place, tuple[Score | Failure | None, ...]]]
    """Per scorer, what became of each sample; `None` where the run has not come to it."""
    simulated: frozenset[str]
    """The scorers whose scores rest on simulations."""
    judged_by: Mapping[str, str]
    """Per scorer, the identity of the language model that read the explanations; empty if none did."""
    cost: Cost | None
    """`None` where the run has several arms, whose costs cannot be told apart."""

    @property
    def written_by(self) -> str:
        """The identity of the language model that wrote the explanations; empty if none did."""
        return identity_of(self.manifest, "explainer") if self.entry.arm == MAIN else ""


@dataclass(frozen=True)
class UnitFacts:
    """What is known of a unit beside its scores."""

    firing_fraction: float
    texts: tuple[str, ...]
    """The texts that explainers are shown: the top records of the split `explain`."""
    documents: frozenset[str]
    """Those of the records that may be scored."""


def identity_of(manifest: RunManifest, role: str) -> str:
    """The language model of a role on one line; empty if the run has none."""
    identity = manifest.identities.get(f"llm of the {role}", {})
    return " ".join(f"{key}={value}" for key, value in sorted(identity.items()))


def model_name(manifest: RunManifest, role: str) -> str:
    """The short name of a role's language model; empty if the run has none."""
    identity = manifest.identities.get(f"llm of the {role}", {})
    name = next((identity[key] for key in ("model", "name", "provider", "llm") if identity.get(key)), "")
    return name.rstrip("/").rpartition("/")[2]


def read(store: ResultStore, entry: Entry) -> Results:
    """Reads one entry.

    Raises:
        StoreError: There is no such run.
    """
    manifest = store.run(entry.run_id)
    records = f"{manifest.collection}/{manifest.config.get('score_on', Split.TEST.value)}"
    places = {unit: Place(records, unit) for unit in map(UnitId.parse, manifest.units)}
    explained: dict[Place, list[Explanation | Failure]] = {place: [] for place in places.values()}
    for row in store.explanations(entry.run_id):
        if row.cell.arm == entry.arm:
            explained[places[row.cell.unit]].append(row.outcome)
    every = store.scores(entry.run_id)
    left_out = unread(every)
    scores = [row for row in every if row.cell.arm == entry.arm]
    found = {(row.scorer, row.cell.unit, row.cell.sample): row.outcome for row in scores}
    outcomes = {
        scorer: {
            place: tuple(
                outcome if isinstance(outcome, Failure) else found.get((scorer, unit, sample))
                for sample, outcome in enumerate(explained[place])
            )
            or (None,)
            for unit, place in places.items()
        }
        for scorer in manifest.config.get("scorer", {})
        if (entry.arm, scorer) not in left_out
    }
    simulated = frozenset(row.scorer for row in scores if row.simulations)
    roles = {scorer: "simulator" if scorer in simulated else "scorer" for scorer in outcomes}
    return Results(
        entry,
        manifest,
        {place: tuple(samples) for place, samples in explained.items()},
        outcomes,
        simulated,
        {scorer: identity_of(manifest, role) for scorer, role in roles.items()},
        _cost(store, manifest),
    )


def _cost(store: ResultStore, manifest: RunManifest) -> Cost | None:
    if manifest.config.get("floor"):
        return None
    calls = [call for call in store.ledger(manifest.run_id) if call.reply is not None]
    tokens = [count for call in calls for count in (call.usage.prompt_tokens, call.usage.completion_tokens)]
    return Cost(_each(tokens, manifest), _each([call.usd for call in calls], manifest))


def _each(amounts: Sequence[float | None], manifest: RunManifest) -> float | None:
    """The sum for each unit; `None` if one of the amounts is not known."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known) / len(manifest.units) if len(known) == len(amounts) else None


Records = Callable[[str, Sequence[UnitId]], Callable[[UnitId], UnitRecord]]
"""From a collection's key and units of it to what reads their records."""


def records_in(root: Path) -> Records:
    """The records in a folder of activations. Opening a collection raises `StoreError` if it was deleted."""
    return lambda collection, units: reopened(ActivationStore(root), collection, units).record


def facts_of(record: UnitRecord, split: Split) -> UnitFacts:
    """What a record says of its unit, `split` being the one that was scored on."""
    shown, scored = record.view(Split.EXPLAIN).records, record.view(split).records
    return UnitFacts(
        record.statistics.firing_fraction,
        tuple("".join(each.sequence.tokens) for each in shown.top),
        frozenset(each.sequence.document_id for each in (*scored.top, *scored.random)),
    )


def glosses(results: Results) -> dict[Place, tuple[str, ...]]:
    """The texts of the explanations that are prose."""
    return {
        place: tuple(sample.text for sample in samples if isinstance(sample, ProseExplanation))
        for place, samples in results.explanations.items()
    }
