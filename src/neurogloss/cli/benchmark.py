"""`neurogloss benchmark` and `neurogloss leaderboard`."""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from neurogloss.cli.progress import shown_progress
from neurogloss.cli.results import chosen_store
from neurogloss.cli.running import FAILED_UNITS
from neurogloss.cli.tables import console, failed_units, print_fields, printable
from neurogloss.config.benchmark import Grid, axes_of, grid_of
from neurogloss.config.choices import Choice
from neurogloss.errors import UsageError
from neurogloss.leaderboard.data import as_data
from neurogloss.leaderboard.files import folder_name, write_files
from neurogloss.leaderboard.leaderboard import Leaderboard
from neurogloss.leaderboard.tables import TextTable, tables_of
from neurogloss.plugin.registry import load_registry


def benchmark_command(options: argparse.Namespace) -> int:
    """Composes every run before the first one starts, does them, prints the leaderboard, returns the exit code."""
    from neurogloss import benchmarking

    registry = load_registry()
    axes, overrides = axes_of(options.overrides, registry, options.config_dir)
    grid = grid_of(axes, overrides, registry, options.config_dir)
    if options.plan:
        return _print_plan(grid, as_json=options.json)
    with shown_progress(quiet=options.quiet) as progress:
        outcome = benchmarking.benchmark(grid, progress, against=options.against)
    store = grid.runs[0].settings.store
    runs = [
        {
            "run_id": run.run_id,
            "name": str(run.planned),
            "overrides": list(run.planned.overrides),
            "n_failed_units": run.n_failed_units,
            **({"error": str(run.error)} if run.error else {}),
        }
        for run in outcome.runs
    ]
    failed = [run for run in outcome.runs if run.error]
    units = sum(run.n_failed_units for run in outcome.runs)
    fields = [("runs", f"{len(runs) - len(failed)} of {len(runs)}")]
    if units:
        fields.append(("failed", failed_units(units)))
    _print(options, outcome.leaderboard, store, fields, {"runs": runs})
    return FAILED_UNITS if failed or units else 0


def leaderboard_command(options: argparse.Namespace) -> int:
    """Prints the leaderboard of runs that are in the store.

    Raises:
        UsageError: No run was named.
    """
    from neurogloss import benchmarking

    runs = [given for given in options.overrides if "=" not in given]
    if not runs:
        raise UsageError("No run was named.", remedy="neurogloss runs lists them: neurogloss leaderboard RUN RUN ...")
    options.overrides = [given for given in options.overrides if "=" in given]
    store = chosen_store(options, load_registry())
    board = benchmarking.leaderboard(store, runs, against=options.against)
    _print(options, board, store, [], {})
    return 0


def _print_plan(grid: Grid, *, as_json: bool) -> int:
    if as_json:
        runs = [{"name": str(run), "overrides": list(run.overrides)} for run in grid.runs]
        print(json.dumps({"runs": runs, "notes": list(grid.notes)}, ensure_ascii=False, indent=2))
        return 0
    for run in grid.runs:
        print(f"# {printable(str(run))}\nneurogloss run {shlex.join(run.overrides)}")
    print_fields([("runs", str(len(grid.runs))), *(("note", note) for note in grid.notes)])
    return 0


def _print(
    options: argparse.Namespace, board: Leaderboard, store: Choice, fields: list[tuple[str, str]], more: dict[str, Any]
) -> None:
    folder = Path(options.output or Path(store.config.root) / "leaderboards" / folder_name(board, options.against))
    files = write_files(board, folder)
    if options.json:
        data = {**as_data(board), **more, "files": [str(file) for file in files]}
        print(json.dumps(data, ensure_ascii=False, allow_nan=False, indent=2))
        return
    out = console()
    for subject in board.subjects:
        for table in tables_of(subject, strata=False):
            out.print(_shown(table))
            for sentence in table.below:
                out.print(Text(printable(sentence), style="dim"))
            out.print()
    print_fields([*fields, *(("note", note) for note in board.notes), ("files", f"{folder}/leaderboard.*")])


def _shown(table: TextTable) -> Table:
    shown = Table(title=printable(table.title), title_justify="left")
    for name, right in zip(table.columns, table.numeric, strict=True):
        shown.add_column(Text(printable(name)), justify="right" if right else "left", no_wrap=right or name == "95 %")
    for row in table.rows:
        shown.add_row(*(Text(printable(cell)) for cell in row))
    return shown
