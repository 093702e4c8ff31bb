"""How long a run's calls to language models take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter

from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.pipeline.estimating.amounts import Amounts, Interval
from neurogloss.pipeline.estimating.pilot import Measured, Pilot
from neurogloss.pipeline.estimating.standing_in import Group
from neurogloss.pipeline.limits import Limits
from neurogloss.pipeline.prices import in_process

CALL_S = 1.0
TOKENS_PER_S = 50.0
ASSUMPTION = f"a call takes {CALL_S:g} s and a second for each {TOKENS_PER_S:g} tokens of the reply"
"""Of servers, where no pilot has measured it."""

_HOUR = 3600.0
_MINUTE = 60.0


@dataclass(frozen=True)
class Duration:
    """How long it takes, and what that rests on."""

    hours: Interval | None
    basis: str
    """What it rests on, or why it is not known."""


def duration(
    amounts: Mapping[Group, Amounts],
    models: Mapping[str, LanguageModel],
    limits: Limits,
    measured: Mapping[Group, Measured],
    pilot: Pilot | None,
    n_units: int,
    calls_each: Mapping[Group, float],
) -> Duration:
    """How long the requests take: without collecting, and without failures.

    Calls to one server keep its limits; to several servers they are made at the same time, at best. How
    long a model in this process computes only a pilot tells.

    Args:
        amounts: Of the whole run, for each role and verb.
        models: Of each role.
        limits: Of each server.
        measured: By the pilot.
        pilot: Units that were really run, if there were any.
        n_units: How many units the run has.
        calls_each: How many calls to the server one request takes, on average.
    """
    if any(models[role].batched for role, _ in amounts):
        return Duration(None, "batches are answered when their provider likes, mostly within a day")
    servers: dict[tuple[str, str], list[Group]] = {}
    for group in amounts:
        identity = models[group[0]].identity()
        servers.setdefault((identity.get("provider", ""), identity.get("server", "")), []).append(group)
    times, bases = [], []
    for groups in servers.values():
        if in_process(models[groups[0][0]].identity()):
            if pilot is None or not pilot.calls:
                return Duration(None, "how fast a model in this process is, a pilot tells")
            times.append((pilot.seconds / pilot.n_units * n_units,) * 2)
            bases.append("the pilot's units per second")
        else:
            times.append(_of_server({group: amounts[group] for group in groups}, limits, measured, calls_each))
            known = all(group in measured for group in groups)
            bases.append("the pilot's seconds per call" if known else ASSUMPTION)
    lows, highs = [low for low, _ in times], [high for _, high in times]
    hours = Interval(max(lows, default=0.0) / _HOUR, sum(highs) / _HOUR)
    return Duration(hours, "; ".join(dict.fromkeys(bases)) or "nothing is asked")


def _of_server(
    amounts: Mapping[Group, Amounts],
    limits: Limits,
    measured: Mapping[Group, Measured],
    calls_each: Mapping[Group, float],
) -> tuple[float, float]:
    """Seconds at least and at most: those of whatever limits it most."""

    def seconds(end: Callable[[Interval], float]) -> float:
        calls = sum(end(each.calls) * calls_each[group] for group, each in amounts.items())
        tokens = sum(end(each.prompt_tokens) + end(each.completion_tokens) for each in amounts.values())
        one_by_one = sum(
            end(each.calls) * measured[group].seconds
            if group in measured
            else end(each.calls) * calls_each[group] * CALL_S + end(each.completion_tokens) / TOKENS_PER_S
            for group, each in amounts.items()
        )
        return max(
            one_by_one / limits.concurrency,
            calls * _MINUTE / (limits.requests_per_minute or float("inf")),
            tokens * _MINUTE / (limits.tokens_per_minute or float("inf")),
        )

    return seconds(attrgetter("low")), seconds(attrgetter("high"))
