"""Texts with slots: as tokens, with the place of each slot among them."""

from __future__ import annotations

import copy
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError

from neurogloss.errors import PermanentError
from neurogloss.records.documents import Message

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BLANK_LINE = "\n\n"


@dataclass(frozen=True)
class SlottedText:
    """A text with slots and what stands before it."""

    lead: str
    """The rendered messages."""
    pieces: tuple[str, ...]
    """Slot `i` lies between `pieces[i]` and `pieces[i + 1]`."""
    with_bos: bool
    """Whether the tokenizer's own BOS goes before it; a chat template writes it itself."""

    @property
    def n_slots(self) -> int:
        """How many slots there are."""
        return len(self.pieces) - 1

    def filled(self, fills: Sequence[str]) -> tuple[str, list[int]]:
        """The text with one fill per slot, and the character at which each fill begins."""
        parts, starts, length = [self.lead, self.pieces[0]], [], len(self.lead) + len(self.pieces[0])
        for fill, piece in zip(fills, self.pieces[1:], strict=True):
            starts.append(length)
            parts += [fill, piece]
            length += len(fill) + len(piece)
        return "".join(parts), starts


@dataclass(frozen=True)
class EncodedText:
    """A text's tokens and the characters each covers; the spans of tokens within one character are equal."""

    tokens: list[int]
    spans: list[tuple[int, int]]
    n_leading: int
    """Special tokens before the text; among `tokens`, not among `spans`."""
    length: int
    """The text's length in characters."""

    def token_at(self, character: int, slot: int) -> int:
        """The index of the token that starts exactly at a character; at the text's end, the one that would follow.

        Raises:
            PermanentError: No token starts there, or nothing stands before it to predict it from.
        """
        index = self._token_at(character)
        if index is None:
            across = next((span for span in self.spans if span[0] < character < span[1]), None)
            raise PermanentError(
                f"No token starts at slot {slot}, which is character {character} of the text.",
                known=f"One token covers the characters {across[0]} to {across[1]}." if across else "",
                remedy="Put something before the slot that the tokenizer keeps apart, such as a tab or a line break.",
            )
        if index == 0:
            raise PermanentError(
                "The text begins with a slot, and nothing stands before it that could predict it.",
                remedy="Put some text, or messages, before the first slot.",
            )
        return index

    def _token_at(self, character: int) -> int | None:
        begun, covered = self._reached
        index = bisect_left(begun, character)
        # A token may begin inside a character: then one before it reaches past this place.
        if index and covered[index - 1] > character:
            return None
        if index == len(self.spans):
            return len(self.tokens) if character == self.length else None
        start, end = self.spans[index]
        return self.n_leading + index if start == character < end else None

    @cached_property
    def _reached(self) -> tuple[list[int], list[int]]:
        """Of each token and all before it, the last character at which one begins, and where the last one ends."""
        starts, ends = zip(*self.spans, strict=True) if self.spans else ((), ())
        return list(accumulate(starts, max)), list(accumulate(ends, max))


class TextEncoder:
    """What is done with a tokenizer: prompts from messages, texts to tokens with spans, tokens to text.

    Raises:
        PermanentError: The tokenizer cannot tell which characters its tokens cover.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise PermanentError(
                "This model's tokenizer cannot tell which characters its tokens cover.",
                known=f"It is a {type(tokenizer).__name__}.",
                remedy="Choose a model that comes with a tokenizer.json.",
            )
        # Post-processing may cut spaces off the spans of tokens, and adds special tokens that have none.
        self._bare: Any = copy.deepcopy(backend)
        self._bare.post_processor = None
        self._bare.no_padding()
        self._bare.no_truncation()
        self._leading = self._special_tokens_before()
        self.choice_token = cache(self._choice_token)  # every request asks for the same few
        """The one token that is the choice, or `None` if it is not exactly one."""

    @property
    def end_tokens(self) -> frozenset[int]:
        """The tokens with which the tokenizer ends a text."""
        end = self._tokenizer.eos_token_id
        return frozenset() if end is None else frozenset([end])

    def encode(self, text: str, *, with_bos: bool) -> EncodedText:
        """The whole text's tokens, as the tokenizer makes them of it."""
        encoding = self._bare.encode(text, add_special_tokens=False)
        leading = self._leading if with_bos else []
        return EncodedText([*leading, *encoding.ids], encoding.offsets, len(leading), len(text))

    def decode(self, tokens: Sequence[int]) -> str:
        """The tokens' text, without special tokens."""
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def prompt(self, messages: Sequence[Message]) -> tuple[str, bool]:
        """Messages as a text to continue, and whether the tokenizer's BOS goes before it.

        A last message of the assistant is continued; otherwise the assistant's turn is opened.

        Raises:
            PermanentError: The chat template refuses the messages.
        """
        if self._tokenizer.chat_template is None:
            return BLANK_LINE.join(message.content for message in messages), True
        return self._rendered(messages, continued=bool(messages) and messages[-1].role == "assistant"), False

    def slotted(self, messages: Sequence[Message], pieces: tuple[str, ...]) -> SlottedText:
        """A text with slots that continues the assistant's turn after the messages, or stands alone.

        Raises:
            PermanentError: The chat template refuses the messages.
        """
        if not messages:
            return SlottedText("", pieces, with_bos=True)
        if self._tokenizer.chat_template is None:
            return SlottedText("".join(message.content + BLANK_LINE for message in messages), pieces, with_bos=True)
        return SlottedText(self._rendered(messages, continued=False), pieces, with_bos=False)

    def _choice_token(self, choice: str) -> int | None:
        # It is looked for after a line break, because some tokenizers put a space before every text.
        for before in ("\n", ""):
            encoding = self._bare.encode(before + choice, add_special_tokens=False)
            tokens = [
                token
                for token, (start, end) in zip(encoding.ids, encoding.offsets, strict=True)
                if (start, end) == (len(before), len(before) + len(choice))
            ]
            # Several tokens may each cover one and the same character.
            if choice and len(tokens) == 1 and tokens[0] != self._tokenizer.unk_token_id:
                return int(tokens[0])
        return None

    def _rendered(self, messages: Sequence[Message], *, continued: bool) -> str:
        try:
            return self._templated(messages, continued=continued)
        except TemplateError as error:
            # Some templates know no system message; the user then says what it said.
            if len(messages) > 1 and (messages[0].role, messages[1].role) == ("system", "user"):
                joined = Message("user", messages[0].content + BLANK_LINE + messages[1].content)
                return self._rendered([joined, *messages[2:]], continued=continued)
            raise PermanentError("The model's chat template refuses the messages.", known=str(error)) from error

    def _templated(self, messages: Sequence[Message], *, continued: bool) -> str:
        return str(
            self._tokenizer.apply_chat_template(
                [{"role": message.role, "content": message.content} for message in messages],
                tokenize=False,
                add_generation_prompt=not continued,
                continue_final_message=continued,
            )
        )

    def _special_tokens_before(self) -> list[int]:
        plain = self._bare.encode("a", add_special_tokens=False).ids
        whole = list(self._tokenizer("a").input_ids)
        return next((whole[:start] for start in range(len(whole)) if whole[start : start + len(plain)] == plain), [])
