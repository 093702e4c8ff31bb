"""Configurations of the built-in language models."""

from __future__ import annotations

from dataclasses import dataclass

from neurogloss.errors import ConfigError


@dataclass
class ScriptedConfig:
    """Replies that depend on the request alone; no model."""

    replies: str | None = None
    """A JSON or JSON Lines file of `{"pattern": REGEX, "reply": TEXT}`; the first pattern found in the
    last message answers. What matches none is answered from a hash of the request."""
    ten_is_a_token: bool = True
    """Whether "10" is a usable choice; if not, simulators answer on 0-9."""
    provides: list[str] | None = None
    """Some of `generate`, `choice_logprobs`, `json_schema`, `text_logprobs`; all if null."""
    fail_share: float = 0.0
    """Share of requests that fail, every time they are made."""
    transient_share: float = 0.0
    """Share of requests that fail when this process makes them first, and are answered after that."""
    refuse_share: float = 0.0
    """Share of requests for text that are refused."""
    unparsable_share: float = 0.0
    """Share of requests answered with garbage, or without listing any choice."""
    log: str | None = None
    """A file that gets the hash of each request, a line per call."""

    def check(self) -> None:
        """Refuses shares that are none, and unknown capabilities.

        Raises:
            ConfigError: Names the field.
        """
        shares = {name: value for name, value in vars(self).items() if name.endswith("_share")}
        for name, value in shares.items():
            if not 0 <= value <= 1:
                raise ConfigError(f"{name} is {value}.", remedy="A share lies between 0 and 1.")
        if sum(shares.values()) > 1:
            raise ConfigError(
                f"{', '.join(shares)} sum to {sum(shares.values()):g}.",
                remedy="A request has one fate: their sum may not exceed 1.",
            )
        known = ("generate", "choice_logprobs", "json_schema", "text_logprobs")
        unknown = sorted(set(self.provides or ()) - set(known))
        if unknown:
            raise ConfigError(f"provides holds {', '.join(unknown)}.", known=f"Capabilities are {', '.join(known)}.")


@dataclass
class OracleConfig:
    """Exact answers about the synthetic subject's units; no model."""

    units: str | None = None
    """The file of units that it knows, as in `subject.units`; the built-in units if null."""
    random: bool = False
    """Answer everything by chance: the floor."""
