"""A session: the components of one configuration, each built when it is first needed."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from neurogloss.config.arms import reads
from neurogloss.config.choices import Choice
from neurogloss.config.secrets import redacted, variables_of
from neurogloss.config.settings import Settings, determining, has_server
from neurogloss.errors import ConfigError
from neurogloss.interfaces.corpus import Corpus
from neurogloss.interfaces.embedder import Embedder
from neurogloss.interfaces.executor import Executor, Line, Reducing
from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.interfaces.result_store import ResultStore
from neurogloss.interfaces.subject import SubjectModel
from neurogloss.pipeline.budget import Budget, Charge
from neurogloss.pipeline.collected import CollectedUnits
from neurogloss.pipeline.collection import collect_units, site_statistics
from neurogloss.pipeline.explaining import MAIN, Arm
from neurogloss.pipeline.interrupting import interrupted_at_once
from neurogloss.pipeline.ledger import Ledger
from neurogloss.pipeline.ledgered_model import Answering, describe
from neurogloss.pipeline.progress import Progress
from neurogloss.pipeline.replay import LedgerFile, LedgerMode, ReplayLedger
from neurogloss.pipeline.selection import select_units
from neurogloss.pipeline.spreading.collecting import SpreadPasses
from neurogloss.pipeline.spreading.hub import HubConfig, RunHub
from neurogloss.pipeline.spreading.lines import LineBudget, LineFile, LinePace, LineStore, alone_at_the_hub
from neurogloss.plugin.component import Component
from neurogloss.plugin.registry import Registry, load_registry
from neurogloss.records import codec
from neurogloss.records.scores import Score
from neurogloss.records.units import UnitId
from neurogloss.store.activations import ActivationStore


class Shared:
    """What several sessions of one process have in common: what is large or slow to build is built once.

    Args:
        run_ids: Runs that spend from one budget.
    """

    def __init__(self, run_ids: Sequence[str] = ()) -> None:
        self.run_ids = tuple(run_ids)
        self._built: dict[str, Any] = {}

    def one(self, choice: Choice, build: Callable[[Choice], Any]) -> Any:
        """The component of this choice, built now if no session has asked for it before."""
        key = f"{choice.kind} {choice.component.name} {choice.config!r}"
        if key not in self._built:
            self._built[key] = build(choice)
        return self._built[key]

    async def close(self) -> None:
        """Frees what language models and executors hold."""
        for built in self._built.values():
            if isinstance(built, LanguageModel):
                await built.close()
            elif isinstance(built, Executor):
                built.close()


class Session:
    """Builds components, and knows which model serves which role.

    Args:
        settings: What to build.
        progress: Hears of what takes long.
        ledger: Takes the place of the configured one; asks no language model.
        shared: What it has in common with other sessions; whoever made it closes it.
        line: Leads to the hub of a run that is spread, of which this session is a part.
    """

    def __init__(
        self,
        settings: Settings,
        progress: Progress,
        ledger: Answering | None = None,
        shared: Shared | None = None,
        line: Line | None = None,
    ) -> None:
        self.settings = settings
        self._progress = progress
        self._given_ledger = ledger
        self._shared = shared or Shared()
        self._owns_shared = shared is None
        self._line = line

    @cached_property
    def registry(self) -> Registry:
        return load_registry()

    @property
    def root(self) -> Path:
        """The store's folder: activations and reports lie there, whatever holds the results."""
        return Path(self.settings.store.config.root)

    @cached_property
    def store(self) -> ResultStore:
        if self._line and not has_server(self.settings.store):
            return LineStore(self._line)
        store: ResultStore = self._build(self.settings.store)
        return store

    @cached_property
    def activations(self) -> ActivationStore:
        return ActivationStore(self.root / "activations")

    @cached_property
    def subject(self) -> SubjectModel:
        subject: SubjectModel = self._shared.one(self.settings.subject, self._build)
        return subject

    @cached_property
    def corpus(self) -> Corpus:
        corpus: Corpus = self._shared.one(self.settings.corpus, self._build)
        return corpus

    @cached_property
    def executor(self) -> Executor:
        executor: Executor = self._shared.one(self.settings.executor, self._build)
        return executor

    @cached_property
    def units(self) -> tuple[UnitId, ...]:
        """The chosen units.

        Raises:
            SubjectError: An unknown site or unit.
        """
        for run in self.store.runs():
            if run.run_id == self.run_id:  # the subject need not be asked for its sites again
                return tuple(map(UnitId.parse, run.units))
        return self._selected(self.settings.units)

    @cached_property
    def pool(self) -> tuple[UnitId, ...]:
        """The units that are collected as neighbours of the chosen ones.

        Raises:
            SubjectError: An unknown site or unit.
        """
        return self._selected(self.settings.pool) if self.settings.pool else ()

    @interrupted_at_once()
    def _selected(self, selectors: Sequence[str]) -> tuple[UnitId, ...]:
        def statistics(field: str) -> Mapping[str, Any]:
            return site_statistics(
                self.subject,
                self.corpus,
                self.settings.plan,
                self.activations,
                field,
                batch_size=self.settings.batch_size,
                progress=self._progress,
                elsewhere=self._elsewhere,
            )

        def scores(run: str) -> Mapping[UnitId, float]:
            found = self.store.run(run)
            scorer = next(iter(found.config.get("scorer", {})), "")
            rows = [row for row in self.store.scores(found.run_id) if (row.cell.arm, row.scorer) == (MAIN, scorer)]
            scored = [(row.cell.unit, row.outcome.value) for row in rows if isinstance(row.outcome, Score)]
            return {unit: value for unit, value in scored if value is not None}

        return select_units(selectors, self.subject.sites(), self.settings.seed, statistics, scores)

    @interrupted_at_once()
    def collected(self, units: Sequence[UnitId] | None = None) -> CollectedUnits:
        """The records of the chosen units, or of some of them, collected now if they are not in the store."""
        chosen = self.units if units is None else units
        return collect_units(
            self.subject,
            self.corpus,
            tuple(dict.fromkeys((*chosen, *self.pool))),
            self.settings.plan,
            self.activations,
            batch_size=self.settings.batch_size,
            token_means=any(arm.explainer.needs_token_means for arm in self.arms),
            max_table_bytes=self.settings.max_table_bytes,
            progress=self._progress,
            elsewhere=self._elsewhere,
        )

    @property
    def _elsewhere(self) -> SpreadPasses | None:
        """Other processes for the passes of a collection, where the executor has some and this is not one itself."""
        if self._line or not isinstance(self.executor, Reducing):
            return None
        subject = self.settings.subject
        build = partial(_built, subject.component, subject.config)
        return SpreadPasses(self.executor, build, self.activations, self._progress)

    def model(self, role: str) -> LanguageModel:
        """The language model of a role; roles with the same configuration share one."""
        choice = self.settings.llms[role]
        with self._stand_ins(choice):
            model: LanguageModel = self._shared.one(choice, self._build)
        return model

    @contextmanager
    def _stand_ins(self, choice: Choice) -> Iterator[None]:
        """Lets a model that is never asked be built without its keys."""
        asked = self._given_ledger is None and self.settings.ledger.mode is not LedgerMode.REPLAY
        missing = {} if asked else _unset(choice)
        os.environ.update(dict.fromkeys(missing, "replayed"))
        try:
            yield
        finally:
            for name in missing:
                del os.environ[name]

    def identities(self) -> dict[str, Mapping[str, str]]:
        """What subject, corpus and the used language models and embedders say they are."""
        models = {f"llm of the {role}": dict(self.model(role).identity()) for role in self.settings.llms}
        embedders = {
            choice.name: dict(self._embedder(choice).identity())
            for choice in self.settings.choices()
            if choice.kind == "embedder"
        }
        return {"subject": dict(self.subject.identity()), "corpus": dict(self.corpus.identity()), **models, **embedders}

    @cached_property
    def run_id(self) -> str:
        """Hash of everything that determines the result."""
        what = codec.encode({"config": determining(self.settings), "identities": self.identities()})
        return hashlib.sha256(what.encode("utf-8")).hexdigest()[:12]

    def versions(self) -> dict[str, str]:
        """The distributions that provide the chosen components, Python, and the platform."""
        used = dict(self.registry.distribution_of(choice.component) for choice in self.settings.choices())
        return {**used, "python": platform.python_version(), "platform": platform.platform()}

    def check_models(self) -> None:
        """Finds out, before anything is spent, whether the language models can be asked and paid for.

        Raises:
            ConfigError: The variable of a key is not set, or dollars are limited and a price is not known.
        """
        if self.settings.ledger.mode is LedgerMode.REPLAY:
            return
        for choice in self.settings.choices():
            for name, key in _unset(choice).items():
                raise ConfigError(
                    f"The environment variable {name} is not set.",
                    known=f"The {choice.kind} {choice.component.name!r} reads it: {choice.name}.{key}.",
                    remedy=f"export {name}=..., or name another variable there; null is for servers without keys.",
                )
        for role in self.settings.llms if self.settings.budget.max_usd is not None else ():
            model = self.model(role)
            if self.settings.prices.of(model.identity()) is None:
                raise ConfigError(
                    f"budget.max_usd limits dollars, and the price of the {role}'s model is not known.",
                    known=f"The model: {describe(model)}",
                    remedy="Give its price in a table of your own, prices=[FILE]; see docs/configuration.md. "
                    "budget.max_tokens and budget.max_calls need no price.",
                )

    def begin_recording(self, *, resumed: bool) -> None:
        """Makes the ledger file.

        Raises:
            ConfigError: The run was begun without one, so that what it has asked already would be missing.
        """
        file = Path(str(self.settings.ledger.file))
        if resumed and not file.exists():
            raise ConfigError(
                f"The run {self.run_id} was begun without the ledger file {file}, which would lack its first calls.",
                remedy="Record it in a store of its own: store.root=FOLDER",
            )
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()

    @property
    def redact(self) -> Callable[[str], str]:
        """Takes the keys of this configuration, and what looks like one, out of a text."""
        return partial(redacted, variables=variables_of(self.settings.plain))

    @cached_property
    def ledger(self) -> Answering:
        if self._given_ledger is not None:
            return self._given_ledger
        settings = self.settings
        file = LedgerFile(Path(settings.ledger.file)) if settings.ledger.file else None
        if settings.ledger.mode is LedgerMode.REPLAY and file:
            return ReplayLedger(self.store, self.run_id, file)
        recorded = file if settings.ledger.mode is LedgerMode.RECORD else None
        line = self._line
        return Ledger(
            self.store,
            self.run_id,
            limits=settings.limits,
            prices=settings.prices,
            budget=LineBudget(line, settings.budget) if line else Budget(settings.budget, self._spent_before),
            file=LineFile(line) if line and recorded else recorded,
            redact=self.redact,
            ask_rejected=settings.retry_failed,
            note=self._progress.note,
            pace=partial(LinePace, line) if line else None,
            alone=partial(alone_at_the_hub, line) if line else None,
        )

    def hub(self) -> RunHub:
        """What the parts of the run have in common when it is spread over processes.

        Raises:
            ConfigError: The run has batches, which wait in one process.
        """
        settings = self.settings
        batched = any(self.model(role).batched for role in settings.llms)
        if batched or any(batch.run_id == self.run_id for batch in self.store.open_batches()):
            raise ConfigError(
                "The run hands its requests in as batches, or has such batches open.",
                known="Batches are gathered in one process; it needs no others, as the provider does the work.",
                remedy="Choose executor=local.",
            )
        recorded = settings.ledger.mode is LedgerMode.RECORD
        store = settings.store
        build = None if has_server(store) else partial(_built, store.component, store.config)
        file = Path(str(settings.ledger.file)) if recorded else None
        return RunHub(HubConfig(settings.limits, settings.budget, self._spent_before, build, file))

    @property
    def _spent_before(self) -> Charge:
        return sum(map(self._spent, {self.run_id, *self._shared.run_ids}), Charge())

    def _spent(self, run_id: str) -> Charge:
        totals = self.store.totals(run_id)
        return Charge(totals.charged_usd, totals.charged_tokens, totals.attempts)

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """The run's explainer and the floors, each with the scorers that read what it writes."""
        main = (self.settings.explainer, self.settings.simulator)
        pairs = {MAIN: main, **self.settings.floors}
        return tuple(self._arm(name, explainer, simulator) for name, (explainer, simulator) in pairs.items())

    async def close(self) -> None:
        """Ends the calls to language models and frees what the components hold."""
        if "ledger" in self.__dict__:
            await self.ledger.close()
        if self._owns_shared:
            await self._shared.close()
        if "store" in self.__dict__:
            self.store.close()

    def _arm(self, name: str, explainer: Choice, simulator: Choice) -> Arm:
        scorers = {
            key: self._assembled(choice, simulator)
            for key, choice in self.settings.scorers.items()
            if reads(choice, explainer)
        }
        return Arm(name, self._assembled(explainer, simulator), scorers)

    def _assembled(self, choice: Choice, simulator: Choice) -> Any:
        """Builds a component of an arm together with its parts and what they need; equal embedders are one."""
        if choice.kind == "embedder":
            return self._embedder(choice)
        needs = {kind: self._need(kind, choice.kind, simulator) for kind in choice.component.needs}
        parts = {
            name: tuple(self._assembled(each, simulator) for each in part)
            if isinstance(part, tuple)
            else self._assembled(part, simulator)
            for name, part in choice.parts.items()
        }
        return self._build(choice, **needs, **parts)

    def _embedder(self, choice: Choice) -> Embedder:
        embedder: Embedder = self._shared.one(choice, self._build)
        return embedder

    def _need(self, kind: str, role: str, simulator: Choice) -> Any:
        if kind == "llm":
            return self.ledger.opened_for(role, self.model(role))
        return self._assembled(simulator, simulator) if kind == "simulator" else getattr(self, kind)

    def _build(self, choice: Choice, **needs: Any) -> Any:
        return self.registry.build(choice.component, choice.config, **needs)


def _built(component: Component, config: Any) -> Any:
    """A component that needs no other, in any process."""
    return load_registry().build(component, config)


def _unset(choice: Choice) -> dict[str, str]:
    """The environment variables that a component reads and that are not set, with the fields that name them."""
    named = {str(name): key for key, name in choice.plain().items() if key.endswith("_env") and name}
    return {name: key for name, key in named.items() if not os.environ.get(name, "").strip()}
