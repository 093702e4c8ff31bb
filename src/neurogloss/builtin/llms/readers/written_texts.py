"""Texts on which a unit should and should not fire, as the scorer `generate_then_activate` has them written."""

from __future__ import annotations

import json
import re
from functools import cache
from itertools import chain, islice, zip_longest
from random import Random

import numpy as np

from neurogloss.builtin.corpora.configs import SyntheticCorpusConfig
from neurogloss.builtin.corpora.generated import SyntheticCorpus
from neurogloss.builtin.llms.readers.reader import Answer
from neurogloss.builtin.llms.readers.texts import words_of
from neurogloss.builtin.llms.truth import Truth
from neurogloss.builtin.subjects.synthetic import tokens_of
from neurogloss.records.codec import encode
from neurogloss.records.requests import GenerateRequest, Request

_ASKED = re.compile(r"Write (\d+) texts to which it responds and (\d+) to which it does not\.")
_N_DOCUMENTS, _TOKENS, _STARTS, _SEED = 800, 24, (0, 12), 1
"""Of the corpus that texts are taken from; another seed than the default one, so that they are other texts."""
_LEAST = 4
"""Words of a beginning, alike for both kinds, so that their lengths tell nothing."""


def written_texts(request: Request) -> Answer | None:
    """Reads how many texts are to be written, and writes them as JSON."""
    last = request.messages[-1].content if isinstance(request, GenerateRequest) else ""
    asked = _ASKED.search(last)
    if asked is None:
        return None
    order = list(_texts())
    Random(encode(request)).shuffle(order)
    n_firing, n_silent = map(int, asked.groups())
    return lambda truth: json.dumps(
        {"firing": _first(order, truth, True, n_firing), "silent": _first(order, truth, False, n_silent)}
    )


def _first(texts: list[str], truth: Truth, fires: bool, n: int) -> list[str]:
    """The first `n` texts on which the unit fires, or does not.

    In turn whole ones and beginnings of others that fire, up to the first word on which the unit does, with it
    or without: the two kinds are as alike as can be.
    """
    whole = (text for text in texts[::2] if truth.fires(words_of(text)) is fires)
    cut = (found for text in texts[1::2] if (found := _beginning(text, truth, fires)) is not None)
    in_turn = chain.from_iterable(zip_longest(whole, cut))
    return list(islice((text for text in in_turn if text is not None), n))


def _beginning(text: str, truth: Truth, fires: bool) -> str | None:
    tokens = tokens_of(text)
    firing = np.flatnonzero(truth.fires_at([token.strip() for token in tokens]))
    n_words = int(firing[0]) + fires if len(firing) else 0
    return "".join(tokens[:n_words]) if n_words >= _LEAST else None


@cache
def _texts() -> tuple[str, ...]:
    documents = SyntheticCorpus(SyntheticCorpusConfig(n_documents=_N_DOCUMENTS, seed=_SEED)).documents()
    tokens = [tokens_of(document.text) for document in documents]
    return tuple("".join(each[start : start + _TOKENS]).strip() for each in tokens for start in _STARTS)
