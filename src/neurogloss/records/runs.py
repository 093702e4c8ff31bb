"""Runs and what they leave behind in the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from neurogloss.records.explanations import Explanation
from neurogloss.records.failures import Failure
from neurogloss.records.requests import Reply, Usage
from neurogloss.records.scores import Score
from neurogloss.records.simulations import Simulation
from neurogloss.records.units import UnitId


@dataclass(frozen=True)
class RunManifest:
    """What determines a run's result, and what was used to get it."""

    run_id: str
    """Hash of `config`'s determining part and of the identities of subject, corpus and models."""
    created: str
    """ISO 8601, UTC."""
    config: Mapping[str, Any]
    """The composed configuration: names of secrets' variables, never secrets."""
    units: tuple[str, ...]
    """The chosen units, in order."""
    identities: Mapping[str, Mapping[str, str]]
    """What each of subject, corpus and language models says it is."""
    versions: Mapping[str, str]
    """Distributions that provided components, Python, and the platform."""
    collection: str = ""
    """Key of the collection the unit records are read from."""


@dataclass(frozen=True)
class Cell:
    """One explanation of one unit: the address under which results are stored."""

    unit: UnitId
    arm: str
    """The explainer's name in the run: `main`, or a floor's name."""
    sample: int = 0

    def __str__(self) -> str:
        return f"{self.unit} {self.arm} {self.sample}"


@dataclass(frozen=True)
class ExplanationRow:
    """A stored explanation, or why there is none."""

    cell: Cell
    outcome: Explanation | Failure


@dataclass(frozen=True)
class ScoreRow:
    """A stored score, or why there is none, with the simulations it rests on."""

    cell: Cell
    scorer: str
    outcome: Score | Failure
    simulations: tuple[Simulation, ...] = ()


@dataclass(frozen=True)
class LedgerEntry:
    """One call to a language model."""

    key: str
    """SHA-256 of the model's identity and the whole request."""
    role: str
    """Who asked: `explainer`, `simulator`, `scorer`."""
    model: str
    verb: str
    """`generate` or `choice_logprobs`."""
    request: str
    """The encoded request."""
    reply: Reply | None
    """`None` where the call failed."""
    usage: Usage = field(default_factory=Usage)
    error: str = ""
    seconds: float = 0.0
    """Wall time of the call."""
    run_id: str = ""
    """The run that made the call; the store fills it in."""
    usd: float | None = None
    """What the call cost in US dollars; `None` where the price is not known."""
    attempts: int = 1
    """Calls that were made for the request: several where it takes several, and all that were repeated."""
    charged_tokens: int = 0
    """What a budget counts: the tokens used, or, where the backend does not tell, their bound."""
    charged_usd: float = 0.0
    """What a budget counts; 0 where the price is not known, and for a call that failed."""


@dataclass(frozen=True)
class LedgerTotals:
    """What a run asked of language models, in sums."""

    calls: int = 0
    """Calls made by this run, failed ones included."""
    failed: int = 0
    reused: int = 0
    """Replies that were already committed, by this run's earlier starts or by other runs."""
    usage: Usage = field(default_factory=Usage)
    """Tokens of this run's calls; `None` where no call told."""
    seconds: float = 0.0
    """Wall time of the calls, added up; concurrent calls overlap."""
    usd: float | None = 0.0
    """What this run's answered calls cost in US dollars; `None` where the price of one is not known."""
    attempts: int = 0
    """Calls made for this run's requests: several where one takes several, and all that were repeated."""
    charged_tokens: int = 0
    charged_usd: float = 0.0


@dataclass(frozen=True)
class BatchedCall:
    """One request of a batch."""

    key: str
    """As in `LedgerEntry`, like `role` and `request`."""
    role: str
    request: str


@dataclass(frozen=True)
class OpenBatch:
    """A batch of requests that was handed in, or was about to be, and whose replies are not committed."""

    name: str
    """Chosen by the ledger."""
    run_id: str
    """The run that pays for it."""
    model: str
    """As in `LedgerEntry`."""
    calls: tuple[BatchedCall, ...]
    id: str = ""
    """The provider's; empty until it is known."""
    most_tokens: int = 0
    """What a budget reserves."""
    most_usd: float = 0.0
    """What a budget reserves."""


@dataclass(frozen=True)
class RecordedCall:
    """One line of a ledger file, from which a run can be replayed."""

    key: str
    """As in `LedgerEntry`."""
    verb: str
    """`generate`, `choice_logprobs` or `usable_choices`."""
    model: str
    request: str
    """The encoded request."""
    reply: Reply | tuple[str, ...] | None
    """`None` where the call failed."""
    error: str = ""
