"""`neurogloss estimate`: what a run will ask of language models, before it asks."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from typing import Any

from rich.table import Table
from rich.text import Text

from neurogloss.cli.progress import shown_progress
from neurogloss.cli.tables import console, print_fields
from neurogloss.config.composing import compose
from neurogloss.config.scaling import load_scale
from neurogloss.config.settings import settings_of
from neurogloss.errors import UsageError
from neurogloss.estimating import estimate
from neurogloss.pipeline.estimating.amounts import Amounts, Interval
from neurogloss.pipeline.estimating.estimate import Estimate, RoleEstimate
from neurogloss.pipeline.estimating.scaling import ScaleConfig, ScaleRow, scaled
from neurogloss.plugin.registry import load_registry

_HEADER = ("calls", "prompt tokens", "cacheable", "completion tokens", "dollars")
_SCALED = (
    *("model", "units", "GPUs", "collect, h", "GB", "prompt tokens", "completion tokens", "tokens, $"),
    *("own models, h", "GPUs, $"),
)
_TIMES = ((1, "hours"), (60, "minutes"), (3600, "seconds"))
"""How many are in an hour."""
_SCALES = ((1e9, "billion"), (1e6, "million"))


def estimate_command(options: argparse.Namespace) -> int:
    """Prints the estimate.

    Raises:
        UsageError: A number of units is none.
    """
    for name, least in (("sample", 1), ("pilot", 0), ("units_total", 1)):
        value = getattr(options, name)
        if value is not None and value < least:
            raise UsageError(f"--{name.replace('_', '-')} is {value}.", known=f"It is at least {least}.")
    scale = load_scale(options.scale) if options.scale else None
    registry = load_registry()
    settings = settings_of(compose(options.overrides, registry, folders=options.config_dir), registry)
    with shown_progress(quiet=options.quiet) as progress:
        found = estimate(
            settings, progress, sample=options.sample, pilot=options.pilot, units_total=options.units_total
        )
    rows = list(scaled(found, settings.plan, scale)) if scale else []
    if options.json:
        data = {**as_data(found), **({"scaled": [asdict(row) for row in rows]} if scale else {})}
        print(json.dumps(data, ensure_ascii=False, allow_nan=False, indent=2))
        return 0
    print_estimate(found, settings.notes)
    if scale:
        print_scaled(rows, scale)
    return 0


def print_scaled(rows: Iterable[ScaleRow], scale: ScaleConfig) -> None:
    """Prints a table with a row for each model and number of GPUs."""
    table = Table(title=f"all units, on {scale.gpu}", title_justify="left")
    for name in _SCALED:
        table.add_column(name, justify="left" if name == "model" else "right")
    for row in rows:
        hours = f"needs {row.needed_gpus}" if row.collect_hours is None else _hours(row.collect_hours)
        cells = (row.model, f"{row.n_units:,}", f"{row.n_gpus}", hours, _count(row.gigabytes))
        tokens = (_count(row.prompt_tokens), _between(row.completion_tokens, _count))
        own = (_between(row.own_hours, _hours), "" if row.gpu_usd is None else _between(row.gpu_usd, _dollars))
        table.add_row(*cells, *tokens, "unknown" if row.usd is None else _between(row.usd, _dollars), *own)
    console().print(table)


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:.2g}"


def as_data(estimate: Estimate) -> dict[str, Any]:
    """An estimate as what `--json` prints."""
    pilot = estimate.pilot
    if pilot is None:
        return asdict(estimate)
    data = asdict(replace(estimate, pilot=replace(pilot, entries=())))
    del data["pilot"]["entries"]
    return data


def print_estimate(estimate: Estimate, notes: Iterable[str] = ()) -> None:
    """Prints a table with a row for each role, for one unit and for all, and what it rests on."""
    console().print(_table(estimate))
    pilot, hours, prompts = estimate.pilot, estimate.duration.hours, estimate.sampled_prompt_tokens
    each = f"{_between(prompts, _count)} prompt tokens each"
    seen = f"calls of {estimate.n_looked_at:,} of {estimate.n_units:,} units; tokens of {estimate.n_sampled:,}, {each}"
    fields = [
        ("time", f"{'unknown' if hours is None else _time(hours)}: {estimate.duration.basis}"),
        ("counted", seen),
        *((role.role, _model(role)) for role in estimate.roles),
    ]
    if pilot is not None:
        cost = "an unknown amount" if pilot.usd is None else _dollars(pilot.usd)
        made = f"{pilot.calls:,} calls for {cost}" if pilot.calls else "all committed already"
        fields.append(("pilot", f"{pilot.n_units} units, {made}; the beginning of run {pilot.run_id}"))
    print_fields([*fields, *(("note", note) for note in notes)])


def _model(role: RoleEstimate) -> str:
    named = " ".join(filter(None, (role.identity.get(key, "") for key in ("provider", "model", "server"))))
    return f"{named}; prompt tokens by {role.counted_by}"


def _table(estimate: Estimate) -> Table:
    table = Table(title="estimate", title_justify="left")
    table.add_column("units", justify="right")
    table.add_column("role")
    for header in _HEADER:
        table.add_column(header, justify="right")
    blocks = [(1, "one_unit"), (estimate.n_units, "all_units")]
    for n_units, name in blocks if estimate.n_units > 1 else blocks[1:]:
        rows = [(role.role, getattr(role, name)) for role in estimate.roles]
        if len(rows) != 1:
            rows.append(("together", getattr(estimate, name)))
        for place, (role, amounts) in enumerate(rows):
            cells = (f"{n_units:,}" if place == 0 else "", role, *_cells(amounts))
            table.add_row(*map(Text, cells), end_section=place == len(rows) - 1)
    return table


def _cells(amounts: Amounts) -> tuple[str, ...]:
    prompts = amounts.prompt_tokens.expected or 0.0
    share = (amounts.cacheable_tokens.expected or 0.0) / prompts if prompts else 0.0
    return (
        _count(amounts.calls.expected or 0.0),
        _count(prompts),
        f"{share:.0%}",
        _between(amounts.completion_tokens, _count),
        "unknown" if amounts.usd is None else _between(amounts.usd, _dollars),
    )


def _between(interval: Interval, shown: Callable[[float], str]) -> str:
    low, high = shown(interval.low), shown(interval.high)
    return low if low == high else f"{low} to {high}"


def _count(number: float) -> str:
    for scale, name in _SCALES:
        if number >= 10 * scale:
            return f"{number / scale:,.1f} {name}"
    return f"{number:.1f}" if number < 10 and number != round(number) else f"{number:,.0f}"


def _dollars(usd: float) -> str:
    return "$0" if usd == 0 else f"${usd:,.2f}" if usd >= 1 else f"${usd:.4f}"


def _time(hours: Interval) -> str:
    per_hour, unit = next((each for each in _TIMES if hours.high * each[0] >= 2), _TIMES[-1])
    return f"{_between(Interval(hours.low * per_hour, hours.high * per_hour), _count)} {unit}"
