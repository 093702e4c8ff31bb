"""What a run will ask of language models, in sums."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.pipeline.estimating.amounts import Amounts, Interval, Rates, amounts_of, total
from neurogloss.pipeline.estimating.counting import Counter
from neurogloss.pipeline.estimating.duration import Duration, duration
from neurogloss.pipeline.estimating.pilot import Pilot, measured
from neurogloss.pipeline.estimating.sampling import Sampled
from neurogloss.pipeline.limits import Limits
from neurogloss.pipeline.prices import Prices


@dataclass(frozen=True)
class RoleEstimate:
    """What one role asks of its language model."""

    role: str
    identity: Mapping[str, str]
    """What the model says it is."""
    counted_by: str
    """How its prompt tokens were counted."""
    one_unit: Amounts
    """The mean over all units."""
    all_units: Amounts


@dataclass(frozen=True)
class Estimate:
    """What a run will ask of language models, for one unit and in all."""

    n_units: int
    n_looked_at: int
    """Of how many the calls were counted."""
    n_sampled: int
    """Of how many the tokens were counted."""
    roles: tuple[RoleEstimate, ...]
    one_unit: Amounts
    all_units: Amounts
    sampled_prompt_tokens: Interval
    """From the sampled unit with the fewest prompt tokens to that with the most, as they were counted."""
    duration: Duration
    pilot: Pilot | None = None


async def estimate_of(
    sampled: Sampled,
    models: Mapping[str, LanguageModel],
    counter: Counter,
    *,
    prices: Prices,
    limits: Limits,
    n_units: int,
    pilot: Pilot | None = None,
) -> Estimate:
    """Scales what some units would ask up to all.

    Args:
        sampled: Those units.
        models: Of each role.
        counter: What has counted their tokens.
        prices: What calls cost.
        limits: How fast servers are asked.
        n_units: How many units the run has.
        pilot: Units that were really run.
    """
    seen = await measured(pilot, models, counter) if pilot else {}
    amounts, calls_each = {}, {}
    for group, count in sampled.calls.items():
        model = models[group[0]]
        rates = Rates(prices.of(model.identity()), model.batched, seen.get(group))
        units = [[cost for cost in unit if cost.group == group] for unit in sampled.costs]
        amounts[group] = amounts_of(units, count, n_units, rates)
        calls_each[group] = fmean(cost.n_calls for unit in units for cost in unit)
    roles = []
    for role in dict.fromkeys(role for role, _ in amounts):
        whole = total(each for (asker, _), each in amounts.items() if asker == role)
        by = counter.counted_by[role]
        roles.append(RoleEstimate(role, dict(models[role].identity()), by, whole.per(n_units), whole))
    whole = total(amounts.values())
    prompts = [sum(cost.prompt_tokens for cost in unit) for unit in sampled.costs] or [0]
    return Estimate(
        n_units,
        sampled.n_looked_at,
        len(sampled.costs),
        tuple(roles),
        whole.per(n_units),
        whole,
        Interval(min(prompts), max(prompts), sum(prompts) / len(prompts)),
        duration(amounts, models, limits, seen, pilot, n_units, calls_each),
        pilot,
    )
