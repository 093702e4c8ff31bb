"""What can be configured; light, so that options are listed and checked without the client."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

from neurogloss.errors import ConfigError
from neurogloss.interfaces.language_model import CHOICE_LOGPROBS, GENERATE, JSON_SCHEMA
from neurogloss.interfaces.text_logprobs import TEXT_LOGPROBS

SEED = "seed"
"""Equal requests with equal seeds get equal texts."""
SAMPLES = "n"
"""Several texts come from one call."""
USUAL = (GENERATE, CHOICE_LOGPROBS, JSON_SCHEMA, SEED, SAMPLES)
"""What a server is taken to do when nothing is declared."""
ABILITIES = (*USUAL, TEXT_LOGPROBS)
"""What a server can be declared to do."""
OMITTABLE = ("temperature", "stop")
"""What a request can do without."""


class Endpoint(Enum):
    """Where texts are generated."""

    CHAT = "chat"
    RESPONSES = "responses"
    COMPLETIONS = "completions"


class ChoiceMethod(Enum):
    """How the log-probabilities of choices are asked for."""

    AUTO = "auto"
    """The first of the others that the server is seen to do."""
    ECHO = "echo"
    """The whole text in one call to `completions`, which tells the log-probabilities of the prompt's tokens."""
    SLOTS = "slots"
    """The text before each slot, in one-token calls to `completions`."""
    TOP_LOGPROBS = "top_logprobs"
    """The text before each slot in a user's message, in one-token calls to `chat`: another prompt, so other numbers."""


class SystemRole(Enum):
    """The role under which a system message is sent."""

    SYSTEM = "system"
    DEVELOPER = "developer"


class TokenLimitField(Enum):
    """The field of a chat request that limits the reply."""

    MAX_COMPLETION_TOKENS = "max_completion_tokens"
    MAX_TOKENS = "max_tokens"


@dataclass
class OpenAIConfig:
    """A language model behind OpenAI's API."""

    model: str = "???"
    """The model's name, as the server knows it; for Azure, the deployment's."""
    provider: str = "openai"
    """Whose prices apply."""
    endpoint: Endpoint = Endpoint.CHAT
    """Where texts are generated: `chat`, `responses` or `completions`."""
    base_url: str | None = None
    """The server's address, with /v1 where it has that; null is OpenAI itself."""
    azure_endpoint: str | None = None
    """The resource's address on Azure, in place of `base_url`."""
    api_version: str | None = None
    """The version of Azure's API."""
    api_key_env: str | None = "OPENAI_API_KEY"
    """The environment variable that holds the key; null for servers without keys."""
    organization_env: str | None = None
    """The environment variable that holds the organization's id."""
    timeout_s: float = 300.0
    """How long one call may take, in seconds."""
    provides: list[str] | None = None
    """What the server can do, some of `generate`, `choice_logprobs`, `json_schema`, `seed` (equal seeds give
    equal texts), `n` (several texts in one call) and `text_logprobs` (it echoes a prompt with its
    log-probabilities); all but the last if null. `neurogloss doctor` finds out."""
    system_role: SystemRole = SystemRole.SYSTEM
    """The role under which a system message is sent: `system` or `developer`."""
    token_limit_field: TokenLimitField = TokenLimitField.MAX_COMPLETION_TOKENS
    """What limits a chat reply: `max_completion_tokens` or, for most other servers, `max_tokens`."""
    reasoning_effort: str | None = None
    """How much a reasoning model thinks, such as `low`; null sends nothing."""
    reasoning_tokens: int = 0
    """What a reasoning model may think, in tokens, added to the limit of each text."""
    omit: list[str] = field(default_factory=list)
    """Fields that the model refuses, so that they are never sent: `temperature`, `stop`. Texts are then cut at
    the stop strings here."""
    extra_body: dict[str, Any] = field(default_factory=dict)
    """Further fields of each request for text or choices, for what only this server knows."""
    batch: bool = False
    """Whether texts are asked for through the batch interface: for half the price, within a day. Choices are
    asked for directly all the same."""
    batch_wait: bool = True
    """Whether the run waits for its batches; otherwise it ends, and the same command collects them later."""
    choice_method: ChoiceMethod = ChoiceMethod.TOP_LOGPROBS
    """How log-probabilities of choices are asked for: `echo`, `slots`, `top_logprobs`, or `auto`, the first of
    these that the server is seen to do."""
    top_logprobs: int = 20
    """How many of the most likely tokens are listed at each slot; as many as the server allows."""
    parallel_calls: int = 8
    """How many calls of one request may be under way together, where a request needs several."""
    single_tokens: list[str] = field(default_factory=list)
    """Choices that are single tokens for this model, where neither its server nor its log-probabilities can
    tell, such as "10"; single characters of ASCII always are."""
    choice_prompt: str | None = None
    """With `top_logprobs`, a file with the template of the message that asks for the next value; null takes
    the built-in one."""
    prefill: bool = False
    """With `top_logprobs`, whether the server continues a last message of the assistant; the text before a
    slot is then sent as that."""

    @property
    def abilities(self) -> frozenset[str]:
        """What the server is declared to do."""
        return frozenset(USUAL if self.provides is None else self.provides)

    def check(self) -> None:
        """Refuses values that nothing can be built from.

        Raises:
            ConfigError: Names the field.
        """
        if not self.model.strip():
            raise ConfigError("model is empty.", remedy="Give the name under which the server knows the model.")
        _among("provides", self.provides or [], ABILITIES)
        _among("omit", self.omit, OMITTABLE)
        for name, least in (("top_logprobs", 1), ("parallel_calls", 1), ("reasoning_tokens", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} is {getattr(self, name)}.", known=f"It is at least {least}.")
        if self.timeout_s <= 0:
            raise ConfigError(f"timeout_s is {self.timeout_s}.", known="It is more than 0 seconds.")
        for name in ("base_url", "azure_endpoint"):
            _check_address(name, getattr(self, name))
        if self.base_url is not None and self.azure_endpoint is not None:
            raise ConfigError("azure_endpoint and base_url are both given.", remedy="Set one of them to null.")
        if self.azure_endpoint is not None and self.batch:
            raise ConfigError("batch is true, and azure_endpoint is given.", known="Azure's batches are not supported.")
        if self.azure_endpoint is not None and self.api_version is None:
            raise ConfigError("api_version is null.", remedy="With azure_endpoint, give the version of Azure's API.")


def _among(name: str, values: list[str], known: tuple[str, ...]) -> None:
    unknown = [value for value in values if value not in known]
    if unknown:
        raise ConfigError(f"{name} holds {', '.join(unknown)}.", known=f"It can hold {', '.join(known)}.")


def _check_address(name: str, address: str | None) -> None:
    if address is None:
        return
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"{name} is no address of a server.", known="It looks like http://127.0.0.1:8000/v1.")
    if parts.username or parts.password or parts.query:
        # Not repeated: it may be a secret.
        raise ConfigError(
            f"{name} holds more than an address.",
            known="It is stored with the run, so it holds no user, password or query.",
            remedy="Put the key into an environment variable, and its name into api_key_env.",
        )
