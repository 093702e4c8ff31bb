"""From the axes of a benchmark to ordinary runs."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

from neurogloss.config.composing import Composed, composer
from neurogloss.config.conversion import given
from neurogloss.config.schema import BENCHMARK, BenchmarkConfig
from neurogloss.config.settings import Settings, determining, settings_of
from neurogloss.errors import ConfigError, UnfitError
from neurogloss.plugin.registry import Registry
from neurogloss.records import codec

_OF_THE_AXES = re.compile(rf"[+~]*{BENCHMARK}([.=@].*)?", re.DOTALL)
_EMPTIED = re.compile(rf"{BENCHMARK}\.\w+=\{{\s*\}}")
"""Hydra merges mappings, so that an empty one would change nothing."""
_NO_FLOORS = "floor=[]"
"""Floors are entries of an axis, not arms of each run."""


@dataclass(frozen=True)
class PlannedRun:
    """One combination of the axes' entries."""

    subject: str
    """The name of the entry; where an axis has none, what the run itself chooses."""
    explainer: str
    simulator: str
    """Empty where nothing is simulated."""
    judge: str
    """Empty where the run is the same for every judge."""
    seed: int
    floor: bool
    overrides: tuple[str, ...]
    """`neurogloss run` with these is the same run."""
    settings: Settings

    def __str__(self) -> str:
        return " ".join(filter(None, (self.subject, self.explainer, self.simulator, self.judge, f"seed {self.seed}")))


@dataclass(frozen=True)
class Grid:
    """The runs of a benchmark."""

    runs: tuple[PlannedRun, ...]
    notes: tuple[str, ...]
    """What was left out, and why."""


def axes_of(
    overrides: Sequence[str], registry: Registry, folders: Sequence[str] = ()
) -> tuple[BenchmarkConfig, list[str]]:
    """The axes that a command line chooses, and what is left of it: overrides of every run.

    Raises:
        ConfigError: As for `compose`, or axes that give no run.
    """
    own = [override for override in overrides if _OF_THE_AXES.fullmatch(override)]
    with composer(registry, folders=folders) as composed:
        values = OmegaConf.to_container(composed(_emptied(own, composed), BENCHMARK), resolve=True)
    assert isinstance(values, dict)
    chosen = values[BENCHMARK]
    axes: BenchmarkConfig = given(BenchmarkConfig, {k: v for k, v in chosen.items() if k != "component"}, BENCHMARK)
    return axes, [override for override in overrides if override not in own]


def _emptied(overrides: Iterable[str], composed: Composed) -> list[str]:
    """The overrides with the deletion of every entry in the place of `benchmark.AXIS={}`."""
    done: list[str] = []
    for override in overrides:
        axis = override.partition("=")[0] if _EMPTIED.fullmatch(override) else ""
        entries = OmegaConf.select(composed(done, BENCHMARK), axis) if axis else None
        done += [f"~{axis}.{name!s}" for name in entries] if isinstance(entries, DictConfig) else [override]
    return done


def grid_of(axes: BenchmarkConfig, overrides: Sequence[str], registry: Registry, folders: Sequence[str] = ()) -> Grid:
    """Composes every combination.

    A scorer that does not read a run's explanations is left out of that run, and a combination of
    components that do not fit is left out altogether, each with a note. Combinations that come to the
    same run are one.

    Args:
        axes: The axes.
        overrides: Of every run; they go before those of the axes.
        registry: The components.
        folders: Further folders with YAML files.

    Raises:
        ConfigError: A run is wrong in itself, no run is left, or the runs of one subject and seed would
            not see the same records.
    """
    runs: dict[str, PlannedRun] = {}
    notes: dict[str, None] = {}
    with composer(registry, folders=folders) as composed:
        for names, seed, chosen in _combinations(axes):
            asked = [_NO_FLOORS, *axes.run, *chosen, f"seed={seed}", *overrides]
            where = " ".join(filter(None, names.values()))
            try:
                fitting, settings, left_out = _fitting(asked, composed, registry)
            except UnfitError as error:
                notes[f"{where} is left out: {error.wrong}"] = None
                continue
            except ConfigError as error:
                error.known = "\n".join(filter(None, (error.known, f"In the run {where}.")))
                raise
            notes.update(dict.fromkeys(f"{names['explainer']}: {note}" for note in (*left_out, *settings.notes)))
            planned = _planned(axes, names, fitting, settings)
            first = runs.setdefault(codec.encode(determining(settings)), planned)
            if first.explainer != planned.explainer:
                notes[f"{planned} is not run again: it is the same run as {first}"] = None
    if not runs:
        raise ConfigError("No combination of the benchmark's entries can be run.", known="\n".join(notes))
    _check_same_records(runs.values())
    return Grid(_with_judges(axes, runs.values()), tuple(notes))


