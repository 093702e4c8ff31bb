"""`Settings`: a composed configuration, checked, and free of Hydra."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from neurogloss.config.arms import check_readable, fitting_floors
from neurogloss.config.choices import FILES, Choice, choice_of
from neurogloss.config.conversion import given
from neurogloss.config.price_tables import load_prices
from neurogloss.config.schema import MISSING, ROLES, CollectionConfig, FloorConfig, RunConfig, ScoredSplit
from neurogloss.config.secrets import refuse_secrets
from neurogloss.errors import ConfigError, UnfitError
from neurogloss.pipeline.budget import BudgetLimits
from neurogloss.pipeline.explaining import MAIN
from neurogloss.pipeline.limits import Limits
from neurogloss.pipeline.prices import Prices
from neurogloss.pipeline.replay import LedgerConfig
from neurogloss.plugin.registry import Registry
from neurogloss.records.plans import CollectionPlan
from neurogloss.records.tokens import Split

_NOT_DETERMINING = ("store", "executor", "budget", "limits", "prices", "ledger", "retry_failed", "report")
_SAME_RESULT = ("batch", "batch_size", "batch_wait", "max_table_bytes", "log")
_SINGLE = ("corpus", "subject", "explainer", "simulator", "store", "executor")


@dataclass(frozen=True)
class Settings:
    """Everything that a run needs to know."""

    corpus: Choice
    subject: Choice
    llms: Mapping[str, Choice]
    """The language model of each role that uses one; the other roles are absent."""
    explainer: Choice
    simulator: Choice
    scorers: Mapping[str, Choice]
    floors: Mapping[str, tuple[Choice, Choice]]
    """The explainer and the simulator of each floor."""
    store: Choice
    executor: Choice
    units: tuple[str, ...]
    """Selectors."""
    pool: tuple[str, ...]
    """Selectors of units that are collected besides, as neighbours."""
    plan: CollectionPlan
    batch_size: int
    max_table_bytes: int
    seed: int
    score_on: Split
    retry_failed: bool
    report: str | None
    budget: BudgetLimits
    limits: Limits
    prices: Prices
    ledger: LedgerConfig
    plain: Mapping[str, Any]
    """The resolved configuration of what is used, in plain containers, for the manifest."""
    notes: tuple[str, ...] = ()
    """What was left out of the configuration, and why."""

    @property
    def simulated(self) -> bool:
        """Whether anything uses the simulator."""
        return any("simulator" in choice.component.needs for choice in self.choices())

    def choices(self) -> Iterator[Choice]:
        """Every chosen component, parts included."""
        chosen = [self.corpus, self.subject, *self.llms.values(), self.explainer, self.simulator]
        chosen += self.scorers.values()
        for pair in self.floors.values():
            chosen += pair
        for choice in (*chosen, self.store, self.executor):
            yield from choice.walk()


def settings_of(config: DictConfig, registry: Registry) -> Settings:
    """Checks a composed configuration and takes it out of OmegaConf.

    Floors whose explanations the simulator or no scorer reads, and floors equal to the main arm, are left
    out with a note. Language models that nothing uses are not looked at.

    Raises:
        ConfigError: A value is missing or out of range, or the chosen components do not fit together.
    """
    values = _plain(config)
    root = given(
        RunConfig, {name: value for name, value in values.items() if name not in (*_SINGLE, "llm", "roles")}, ""
    )
    _check_root(root)
    corpus, subject, explainer, simulator, store, executor = (
        choice_of(kind, kind, values.get(kind), registry) for kind in _SINGLE
    )
    scorers = {name: choice_of("scorer", f"scorer.{name}", value, registry) for name, value in root.scorer.items()}
    simulated = any("simulator" in each.component.needs for each in _walked(explainer, *scorers.values()))
    check_readable(explainer, simulator if simulated else None, scorers.values(), registry)
    pairs = {name: _floor(name, floor, simulator, registry) for name, floor in root.floor.items()}
    floors, notes = fitting_floors(pairs, (explainer, simulator), scorers, compare_simulators=simulated)
    used = list(_walked(explainer, *scorers.values(), *(pair[0] for pair in floors.values())))
    if simulated:
        used += _walked(simulator, *(pair[1] for pair in floors.values()))
    llms = {
        role: _llm_of(role, values, registry)
        for role in ROLES
        if any(choice.kind == role and "llm" in choice.component.needs for choice in used)
    }
    for choice in used:
        built_on = {"llm": llms.get(choice.kind), "simulator": simulator, "subject": subject, "corpus": corpus}
        needed = {kind: built_on.get(kind) for kind in choice.component.needs}
        told = {kind: (other.component, other.config) for kind, other in needed.items() if other}
        try:
            registry.check_capabilities(choice.component, choice.config, told)
        except UnfitError as error:
            error.key = choice.name
            raise
    _check_selection(used, root)
    collection: CollectionConfig = root.collection
    settings = Settings(
        corpus=corpus,
        subject=subject,
        llms=llms,
        explainer=explainer,
        simulator=simulator,
        scorers=scorers,
        floors=floors,
        store=store,
        executor=executor,
        units=tuple(root.units),
        pool=tuple(collection.pool),
        plan=_plan(collection, root.seed),
        batch_size=collection.batch_size,
        max_table_bytes=collection.max_table_bytes,
        seed=root.seed,
        score_on=Split(root.score_on.value),
        retry_failed=root.retry_failed,
        report=root.report,
        budget=root.budget,
        limits=root.limits,
        prices=load_prices(root.prices),
        ledger=root.ledger,
        plain={},
        notes=notes,
    )
    plain = _described(settings, root)
    refuse_secrets(plain)
    return dataclasses.replace(settings, plain=plain)


def store_of(config: DictConfig, registry: Registry) -> Choice:
    """The store of a configuration composed from the root `results`.

    Raises:
        ConfigError: As for `settings_of`.
    """
    return choice_of("store", "store", _plain(config)["store"], registry)


def has_server(store: Choice) -> bool:
    """Whether a store's results lie elsewhere than in its folder, which need not be there then."""
    return hasattr(store.config, "url")


