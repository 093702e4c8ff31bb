"""Where the tokens that a server tells stand in the text that it was sent."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

_UNREADABLE = "\N{REPLACEMENT CHARACTER}"
"""What stands for a part of a character in a token that ends within it."""
_LONGEST_PART = 3
"""Of a character, in bytes: four are a whole one."""


class AlignedTokens:
    """The tokens of a text, each with the byte of UTF-8 at which it starts.

    Servers decode each token alone, and the offsets they tell are sums of what that gives. So a token
    may be part of a character, may have lost the space before it, may be empty because the next one
    tells the whole character, and the first may stand for no text. Each is placed where the text allows
    it, and where more places than one are left, in none.

    Args:
        text: What was sent.
        tokens: What the server says it read; one more, which it wrote itself, may follow.

    Raises:
        ValueError: The tokens are not those of this text.
    """

    def __init__(self, text: str, tokens: Sequence[str]) -> None:
        self._bytes = text.encode("utf-8", "surrogatepass")
        self.n_tokens = 0
        """How many tokens, from the first, are the text; what follows the server wrote itself."""
        self._first = self._as_written(tokens) or self._searched(tokens)

    def token_at(self, text_before: str) -> int | None:
        """The index of the token that starts exactly after this beginning of the text, `None` if none does."""
        return self._first.get(len(text_before.encode("utf-8", "surrogatepass")))

    def _as_written(self, tokens: Sequence[str]) -> dict[int, int]:
        """Where tokens start that are the text as it is written, as most are; empty for others."""
        first: dict[int, int] = {}
        at = 0
        for index, token in enumerate(tokens):
            part = token.encode("utf-8", "surrogatepass")
            if at == len(self._bytes) or not part or not self._bytes.startswith(part, at):
                break
            first[at] = index
            at += len(part)
        self.n_tokens = len(first)
        return first if at == len(self._bytes) and len(first) >= len(tokens) - 1 else {}

    def _searched(self, tokens: Sequence[str]) -> dict[int, int]:
        reached = [{0}]
        for token in tokens:
            ends = set().union(*(self._ends(start, token) for start in reached[-1]))
            if reached[-1] == {0} and len(reached) <= 2:
                ends.add(0)  # a mark that the tokenizer puts before every text
            if not ends:
                break
            reached.append(ends)
        last = max((index for index, places in enumerate(reached) if len(self._bytes) in places), default=-1)
        if last < max(len(tokens) - 1, 1):
            raise ValueError("the tokens are not those of the text")
        self.n_tokens = last
        first: dict[int, int] = {}
        following = {len(self._bytes)}
        for index in range(last - 1, -1, -1):
            following = {at for at in reached[index] if self._ends(at, tokens[index], at == 0) & following}
            if len(following) == 1:
                first[min(following)] = index
        return first

    def _ends(self, start: int, token: str, mark: bool = False) -> set[int]:
        """Where the token may end if it starts here; a mark may end where it starts."""
        ends = self._matched(start, token)
        if not ends and start == 0:
            ends = self._matched(start, token.removeprefix(" "))
        if not ends and self._bytes[start : start + 1] == b" ":
            ends = self._matched(start + 1, token)
        return ends | {start} if mark else ends

    def _matched(self, start: int, token: str) -> set[int]:
        first, *others = _parts(token)
        ends = self._read({start}, first)
        for part in others if ends else ():
            ends = {end + n for end in ends for n in range(1, _LONGEST_PART + 1) if self._is_part(end, end + n)}
            ends = self._read(ends, part)
        return ends

    def _read(self, starts: set[int], part: bytes) -> set[int]:
        return {start + len(part) for start in starts if self._bytes.startswith(part, start)}

    def _is_part(self, start: int, end: int) -> bool:
        part = self._bytes[start:end]
        return len(part) == end - start and all(byte >= 0x80 for byte in part)


@lru_cache(maxsize=4096)
def _parts(token: str) -> tuple[bytes, ...]:
    """What of a token can be read, before, between and after what cannot."""
    return tuple(part.encode("utf-8", "surrogatepass") for part in token.split(_UNREADABLE))
