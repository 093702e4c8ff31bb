"""What explaining all units of other models takes on other machines, from what one unit takes here."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from neurogloss.errors import ConfigError
from neurogloss.pipeline.estimating.amounts import Interval
from neurogloss.pipeline.estimating.estimate import Estimate
from neurogloss.records.plans import CollectionPlan
from neurogloss.records.tokens import Split
from neurogloss.reducers.draws import SequenceDraws

_HALF, _POINTER = 2, 4 + 4 + 1
"""Bytes of a value, and of a sequence's row, address and exponent."""
_STATISTICS = 160
"""Bytes of a unit's statistics."""
_MANY = 20_000
"""Sequences in each split of a corpus that fills every list."""
_FILLED = 0.9
"""The share of a device's memory that weights may take."""


@dataclass
class ModelScale:
    """A subject that is not here."""

    name: str = ""
    n_units: int = 1
    parameters: float = 0.0
    """Of the layers that are run: without embeddings."""
    tokens_per_s: float | None = None
    """Collected on one GPU, where that was measured; null computes it from `parameters`."""


@dataclass
class ScaleConfig:
    """Machines and models, for which there are two kinds of figures: those measured, and those assumed."""

    gpu: str = ""
    """Its name."""
    flops: float = 0.0
    """Floating-point operations a second, by its data sheet."""
    utilisation: float = 0.0
    """The share of them that a forward pass reaches."""
    memory_gb: float = 0.0
    usd_per_hour: float = 0.0
    counts: list[int] = field(default_factory=lambda: [1])
    """Of GPUs."""
    corpus_tokens: float = 0.0
    own: dict[str, float] = field(default_factory=dict)
    """The roles whose language model runs on the GPUs, with its parameters."""
    models: list[ModelScale] = field(default_factory=list)

    def check(self) -> None:
        """Raises `ConfigError` for a number that cannot be one."""
        positive = ("flops", "utilisation", "memory_gb", "corpus_tokens")
        wrong = [name for name in positive if not 0 < getattr(self, name) < math.inf]
        wrong += [f"models[{i}]" for i, each in enumerate(self.models) if each.n_units < 1 or each.parameters <= 0]
        wrong += ["counts"] * any(count < 1 for count in self.counts)
        if wrong:
            raise ConfigError(f"{wrong[0]} is missing or not above 0.", remedy="docs/scaling.yaml is an example.")


@dataclass(frozen=True)
class ScaleRow:
    """One model on so many GPUs."""

    model: str
    n_units: int
    n_gpus: int
    needed_gpus: int
    """So many hold the weights once."""
    collect_hours: float | None
    """`None` where the GPUs do not hold the weights."""
    gigabytes: float
    prompt_tokens: float
    completion_tokens: Interval
    usd: Interval | None
    """For language models that are paid by the token; `None` where a price is not known."""
    own_hours: Interval
    """Of the language models that run on the GPUs themselves."""
    gpu_usd: Interval | None
    """Of all hours of the GPUs."""


def bytes_per_unit(plan: CollectionPlan) -> float:
    """Bytes that a collection holds of a unit whose every list is full; lists that share sequences need fewer.

    Where it was reduced on the host there may be twice as many rows of lists: those that no list holds any longer are
    dropped when they are the majority.
    """
    splits = np.repeat(np.arange(len(Split)), _MANY)
    draws = SequenceDraws(np.arange(len(splits)), splits, plan)
    narrow = sum(subset.kept for subset in draws.subsets)
    listed = plan.top_k + plan.n_random + plan.n_importance + plan.per_bin * len(plan.quantile_bins)
    n_rows = len(draws.drawn) + len(Split) * (plan.top_k + plan.n_importance + narrow)
    return n_rows * plan.sequence_length * _HALF + len(Split) * listed * _POINTER + _STATISTICS


def scaled(estimate: Estimate, plan: CollectionPlan, scale: ScaleConfig) -> Iterator[ScaleRow]:
    """A row for each model and number of GPUs.

    A forward pass takes two operations for each parameter and token (Kaplan et al. 2020, "Scaling laws for neural
    language models"). Of a language model on the GPUs, prompt tokens that a cache may hold take none.

    Args:
        estimate: What a unit asks of language models.
        plan: What is kept of a unit.
        scale: The models and machines.
    """
    each = bytes_per_unit(plan)
    speed = scale.flops * scale.utilisation / 2
    for model in scale.models:
        needed = max(1, math.ceil(2 * model.parameters / (_FILLED * scale.memory_gb * 1e9)))
        rate = model.tokens_per_s or speed / model.parameters
        own = [0.0, 0.0]
        for role in estimate.roles:
            one, parameters = role.one_unit, scale.own.get(role.role, 0.0)
            computed = (one.prompt_tokens.expected or 0.0) - (one.cacheable_tokens.expected or 0.0)
            for i, written in enumerate((one.completion_tokens.low, one.completion_tokens.high)):
                own[i] += model.n_units * (computed + written) * parameters / speed / 3600
        one = estimate.one_unit
        for count in scale.counts:
            hours = scale.corpus_tokens / rate / 3600 / count if count >= needed else None
            on_gpus = Interval(own[0] / count, own[1] / count)
            busy = None if hours is None else [count * (hours + end) for end in (on_gpus.low, on_gpus.high)]
            yield ScaleRow(
                model.name,
                model.n_units,
                count,
                needed,
                hours,
                model.n_units * each / 1e9,
                model.n_units * (one.prompt_tokens.expected or 0.0),
                _times(one.completion_tokens, model.n_units),
                None if one.usd is None else _times(one.usd, model.n_units),
                on_gpus,
                None if busy is None else Interval(*(scale.usd_per_hour * each_end for each_end in busy)),
            )


def _times(interval: Interval, n: int) -> Interval:
    return interval / (1 / n)
