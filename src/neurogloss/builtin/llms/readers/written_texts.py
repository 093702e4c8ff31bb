"""Texts on which a unit should and should not fire, as the scorer `generate_then_activate` has them written."""

from __future__ import annotations

import json
import re
from functools import cache
from random import Random

from neurogloss.builtin.corpora.configs import SyntheticCorpusConfig
from neurogloss.builtin.corpora.generated import SyntheticCorpus
from neurogloss.builtin.llms.readers.reader import Answer
from neurogloss.builtin.llms.readers.texts import words_of
from neurogloss.builtin.llms.truth import Truth
from neurogloss.builtin.subjects.synthetic import tokens_of
from neurogloss.records.codec import encode
from neurogloss.records.requests import GenerateRequest, Request

_ASKED = re.compile(r"Write (\d+) texts to which it responds and (\d+) to which it does not\.")
_N_DOCUMENTS, _TOKENS, _SEED = 800, 24, 1
"""Of the corpus that texts are taken from; another seed than the default one, so that they are other texts."""


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
    """The first `n` texts on which the unit fires, or does not."""
    found: list[str] = []
    for text in texts:
        if len(found) == n:
            break
        if truth.fires(words_of(text)) is fires:
            found.append(text)
    return found


@cache
def _texts() -> tuple[str, ...]:
    documents = SyntheticCorpus(SyntheticCorpusConfig(n_documents=_N_DOCUMENTS, seed=_SEED)).documents()
    return tuple("".join(tokens_of(document.text)[:_TOKENS]) for document in documents)
