"""`LanguageModel`: a backend that generates text and may tell log-probabilities."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # plugins name capabilities from here, and listing plugins must not wait for numpy
    from neurogloss.records.requests import ChoiceReply, ChoiceRequest, GenerateReply, GenerateRequest, Request, Usage

GENERATE = "generate"
CHOICE_LOGPROBS = "choice_logprobs"
JSON_SCHEMA = "json_schema"


class LanguageModel(ABC):
    """A language model, in process or behind an API.

    Components never hold one directly: what they are given passes every call through the ledger.
    Calls may overlap; the backend batches or queues them. One call is one attempt: what can pass is
    a `TransientError`, and is asked again by the ledger.
    """

    batched = False
    """Whether calls go through the provider's batch interface, at its price."""

    @property
    @abstractmethod
    def capabilities(self) -> frozenset[str]:
        """Some of `generate`, `choice_logprobs`, `json_schema`, and `text_logprobs` of a `TextLogprobs`."""

    @abstractmethod
    def identity(self) -> Mapping[str, str]:
        """What determines the replies: provider, model, revision, dtype. Never a key, never a path.

        `provider` and `model`, with `server` where it is not the provider's own, name what is priced and
        what is limited together. The providers `local`, `vllm`, `scripted` and `oracle` run in this process.

        Cheap: loads no weights, opens no connection.
        """

    @abstractmethod
    async def generate(self, request: GenerateRequest) -> GenerateReply:
        """Generates `request.n` texts.

        Raises:
            TransientError: May succeed when asked again.
            PermanentError: Will not.
        """

    async def usable_choices(self, choices: Sequence[str]) -> tuple[str, ...]:
        """Those of `choices` that are single tokens in this backend's tokenizer."""
        raise NotImplementedError

    async def choice_logprobs(self, request: ChoiceRequest) -> ChoiceReply:
        """Tells, at each slot, the log-probability of each choice.

        Raises:
            TransientError: May succeed when asked again.
            PermanentError: Will not; also where a choice is no single token.
        """
        raise NotImplementedError

    def bound(self, request: Request) -> Usage:
        """An upper bound of the tokens that a request can cost, `n` and slots included.

        This one holds where no token is less than a byte of UTF-8, and a request takes at most `n` calls
        or one for each slot. A backend with a tokenizer may be tighter.

        Cheap: synchronous, and opens no connection.
        """
        from neurogloss.interfaces.bounds import byte_bound

        return byte_bound(request)

    def reject(self, request: Request) -> None:  # noqa: B027  (only the ledger has something to do)
        """Tells that the reply to a request was of no use: unreadable, or a refusal.

        It is kept, and used when the same is asked again, until the user wants failures to be retried.
        Components call this; a backend leaves it as it is.
        """

    async def close(self) -> None:  # noqa: B027  (most backends hold nothing)
        """Frees connections and memory; called once, at the end."""