def _combinations(axes: BenchmarkConfig) -> Iterator[tuple[dict[str, str], int, list[str]]]:
    """The entry of each axis, a seed, and the overrides of the entries. Floors go first: they are cheap."""
    entries = {
        "subject": axes.subjects,
        "simulator": axes.simulators,
        "judge": axes.judges,
        "explainer": {**axes.floors, **axes.explainers},
    }
    first_simulator = next(iter(axes.simulators), "")
    for chosen in itertools.product(*((axis or {"": []}).items() for axis in entries.values())):
        names = dict(zip(entries, (name for name, _ in chosen), strict=True))
        if _own_simulator(chosen[-1][1]) and names["simulator"] != first_simulator:
            continue
        overrides = [override for _, own in chosen for override in own]
        yield from ((names, seed, overrides) for seed in axes.seeds)


def _fitting(overrides: list[str], composed: Composed, registry: Registry) -> tuple[list[str], Settings, list[str]]:
    """The run without the scorers that do not fit it, and what is to be said of them."""
    notes: list[str] = []
    while True:
        try:
            return overrides, settings_of(composed(overrides, "config"), registry), notes
        except UnfitError as error:
            match = re.match(r"scorer\.\w+", error.key)
            if not match:
                raise
            overrides = [*overrides, f"~{match[0]}"]
            notes.append(f"{match[0]} is left out: {error.wrong}")


def _planned(
    axes: BenchmarkConfig, names: Mapping[str, str], overrides: Sequence[str], settings: Settings
) -> PlannedRun:
    own = {**axes.explainers, **axes.floors}[names["explainer"]]
    by_axis = names["simulator"] and not _own_simulator(own)
    simulator = names["simulator"] if by_axis else settings.simulator.component.name
    return PlannedRun(
        subject=names["subject"] or settings.subject.component.name,
        explainer=names["explainer"],
        simulator=simulator if settings.simulated else "",
        judge=names["judge"],
        seed=settings.seed,
        floor=names["explainer"] in axes.floors,
        overrides=tuple(overrides),
        settings=settings,
    )


def _own_simulator(overrides: Iterable[str]) -> bool:
    return any(override.startswith("simulator=") for override in overrides)


def _with_judges(axes: BenchmarkConfig, runs: Iterable[PlannedRun]) -> tuple[PlannedRun, ...]:
    """The runs, without the judge where all judges come to the same run."""
    by_rest: dict[tuple[Any, ...], list[PlannedRun]] = {}
    for run in runs:
        by_rest.setdefault((run.subject, run.explainer, run.simulator, run.seed), []).append(run)
    alone = [found[0] for found in by_rest.values() if len(found) == 1]
    return tuple(
        dataclasses.replace(run, judge="") if len(axes.judges) > 1 and run in alone else run
        for found in by_rest.values()
        for run in found
    )


def _check_same_records(runs: Iterable[PlannedRun]) -> None:
    """What a run sees is decided by its subject and seed alone, so that all else is compared on the same."""
    first: dict[tuple[str, int], PlannedRun] = {}
    for run in runs:
        other = first.setdefault((run.subject, run.seed), run)
        seen, expected = _records(run.settings), _records(other.settings)
        for name in seen:
            if seen[name] != expected[name]:
                raise ConfigError(
                    f"The runs of {run.subject} would not see the same records: {name} differs.",
                    known=f"{other}: {expected[name]}\n{run}: {seen[name]}",
                    remedy=f"Set {name} in benchmark.run or in the entry of the subject.",
                )


def _records(settings: Settings) -> dict[str, Any]:
    return {
        "subject": settings.subject.plain(),
        "corpus": settings.corpus.plain(),
        "units": settings.units,
        "collection": (settings.plan, settings.pool),
        "score_on": settings.score_on.value,
        "store": settings.store.plain(),
    }
