"""Documents to tokens, and the characters that each token covers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Tokenizer

from neurogloss.errors import SubjectError
from neurogloss.records.documents import Document
from neurogloss.records.tokens import Tokenized
from neurogloss_transformers.chat import RenderedChat, render_chat
from neurogloss_transformers.configs import BosPolicy

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class DocumentTokenizer:
    """Tokenizes whole documents without BOS; `spans` cover every character of the text.

    Args:
        tokenizer: A fast tokenizer.
        bos: Decides on `bos_token_id`, the token that is put before every sequence; where there is
            one, a chat template's own is left out.

    Raises:
        SubjectError: The tokenizer is not a fast one, or has no BOS where one is always wanted.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, bos: BosPolicy) -> None:
        if not tokenizer.is_fast:
            raise SubjectError(
                f"The tokenizer {type(tokenizer).__name__} cannot tell which characters its tokens cover.",
                remedy="Give a model with a tokenizer.json.",
            )
        self._tokenizer = tokenizer
        self.bos_token_id = _choose_bos(tokenizer, bos)
        self._template_bos = tokenizer.bos_token if self.bos_token_id is not None else None
        self._encoder = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        # Post-processors add special tokens and, in some tokenizers, cut the spaces off the spans.
        self._encoder.post_processor = None
        self._encoder.no_truncation()
        self._encoder.no_padding()
        self._texts: dict[int, str] | None = None
        self._special = {
            **{int(i): str(tokenizer.convert_ids_to_tokens(i)) for i in tokenizer.all_special_ids},
            **{i: token.content for i, token in tokenizer.added_tokens_decoder.items() if token.special},
        }

    def tokenize(self, documents: Sequence[Document]) -> list[Tokenized]:
        """Tokenizes documents; conversations go through the chat template.

        In a conversation everything that is no message's content is special.

        Raises:
            SubjectError: A conversation, and there is no template or it refuses the roles.
        """
        chats = [self._chat(document) for document in documents]
        texts = [
            _LONE_SURROGATE.sub("\ufffd", chat.text if chat else document.text)
            for document, chat in zip(documents, chats, strict=True)
        ]
        encodings = self._encoder.encode_batch(texts, add_special_tokens=False)
        tokenized = []
        for text, encoding, chat in zip(texts, encodings, chats, strict=True):
            spans = np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2)
            special = self._special_tokens(text, encoding.ids, spans)
            spans = whole_spans(text, spans)
            if chat and chat.contents is not None:
                special |= ~_within(spans, chat.contents)
            tokenized.append(Tokenized(text, np.array(encoding.ids, dtype=np.int64), spans, special))
        return tokenized

    def texts(self) -> dict[int, str]:
        """The text of every token of the vocabulary, by id; parts of a character are shown as U+FFFD."""
        if self._texts is None:
            ids = sorted(self._tokenizer.get_vocab().values())
            self._texts = dict(zip(ids, self._tokenizer.batch_decode([[i] for i in ids]), strict=True))
        return self._texts

    def _chat(self, document: Document) -> RenderedChat | None:
        if not document.messages:
            return None
        chat = render_chat(self._tokenizer, document.messages)
        if not self._template_bos or not chat.text.startswith(self._template_bos):
            return chat
        cut = len(self._template_bos)
        contents = chat.contents and tuple((start - cut, stop - cut) for start, stop in chat.contents)
        return RenderedChat(chat.text[cut:], contents)

    def _special_tokens(self, text: str, ids: Sequence[int], spans: np.ndarray) -> np.ndarray:
        # An unknown-word token stands for text, even where it shares its id with a special token.
        special = np.isin(ids, list(self._special))
        for i in map(int, np.flatnonzero(special)):
            start, stop = spans[i]
            special[i] = text[start:stop].strip() == self._special[ids[i]].strip()
        return special


def whole_spans(text: str, spans: np.ndarray) -> np.ndarray:
    """Spans without gaps, so that the tokens' texts joined give the text.

    What lies between two tokens because the tokenizer normalised it away goes to the token before
    (an accent that was composed with its letter) up to the first space, and from there to the token
    after. A token that covers nothing (a space put before the text) shares the character after it.

    Args:
        text: The text.
        spans: int64 [pos 2], ascending, as the tokenizer tells them.

    Returns:
        int64 [pos 2]
    """
    whole = spans.copy()
    if not len(whole):
        return whole
    covered = np.maximum.accumulate(np.concatenate([[0], spans[:-1, 1]]))
    for i in np.flatnonzero(spans[:, 0] > covered):
        gap = range(covered[i], spans[i, 0])
        space = next((at for at in gap if text[at].isspace()), spans[i, 0]) if i else 0
        whole[i, 0] = space
        if i:
            whole[i - 1, 1] = space
    whole[-1, 1] = len(text)
    empty = whole[:, 0] >= whole[:, 1]
    whole[empty, 1] = np.minimum(whole[empty, 0] + 1, len(text))
    return whole


def _within(spans: np.ndarray, ranges: Sequence[tuple[int, int]]) -> np.ndarray:
    """Whether each span has a character in one of the ranges [pos]."""
    inside = np.zeros(len(spans), dtype=bool)
    for start, stop in ranges:
        inside |= (spans[:, 0] < stop) & (spans[:, 1] > start)
    return inside


def _choose_bos(tokenizer: PreTrainedTokenizerBase, policy: BosPolicy) -> int | None:
    bos: int | None = tokenizer.bos_token_id
    match policy:
        case BosPolicy.never:
            return None
        case BosPolicy.auto:
            with_special = tokenizer("a", add_special_tokens=True)["input_ids"]
            without = tokenizer("a", add_special_tokens=False)["input_ids"]
            return bos if len(with_special) > len(without) and with_special[0] == bos else None
        case BosPolicy.always if bos is None:
            raise SubjectError(
                "bos is always, and this tokenizer has no BOS token.", remedy="Set bos to auto or never."
            )
    return bos
