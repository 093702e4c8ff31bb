"""The root of the configuration; groups fill what is `Any`."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from neurogloss.errors import ConfigError
from neurogloss.pipeline.budget import BudgetLimits
from neurogloss.pipeline.limits import Limits
from neurogloss.pipeline.replay import LedgerConfig

MISSING: Any = "???"
"""`omegaconf.MISSING`, spelled out so that this module does without it."""

GROUPS = (
    "corpus",
    "subject",
    "llm",
    "explainer",
    "simulator",
    "scorer",
    "floor",
    "store",
    "executor",
    "budget",
    "experiment",
)
"""The groups of options of a run: the kinds of component, and those that combine components."""

BENCHMARK = "benchmark"
"""The group of `neurogloss benchmark`."""

_LONGEST = 2**20
"""Tokens that a sequence may have."""

ROLES = ("explainer", "simulator", "scorer")
"""Who uses a language model; each may be given its own."""


class ScoredSplit(Enum):
    """The split that scores are computed on."""

    VALID = "valid"
    TEST = "test"


@dataclass
class SplitShares:
    """Shares of the documents; together 1."""

    explain: float = 0.4
    calibration: float = 0.1
    valid: float = 0.2
    test: float = 0.3


@dataclass
class CollectionConfig:
    """What one pass over the corpus keeps of each unit."""

    sequence_length: int = 64
    """Tokens in a sequence, BOS included."""
    top_k: int = 20
    """Top sequences per unit and split."""
    n_random: int = 20
    """Random sequences per split, the same for every unit."""
    quantile_bins: list[Any] = field(default_factory=lambda: [[0, 0.5], [0.5, 0.9], [0.9, 0.99], [0.99, 0.999]])
    """Bins of the quantiles of the sequences' maxima, each `[low, high]`. (OmegaConf refuses whole
    numbers in a `list[list[float]]`.)"""
    per_bin: int = 5
    """Sequences per unit, split and bin."""
    n_importance: int = 10
    """Sequences per unit and split, drawn with probability proportional to their maximum."""
    splits: SplitShares = field(default_factory=SplitShares)
    """Share of the documents in each split."""
    ignore_first_tokens: int = 0
    """Positions at the start of each sequence that never count (attention sinks)."""
    max_documents: int | None = None
    """Read no more than this many documents; null reads all."""
    pool: list[str] = field(default_factory=list)
    """Selectors of units that are collected besides the chosen ones, to be their neighbours."""
    batch_size: int = 32
    """Sequences that go through the subject together; changes no result."""
    max_table_bytes: int = 2**30
    """Token tables larger than this are refused; changes no result."""

    def check(self) -> None:
        """Raises `ConfigError` for a value out of range."""
        lowest = {"sequence_length": 2, "top_k": 1, "batch_size": 1, "max_table_bytes": 1}
        for name in ("n_random", "per_bin", "n_importance", "ignore_first_tokens"):
            lowest[name] = 0
        for name, low in lowest.items():
            if getattr(self, name) < low:
                raise ConfigError(f"{name} is {getattr(self, name)}.", known=f"{name} is at least {low}.")
        if self.sequence_length > _LONGEST:
            raise ConfigError(
                f"sequence_length is {self.sequence_length}.", known=f"It is at most {_LONGEST:,} tokens."
            )
        if self.max_documents is not None and self.max_documents < 1:
            raise ConfigError(f"max_documents is {self.max_documents}.", known="It is null or at least 1.")
        if self.ignore_first_tokens >= self.sequence_length:
            raise ConfigError(
                f"ignore_first_tokens is {self.ignore_first_tokens}.",
                known=f"Sequences have {self.sequence_length} tokens, so none would count.",
            )
        for pair in self.quantile_bins:
            if not _is_bin(pair):
                raise ConfigError(
                    f"quantile_bins holds {pair}.", known="A bin is [low, high] with 0 <= low < high <= 1."
                )
        shares = vars(self.splits)
        if min(shares.values()) < 0 or abs(sum(shares.values()) - 1) > 1e-6:
            total = sum(shares.values())
            raise ConfigError(f"splits are {shares}.", known=f"Shares are at least 0 and together 1, not {total:g}.")
        if self.splits.explain == 0:
            raise ConfigError("splits.explain is 0.", known="Explanations need documents to be made from.")


def _is_bin(pair: Any) -> bool:
    numbers = isinstance(pair, list) and len(pair) == 2 and all(isinstance(end, int | float) for end in pair)
    return numbers and 0 <= pair[0] < pair[1] <= 1


@dataclass
class RolesConfig:
    """The language model of each role; empty where it is the run's `llm`."""

    explainer: Any = MISSING
    simulator: Any = MISSING
    scorer: Any = MISSING


