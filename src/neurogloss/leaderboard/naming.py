"""Names for rows of runs that nobody has named: what distinguishes each from the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from neurogloss.leaderboard.entries import Entry, Row, model_name
from neurogloss.pipeline.explaining import MAIN
from neurogloss.records import codec
from neurogloss.records.runs import RunManifest
from neurogloss.view.summary import component_name, flat, subject_name


def entries_of(manifests: Sequence[RunManifest]) -> list[Entry]:
    """An entry for each arm of each run; arms that several runs have alike are entered once.

    A component is named by its registered name and by those of its keys that differ between the runs, a
    floor by its name in the run; a subject also by what of the corpus and the collection differs, since
    that changes the records.
    """
    arms = [(manifest, arm) for manifest in manifests for arm in (MAIN, *manifest.config.get("floor", {}))]
    parts = [_parts(manifest, arm) for manifest, arm in arms]
    found: dict[str, Entry] = {}
    for (manifest, arm), own in zip(arms, parts, strict=True):
        names = {name: _name(name, own, parts) for name in own}
        row = Row(
            subject=" ".join(filter(None, (subject_name(manifest), names["subject"], names["records"]))),
            explainer=names["explainer"] if arm == MAIN else arm,
            llm=model_name(manifest, "explainer") if arm == MAIN else "",
            simulator=names["simulator"],
            judge=" ".join(filter(None, (model_name(manifest, "scorer"), names["scorer"]))),
        )
        alike = codec.encode([arm, own, manifest.config.get("seed"), manifest.units, row.llm])
        found.setdefault(alike, Entry(row, manifest.run_id, arm, floor=arm != MAIN))
    return list(found.values())


def _parts(manifest: RunManifest, arm: str) -> dict[str, dict[str, Any]]:
    config = manifest.config
    here = config if arm == MAIN else config["floor"][arm]
    collection = {name: value for name, value in config.get("collection", {}).items() if name != "batch_size"}
    return {
        "subject": dict(config.get("subject", {})),
        "records": {"corpus": config.get("corpus"), "collection": collection, "score_on": config.get("score_on")},
        "explainer": dict(here.get("explainer", {})),
        "simulator": {**here.get("simulator", {}), "llm": model_name(manifest, "simulator")},
        "scorer": dict(config.get("scorer", {})),
    }


def _name(kind: str, own: Mapping[str, Mapping[str, Any]], all_parts: Sequence[Mapping[str, Mapping[str, Any]]]) -> str:
    """The component, and the keys in which parts of the same component differ."""
    component = component_name(own[kind])
    alike = [dict(flat(parts[kind])) for parts in all_parts if component_name(parts[kind]) == component]
    mine = dict(flat(own[kind]))
    differing = sorted(key for key in mine if any(other.get(key) != mine[key] for other in alike))
    named = component if kind in ("explainer", "simulator") else ""
    return " ".join(filter(None, (named, *(f"{key}={mine[key]}" for key in differing))))
