"""What calls cost: price tables, and the price of one model's tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from neurogloss.records.requests import Usage

_IN_PROCESS = frozenset({"local", "vllm", "scripted", "oracle"})

_MILLION = 1_000_000


def in_process(identity: Mapping[str, str]) -> bool:
    """Whether a model runs in this process, where it costs nothing and queues calls by itself."""
    return identity.get("provider") in _IN_PROCESS and not identity.get("server")


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens."""

    input: float
    output: float
    cached_input: float | None = None
    """Of prompt tokens read from a cache; `None` is the price of any other."""
    cache_write: float | None = None
    """Of prompt tokens written to a cache; `None` is the price of any other."""
    batch: float = 1.0
    """What of the price is charged through the provider's batch interface."""

    def usd(self, usage: Usage, *, batched: bool = False) -> float | None:
        """What a call cost; `None` where the backend does not tell its tokens."""
        if self.input == self.output == 0:
            return 0.0
        if usage.prompt_tokens is None or usage.completion_tokens is None:
            return None
        read, written = usage.cached_prompt_tokens or 0, usage.cache_write_prompt_tokens or 0
        dollars = (
            (usage.prompt_tokens - read - written) * self.input
            + read * (self.input if self.cached_input is None else self.cached_input)
            + written * (self.input if self.cache_write is None else self.cache_write)
            + usage.completion_tokens * self.output
        )
        return dollars * (self.batch if batched else 1.0) / _MILLION

    def most(self, bound: Usage, *, batched: bool = False) -> float:
        """What a call can cost at most, whatever is read from a cache or written to it."""
        dearest = max(self.input, self.cached_input or 0.0, self.cache_write or 0.0)
        dollars = (bound.prompt_tokens or 0) * dearest + (bound.completion_tokens or 0) * self.output
        return dollars * (self.batch if batched else 1.0) / _MILLION


FREE = Price(0.0, 0.0)


@dataclass(frozen=True)
class PriceRow:
    """A price, and what it is the price of; in names and servers `*`, `?` and `[...]` match as in file names."""

    providers: tuple[str, ...]
    servers: tuple[str, ...]
    """Hosts; none is the provider's own, as others sell models of the same name at prices of their own."""
    names: tuple[str, ...]
    """Of models."""
    price: Price

    def fits(self, identity: Mapping[str, str]) -> bool:
        """Whether it is the price of a model."""
        server = identity.get("server", "")
        return (
            identity.get("provider") in self.providers
            and (any(fnmatchcase(server, each) for each in self.servers) if self.servers else not server)
            and any(fnmatchcase(identity.get("model", ""), name) for name in self.names)
        )


@dataclass(frozen=True)
class Prices:
    """All known prices; the first row that fits counts."""

    rows: tuple[PriceRow, ...] = ()

    def of(self, identity: Mapping[str, str]) -> Price | None:
        """The price of a model; `None` where it is not known, which is never 0."""
        if in_process(identity):
            return FREE
        return next((row.price for row in self.rows if row.fits(identity)), None)