@dataclass
class FloorConfig:
    """An arm that is scored beside the main one, for comparison."""

    explainer: Any = MISSING
    simulator: Any = None
    """Null is the run's own simulator."""


@dataclass
class ResultsConfig:
    """What is needed to read results."""

    store: Any = MISSING


@dataclass
class ModelConfig:
    """What is needed to ask a language model."""

    llm: Any = MISSING


@dataclass
class BenchmarkConfig:
    """Axes of a benchmark. Each has entries by name, an entry being overrides of a run; all combinations are run.

    The overrides are applied in the order of the fields, the later ones winning, and those of the
    command line last.
    """

    run: list[str] = field(default_factory=list)
    """Overrides of every run: `scorer=[...]`, `units=[...]`, `collection...`."""
    subjects: dict[str, list[str]] = field(default_factory=dict)
    simulators: dict[str, list[str]] = field(default_factory=dict)
    judges: dict[str, list[str]] = field(default_factory=dict)
    """The language model of the scorers: `scorer/llm=...`."""
    explainers: dict[str, list[str]] = field(default_factory=dict)
    """An entry that names a simulator of its own is not combined with the axis of simulators."""
    floors: dict[str, list[str]] = field(default_factory=dict)
    """Like `explainers`; rows to be beaten, and marked as such."""
    seeds: list[int] = field(default_factory=lambda: [0])
    """Each run is done with each seed: of the splits, the random sequences and `random:N`."""

    def check(self) -> None:
        """Raises `ConfigError` for axes that give no run, or a name that two entries have."""
        both = set(self.explainers) & set(self.floors)
        if both:
            raise ConfigError(f"floors holds {', '.join(sorted(both))}, which explainers holds too.")
        if not self.explainers and not self.floors:
            raise ConfigError("explainers is empty.", remedy="Name some, such as {mine: [explainer=token_activation]}.")
        if not self.seeds:
            raise ConfigError("seeds is empty.", remedy="Give one: benchmark.seeds=[0]")


@dataclass
class BenchmarkRoot:
    """What `neurogloss benchmark` composes; each of its runs is composed like any other."""

    benchmark: Any = MISSING


@dataclass
class RunConfig:
    """One run."""

    corpus: Any = MISSING
    subject: Any = MISSING
    llm: Any = MISSING
    """The language model of every role that names none of its own."""
    roles: RolesConfig = field(default_factory=RolesConfig)
    explainer: Any = MISSING
    simulator: Any = MISSING
    scorer: dict[str, Any] = field(default_factory=dict)
    """Each scorer under its name."""
    floor: dict[str, FloorConfig] = field(default_factory=dict)
    """Each floor under its name."""
    store: Any = MISSING
    executor: Any = MISSING
    budget: BudgetLimits = field(default_factory=BudgetLimits)
    """What the run may spend on language models."""
    limits: Limits = field(default_factory=Limits)
    """How fast language models are asked."""
    prices: list[str] = field(default_factory=list)
    """Files with price tables of your own, which go before those of the program."""
    ledger: LedgerConfig = field(default_factory=LedgerConfig)
    """Whether replies are recorded to a file, or replayed from one."""
    units: list[str] = field(default_factory=lambda: ["random:8"])
    """Selectors of units."""
    collection: CollectionConfig = field(default_factory=CollectionConfig)
    seed: int = 0
    """Of the splits, the random sequences and the random choice of units."""
    score_on: ScoredSplit = ScoredSplit.TEST
    """The split to score on: `valid` while trying things out, `test` for results."""
    retry_failed: bool = False
    """Ask again for what failed when the run was last started."""
    report: str | None = None
    """Where the report goes; null puts it into the store."""
