"""What only the model's tokenizer and chat template know, asked of the server where it tells."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from neurogloss.errors import PermanentError, TransientError
from neurogloss.records.documents import Message
from neurogloss_openai.clients import Server
from neurogloss_openai.configs import ChoiceMethod, Endpoint, OpenAIConfig
from neurogloss_openai.replies import usage_of

_KEPT_PROMPTS = 64
_BEFORE = "\n"
"""What a choice stands after when its tokens are counted; no tokenizer joins it to what follows."""


class Vocabulary:
    """The server's tokenizer, through `/tokenize` (vLLM, llama.cpp) or through small questions."""

    def __init__(self, server: Server, config: OpenAIConfig) -> None:
        self._server = server
        self._config = config
        self._tokenizes: bool | None = None
        self._ids: dict[str, int | None] = {}
        self._single: dict[str, bool] = {}
        self._prompts: dict[tuple[Message, ...], str] = {}

    async def usable(self, choices: Sequence[str], method: ChoiceMethod) -> tuple[str, ...]:
        """Those of the choices that are single tokens, each found out once.

        Raises:
            TransientError: The server could not be asked.
        """
        new = [choice for choice in dict.fromkeys(choices) if choice not in self._single]
        await self.tokenizes()  # once, and not once for each choice
        found = await asyncio.gather(*(self._is_single(choice, method) for choice in new))
        self._single |= dict(zip(new, found, strict=True))
        return tuple(choice for choice in choices if self._single[choice])

    def token_id(self, choice: str) -> int | None:
        """The id of a usable choice, `None` where the server tells none."""
        return self._ids.get(choice)

    async def rendered(self, messages: tuple[Message, ...]) -> str:
        """The messages as the text that the model's chat template makes of them, the reply's turn opened.

        Raises:
            PermanentError: The server does not tell.
        """
        if messages not in self._prompts:
            if len(self._prompts) >= _KEPT_PROMPTS:
                self._prompts.pop(next(iter(self._prompts)))
            self._prompts[messages] = await self._rendered(messages)
        return self._prompts[messages]

    async def _is_single(self, choice: str, method: ChoiceMethod) -> bool:
        if not choice:
            return False
        if await self.tokenizes():
            self._ids[choice] = await self._one_token(choice)
            return self._ids[choice] is not None
        if choice in self._config.single_tokens or (len(choice) == 1 and choice.isascii()):
            return True
        if method is ChoiceMethod.TOP_LOGPROBS:
            return False
        return await self._counts_one(choice)

    async def tokenizes(self) -> bool:
        """Whether the server has `/tokenize`."""
        if self._tokenizes is None:
            try:
                self._tokenizes = self._server.has_root and bool(await self._tokens("a"))
            except PermanentError:
                self._tokenizes = False
        return self._tokenizes

    async def _one_token(self, choice: str) -> int | None:
        # After a line break, because some tokenizers put a space before every text.
        before = await self._tokens(_BEFORE)
        together = await self._tokens(_BEFORE + choice)
        if together[: len(before)] == before and len(together) == len(before) + 1:
            return together[-1]
        alone = await self._tokens(choice)
        return alone[0] if len(alone) == 1 else None

    async def _counts_one(self, choice: str) -> bool:
        """Whether the prompt is a token longer with the choice than without, as the server counts."""
        with_it, without = await asyncio.gather(self._prompt_tokens(_BEFORE + choice), self._prompt_tokens(_BEFORE))
        return with_it is not None and without is not None and with_it - without == 1

    async def _prompt_tokens(self, prompt: str) -> int | None:
        body = {"prompt": prompt, "max_tokens": 1, "temperature": 0}
        return usage_of(await self._server.ask(Endpoint.COMPLETIONS, body)).prompt_tokens

    async def n_tokens(self, text: str, *, special: bool = True) -> int:
        """How many tokens a prompt has; `special` ones are those that a tokenizer puts before every text."""
        return len(await self._tokens(text, special=special))

    async def _tokens(self, text: str, *, special: bool = False) -> list[int]:
        # vLLM's names and llama.cpp's together; each ignores the other's.
        asked = {"prompt": text, "add_special_tokens": special, "content": text, "add_special": special}
        return _ids(await self._server.ask_root("tokenize", asked))

    async def _rendered(self, messages: tuple[Message, ...]) -> str:
        turns = [{"role": message.role, "content": message.content} for message in messages]
        try:
            tokens = _ids(await self._server.ask_root("tokenize", {"messages": turns, "add_generation_prompt": True}))
            if not tokens:  # llama.cpp, which has another endpoint for this
                return _prompt(await self._server.ask_root("apply-template", {"messages": turns}))
            text = _prompt(await self._server.ask_root("detokenize", {"tokens": tokens}))
        except PermanentError as error:
            raise PermanentError(
                "The server does not tell how the model's chat template renders messages.",
                known=str(error),
                remedy="Ask without messages (simulator.chat=false), or with choice_method=top_logprobs.",
            ) from None
        if await self._tokens(text) != tokens:
            raise PermanentError(
                "The model's chat template gives tokens that are no text.",
                remedy="Ask without messages (simulator.chat=false).",
            )
        return text


def _ids(reply: Mapping[str, Any]) -> list[int]:
    tokens = reply.get("tokens")
    if not isinstance(tokens, list) or not all(isinstance(token, int) for token in tokens):
        raise PermanentError("The server's answer to `tokenize` holds no tokens.")
    return tokens


def _prompt(reply: Mapping[str, Any]) -> str:
    if not isinstance(reply.get("prompt"), str):
        raise TransientError("malformed reply: it holds no prompt.")
    return str(reply["prompt"])
