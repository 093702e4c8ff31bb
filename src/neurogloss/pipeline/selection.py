"""Selectors: which units a run explains."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from neurogloss.errors import ConfigError, SubjectError
from neurogloss.records.units import Polarity, Site, UnitId
from neurogloss.reducers.seeded_hash import hashes, salt

Statistics = Callable[[str], Mapping[str, np.ndarray]]
"""From a field of `UnitStatistics` to its values at each of `default_sites`, float64 [unit]."""

Scores = Callable[[str], Mapping[UnitId, float]]
"""From a run's id to the scores of its units."""

FIELDS = (
    "mean",
    "variance",
    "skewness",
    "kurtosis",
    "minimum",
    "maximum",
    "firing_fraction",
    "first_position_share",
)
"""What `top_by` ranks by."""

_FORMS = (
    "A selector is one of: layers.5.mlp/12, layers.5.mlp/12-, layers.*.mlp/0:100, layers.3.mlp/*, "
    "random:50, top_by:kurtosis:20, by_score:RUN:20, file:PATH, all."
)
_INDEX = re.compile(r"(?:(?P<one>\d+)|(?P<start>\d*):(?P<stop>\d*)|\*)(?P<polarity>[+-]?)")


def default_sites(sites: Sequence[Site]) -> tuple[Site, ...]:
    """The sites that `random` and `top_by` draw from: those of MLP neurons; all, where there are none."""
    return tuple(site for site in sites if site.kind == "mlp") or tuple(sites)


def select_units(
    selectors: Sequence[str],
    sites: Sequence[Site],
    seed: int = 0,
    statistics: Statistics | None = None,
    scores: Scores | None = None,
) -> tuple[UnitId, ...]:
    """The units that the selectors name, in their order, each once.

    Args:
        selectors: Unit names, ranges and globs, `random:N`, `top_by:FIELD:N`, `by_score:RUN:N`, `file:PATH` or `all`.
        sites: The subject's sites.
        seed: For `random` and `by_score`.
        statistics: For `top_by`; called only when it occurs.
        scores: For `by_score`; called only when it occurs.

    Raises:
        ConfigError: No unit is selected, or a selector cannot be read or carried out.
        SubjectError: A selector names a site that the subject lacks, or an index beyond a site's units.
    """
    if not sites:
        raise SubjectError("The subject has no sites, so there is no unit to explain.")
    found: dict[UnitId, None] = {}
    for selector in _expanded(selectors):
        found.update(dict.fromkeys(_units(selector, sites, seed, statistics, scores)))
    if not found:
        raise ConfigError("No unit is selected.", known=_FORMS, remedy="For example: units=[random:20]")
    return tuple(found)


def _expanded(selectors: Sequence[str]) -> Iterator[str]:
    for selector in selectors:
        path = selector.strip().removeprefix("file:")
        if path == selector.strip():
            yield path
            continue
        try:
            lines = Path(path).expanduser().read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"The file of selectors {path!r} cannot be read.",
                known=str(error),
                remedy="Give file:PATH the path of a text file with one selector a line.",
            ) from error
        for line in (text.split("#")[0].strip() for text in lines):
            if line.startswith("file:"):
                raise ConfigError(f"{path} names another file of selectors: {line}", remedy="List its lines instead.")
            if line:
                yield line


def _units(
    selector: str, sites: Sequence[Site], seed: int, statistics: Statistics | None, scores: Scores | None
) -> Iterator[UnitId]:
    match selector.split(":"):
        case ["all"]:
            return (UnitId(site.name, index) for site in sites for index in range(site.n_units))
        case ["random", count]:
            return _random(_count(selector, count), selector, default_sites(sites), seed)
        case ["top_by", field, count]:
            return _top(field, _count(selector, count), selector, default_sites(sites), statistics)
        case ["by_score", run, count]:
            return _by_score(run, _count(selector, count), selector, seed, scores)
    return _named(selector, sites)


