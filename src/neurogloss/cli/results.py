"""`neurogloss runs` and `neurogloss report`: commands that know the store alone."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from neurogloss.cli.tables import console, plain_table
from neurogloss.config.choices import Choice
from neurogloss.config.composing import compose
from neurogloss.config.settings import has_server, store_of
from neurogloss.errors import StoreError, UsageError
from neurogloss.interfaces.result_store import ResultStore
from neurogloss.plugin.registry import Registry, load_registry
from neurogloss.records.runs import RunManifest
from neurogloss.store.locks import LOCKS


def report_command(options: argparse.Namespace) -> int:
    """Writes a run's report and prints where it is.

    Raises:
        UsageError: No run was named.
    """
    from neurogloss import app

    if not options.run:
        raise UsageError("No run was named.", remedy="neurogloss runs lists them; the newest is also called latest.")
    store = chosen_store(options, load_registry())
    path = app.report(store, options.run, Path(options.output) if options.output else None)
    print(json.dumps({"report": str(path)}) if options.json else path)
    return 0


def runs_command(options: argparse.Namespace) -> int:
    """Lists the runs, or deletes one."""
    registry = load_registry()
    choice = chosen_store(options, registry)
    root = Path(choice.config.root)
    if not (root.exists() or has_server(choice)):
        raise StoreError(f"There is no store {root}.", remedy="Name another with store.root=FOLDER, or run something.")
    store: ResultStore = registry.build(choice.component, choice.config)
    try:
        if options.delete:
            run_id = store.run(options.delete).run_id
            store.delete_run(run_id)
            print(json.dumps({"deleted": run_id}) if options.json else f"deleted {run_id}")
            return 0
        runs = store.runs()
    finally:
        store.close()
    sizes = _sizes(root)
    if options.json:
        print(json.dumps({"store": str(root), "bytes": sizes, "runs": [_data(run) for run in runs]}, indent=2))
        return 0
    rows = [tuple(map(str, _data(run).values())) for run in runs]
    console().print(plain_table(("run", "created", "subject", "explainer", "simulator", "units"), rows))
    print(f"{root}: " + (", ".join(f"{name} {_readable(size)}" for name, size in sizes.items()) or "empty"))
    return 0


def chosen_store(options: argparse.Namespace, registry: Registry) -> Choice:
    """The store that the overrides choose."""
    config = compose(options.overrides, registry, folders=options.config_dir, root="results")
    return store_of(config, registry)


def _data(run: RunManifest) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "created": run.created,
        "subject": str(run.config.get("subject", {}).get("model") or _component(run, "subject")),
        "explainer": _component(run, "explainer"),
        "simulator": _component(run, "simulator"),
        "n_units": len(run.units),
    }


def _component(run: RunManifest, kind: str) -> str:
    return str(run.config.get(kind, {}).get("component", ""))


def _sizes(root: Path) -> dict[str, int]:
    """Bytes below each entry of the store's folder."""
    if not root.is_dir():
        return {}
    return {
        entry.name: sum(file.stat().st_size for file in (entry, *entry.rglob("*")) if file.is_file())
        for entry in sorted(root.iterdir())
        if entry.name != LOCKS
    }


def _readable(size: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
