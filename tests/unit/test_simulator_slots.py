"""A level begins and ends at a token boundary, whatever the tokenizer and the text.

Byte-level tokenizers first cut a text with a pattern and never join across a cut, so it is enough
that each family's pattern cuts at both ends of every level and of every placeholder.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurogloss.builtin.simulators.configs import Layout, LogprobConfig
from neurogloss.builtin.simulators.logprob import HIDDEN, LogprobSimulator
from neurogloss.records.tokens import Split, TokenSequence
from neurogloss.testing.fakes import FakeLanguageModel

tokenizers = pytest.importorskip("tokenizers", reason="pip install tokenizers")

PATTERNS = {
    "gpt2": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "cl100k": r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+",
    "o200k": r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "deepseek": r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
    r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
}
CUTTERS = {
    name: tokenizers.pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated") for name, pattern in PATTERNS.items()
}
SIMULATORS = {layout: LogprobSimulator(LogprobConfig(layout=layout), FakeLanguageModel()) for layout in Layout}


def cut_at_every_slot(tokens: list[str], fill: str, layout: Layout = Layout.LINES) -> bool:
    ends = np.cumsum([len(token) for token in tokens])
    spans = np.stack([np.r_[0, ends[:-1]], ends], axis=1)
    plain = np.zeros(len(tokens), dtype=bool)
    sequence = TokenSequence(0, "doc", Split.TEST, "".join(tokens), np.arange(len(tokens)), spans, plain)
    simulator = SIMULATORS[layout]
    pieces = simulator.request(simulator.conversation("cats", 10), [sequence], ("0",)).pieces
    text, borders = pieces[0][-40:], set()
    for piece in pieces[1:]:
        # Nothing reads what a placeholder on the same line ends with.
        borders |= {len(text), len(text) + len(fill)} if layout is Layout.LINES else {len(text)}
        text += fill + piece
    return all(borders <= {start for _, (start, _) in cutter.pre_tokenize_str(text)} for cutter in CUTTERS.values())


@pytest.mark.parametrize(
    ("layout", "fill"),
    [(Layout.LINES, "0"), (Layout.LINES, "10"), *HIDDEN.items()],
)
@given(
    tokens=st.lists(st.one_of(st.text(min_size=1, max_size=4), st.text(" \t\n=>'\"0a<|é👩家", min_size=1, max_size=4)))
)
def test_slots_lie_at_cuts(layout: Layout, fill: str, tokens: list[str]) -> None:
    if tokens:
        assert cut_at_every_slot(tokens, fill, layout)


def test_the_check_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neurogloss.builtin.simulators.logprob.SEPARATOR", "\t")
    assert not cut_at_every_slot([" cat"], "unknown")
    assert not cut_at_every_slot([" 4"], "0", Layout.COMPACT)