def _count(selector: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ConfigError(f"{selector!r} does not say how many units: {text!r} is no positive number.", known=_FORMS)
    return int(text)


def _named(selector: str, sites: Sequence[Site]) -> Iterator[UnitId]:
    pattern, slash, where = selector.rpartition("/")
    index = _INDEX.fullmatch(where)
    if not slash or not pattern or index is None:
        raise ConfigError(f"{selector!r} selects no units: it cannot be read.", known=_FORMS)
    named = [site for site in sites if site.name == pattern] or [s for s in sites if fnmatchcase(s.name, pattern)]
    if not named:
        names = [site.name for site in sites]
        near = difflib.get_close_matches(pattern, names, n=3, cutoff=0.0)
        raise SubjectError(
            f"The subject has no site {pattern!r}.",
            known=f"It has {len(sites)} sites, {names[0]} to {names[-1]}.",
            remedy=f"The nearest names: {', '.join(near)}.",
        )
    polarity: Polarity = "-" if index["polarity"] == "-" else "+"
    return (UnitId(site.name, i, polarity) for site in named for i in _indices(selector, index, site))


def _indices(selector: str, index: re.Match[str], site: Site) -> range:
    start = int(index["one"] or index["start"] or 0)
    stop = start + 1 if index["one"] else int(index["stop"] or site.n_units)
    if start >= site.n_units or stop > site.n_units or start >= stop:
        raise SubjectError(
            f"{selector!r} asks for units that {site.name} does not have."
            if start < stop
            else f"{selector!r} is an empty range.",
            known=f"{site.name} has {site.n_units} units: 0 to {site.n_units - 1}. "
            "A range holds its start, not its end.",
        )
    return range(start, stop)


def _random(count: int, selector: str, sites: Sequence[Site], seed: int) -> Iterator[UnitId]:
    """Deals units out layer by layer, so that no layer has two more than another that could give more.

    Within a layer, and among the layers that get the last ones, a seeded hash decides.
    """
    layers: dict[object, list[int]] = {}
    for number, site in enumerate(sites):
        layers.setdefault(site.name if site.layer is None else site.layer, []).append(number)
    columns = []
    for layer, numbers in layers.items():
        site_of = np.repeat(numbers, [sites[n].n_units for n in numbers])
        index = np.concatenate([np.arange(sites[n].n_units) for n in numbers])
        drawn = np.argsort(np.concatenate([_hashed(sites[n], seed) for n in numbers]), kind="stable")[:count]
        order_of_layer = np.full(len(drawn), salt(seed, "layer", layer))
        columns.append((np.arange(len(drawn)), order_of_layer, site_of[drawn], index[drawn]))
    turn, layer_order, site_of, index = (np.concatenate(column) for column in zip(*columns, strict=True))
    _enough(count, len(turn), selector)
    chosen = np.lexsort((layer_order, turn))[:count]
    for i in chosen[np.lexsort((index[chosen], site_of[chosen]))]:
        yield UnitId(sites[site_of[i]].name, int(index[i]))


def _hashed(site: Site, seed: int) -> np.ndarray:
    return hashes(np.arange(site.n_units), salt(seed, "unit", site.name))


def _top(
    field: str, count: int, selector: str, sites: Sequence[Site], statistics: Statistics | None
) -> Iterator[UnitId]:
    if field not in FIELDS:
        near = difflib.get_close_matches(field, FIELDS, n=1, cutoff=0.0)[0]
        raise ConfigError(
            f"{selector!r}: there is no statistic {field!r}.",
            known=f"Statistics: {', '.join(FIELDS)}.",
            remedy=f"Did you mean {near!r}?",
        )
    if statistics is None:
        raise ConfigError(f"{selector!r} needs statistics of all units, which are not to be had here.")
    values = statistics(field)
    flat = np.concatenate([values[site.name] for site in sites])
    _enough(count, len(flat), selector)
    site_of = np.repeat(np.arange(len(sites)), [site.n_units for site in sites])
    index = np.concatenate([np.arange(site.n_units) for site in sites])
    for i in np.argsort(-flat, kind="stable")[:count]:
        yield UnitId(sites[site_of[i]].name, int(index[i]))


def _by_score(run: str, count: int, selector: str, seed: int, scores: Scores | None) -> Iterator[UnitId]:
    """Deals units out decile by decile of their scores; within a decile a seeded hash decides."""
    if scores is None or run == "latest":  # which would name another run at another time
        raise ConfigError(f"{selector!r} needs the id of a run in the store.", remedy="neurogloss runs lists them.")
    found = scores(run)
    _enough(count, len(found), selector)
    ordered = sorted(found, key=lambda unit: (found[unit], unit))
    places = np.arange(len(ordered))
    drawn = hashes(places, salt(seed, "unit", "by_score"))
    deciles = (part[np.argsort(drawn[part], kind="stable")] for part in np.array_split(places, min(10, len(places))))
    turns = sorted((turn, decile, i) for decile, part in enumerate(deciles) for turn, i in enumerate(part))
    yield from sorted(ordered[i] for _, _, i in turns[:count])


def _enough(count: int, available: int, selector: str) -> None:
    if count > available:
        raise ConfigError(
            f"{selector!r} asks for {count} units of {available}.", remedy=f"Ask for at most {available}."
        )