def model_of(config: DictConfig, registry: Registry) -> Choice:
    """The language model of a configuration composed from the root `model`.

    Raises:
        ConfigError: As for `settings_of`.
    """
    return choice_of("llm", "llm", _plain(config)["llm"], registry)


def determining(settings: Settings) -> dict[str, Any]:
    """The part of the configuration that determines the results.

    Left out are where results go (store, report, any field `log`), how the work is spread (executor,
    any field `batch_size`, `max_table_bytes`), how and at what cost language models are reached (budget,
    limits, prices, ledger, any field `batch`, `batch_wait` or that ends in `_env`) and whether failures are
    asked again. A file (any field `prompt` or `file`) counts by its contents, not by its path.
    """
    plain = {name: value for name, value in settings.plain.items() if name not in _NOT_DETERMINING}
    return {name: _determining(value) for name, value in plain.items()}


def _plain(config: DictConfig) -> dict[str, Any]:
    try:
        values = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)
    except OmegaConfBaseException as error:
        raise ConfigError(
            f"The value of {error.full_key} refers to what does not exist.", known=str(error).splitlines()[0]
        ) from error
    assert isinstance(values, dict)
    return {str(name): value for name, value in values.items()}


def _check_root(root: RunConfig) -> None:
    if not root.units or not all(selector.strip() for selector in root.units):
        raise ConfigError(
            "units is empty.", remedy="Choose some, such as 'units=[random:8]' or 'units=[layers.5.mlp/12]'."
        )
    shares = vars(root.collection.splits)
    if root.scorer and shares[root.score_on.value] == 0:
        raise ConfigError(
            f"collection.splits.{root.score_on.value} is 0.",
            known=f"score_on={root.score_on.value} scores on documents of that split.",
            remedy=f"Choose score_on={' or '.join(s.value for s in ScoredSplit if shares[s.value])}, or other shares.",
        )
    if MAIN in root.floor:
        raise ConfigError(f"floor.{MAIN}: no floor may be called {MAIN}, the run's own explainer is.")


def _walked(*choices: Choice) -> Iterator[Choice]:
    for choice in choices:
        yield from choice.walk()


def _check_selection(used: Iterable[Choice], root: RunConfig) -> None:
    """Whoever chooses by results on a split must not be scored on it."""
    for choice in used:
        if choice.component.selects_on_valid and root.score_on is ScoredSplit.VALID:
            raise ConfigError(
                "score_on is valid.",
                known=f"{choice.name}={choice.component.name} chooses by its results on that split, "
                "so its scores there would be too good.",
                remedy="Choose score_on=test.",
            )


def _floor(name: str, floor: FloorConfig, simulator: Choice, registry: Registry) -> tuple[Choice, Choice]:
    key = f"floor.{name}"
    explainer = choice_of("explainer", f"{key}.explainer", floor.explainer, registry)
    if not floor.simulator:
        return explainer, simulator
    return explainer, choice_of("simulator", f"{key}.simulator", floor.simulator, registry)


def _llm_of(role: str, values: Mapping[str, Any], registry: Registry) -> Choice:
    own = values["roles"][role]
    if own in (None, MISSING) or not own:
        return choice_of("llm", "llm", values["llm"], registry)
    return choice_of("llm", f"{role}.llm", own, registry)


def _plan(collection: CollectionConfig, seed: int) -> CollectionPlan:
    return CollectionPlan(
        sequence_length=collection.sequence_length,
        top_k=collection.top_k,
        n_random=collection.n_random,
        quantile_bins=tuple((low, high) for low, high in collection.quantile_bins),
        per_bin=collection.per_bin,
        n_importance=collection.n_importance,
        split_shares={Split(name): share for name, share in vars(collection.splits).items()},
        seed=seed,
        ignore_first_tokens=collection.ignore_first_tokens,
        max_documents=collection.max_documents,
    )


def _described(settings: Settings, root: RunConfig) -> dict[str, Any]:
    return {
        "corpus": settings.corpus.plain(),
        "subject": settings.subject.plain(),
        "roles": {role: choice.plain() for role, choice in settings.llms.items()},
        "explainer": settings.explainer.plain(),
        "simulator": settings.simulator.plain(),
        "scorer": {name: choice.plain() for name, choice in settings.scorers.items()},
        "floor": {
            name: {"explainer": explainer.plain(), "simulator": simulator.plain()}
            for name, (explainer, simulator) in settings.floors.items()
        },
        "store": settings.store.plain(),
        "executor": settings.executor.plain(),
        "budget": dataclasses.asdict(settings.budget),
        "limits": dataclasses.asdict(settings.limits),
        "prices": list(root.prices),
        "ledger": {"mode": settings.ledger.mode.value, "file": settings.ledger.file},
        "units": list(settings.units),
        "collection": dataclasses.asdict(root.collection),
        "seed": settings.seed,
        "score_on": settings.score_on.value,
        "retry_failed": settings.retry_failed,
        "report": settings.report,
    }


def _determining(value: Any) -> Any:
    if isinstance(value, list):
        return [_determining(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: hashlib.sha256(Path(item).expanduser().read_bytes()).hexdigest()
        if name in FILES and isinstance(item, str)
        else _determining(item)
        for name, item in value.items()
        if name not in _SAME_RESULT and not name.endswith("_env")
    }
