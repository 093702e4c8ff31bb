"""`Executor`: where the work on units runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from typing import Any


class Hub(ABC):
    """What the parts of a work have in common where they are in several processes: limits, or a file with one writer.

    There is one, in a process of its own on the machine that began the work. Only plain data may be
    stored in the object before `open`.
    """

    @abstractmethod
    async def open(self) -> None:
        """Builds what the hub needs."""

    @abstractmethod
    async def answer(self, part: str, verb: str, *values: Any) -> Any:
        """Does what a part asks for over its `Line`.

        Args:
            part: Its name.
            verb: What it asks for.
            values: With what.
        """

    @abstractmethod
    async def lost(self, part: str) -> None:
        """Frees what a part held that has died; it is answered no more."""

    @abstractmethod
    async def news(self, n_heard: int) -> Sequence[Any]:
        """Waits until there is news for whoever began the work beyond the first `n_heard`, and returns it."""

    @abstractmethod
    async def close(self, n_heard: int) -> Sequence[Any]:
        """Frees what `open` built; returns the last news."""


class Line(ABC):
    """A part's way to the hub. What one part asks and tells arrives in that order."""

    @abstractmethod
    async def ask(self, verb: str, *values: Any) -> Any:
        """The hub's answer; whatever it raises is raised here."""

    @abstractmethod
    def ask_now(self, verb: str, *values: Any) -> Any:
        """The same, for callers that cannot wait."""

    @abstractmethod
    def tell(self, verb: str, *values: Any) -> None:
        """Says something that needs no answer."""


class Shareable:
    """Work that can be spread over processes.

    Only plain data may be stored in the object before it is opened, so that it can be sent to another
    process. Each copy is a part of the work.
    """

    def hub(self) -> Hub | None:
        """What the parts have in common, made where the work was begun; `None` if nothing.

        Raises:
            UsageError: The work cannot be spread.
        """
        return None

    def join(self, line: Line) -> None:
        """Gives a part its line to the hub, before it is opened."""

    def hear(self, news: Any) -> None:
        """Takes the hub's news in, where the work was begun."""


class Work(Shareable, ABC):
    """Work that an executor carries out item by item; `open` builds what it needs where it runs."""

    together = 1
    """How many items should be in work at once, even where the executor is set to fewer: those that wait for a
    batch of requests do so together."""

    @abstractmethod
    async def open(self) -> None:
        """Builds what `do` needs."""

    @abstractmethod
    async def do(self, item: Any) -> Any:
        """Does one item and returns its result; what it commits must survive a repetition."""

    @abstractmethod
    async def close(self) -> None:
        """Frees what `open` built."""


class Executor(ABC):
    """Runs work over items, with limited concurrency."""

    @abstractmethod
    def map(self, work: Work, items: Sequence[Any]) -> AsyncIterator[tuple[Any, Any]]:
        """Yields `(item, result)` as items finish, in any order; `work` is opened and closed here.

        Items of a process that dies are done again in another.
        """

    def close(self) -> None:  # noqa: B027  (not all hold something)
        """Frees what the executor holds between two works."""


class Reduction(Shareable, ABC):
    """Work on shards, whose states are merged into one."""

    @abstractmethod
    def shards(self, n: int) -> Sequence[Any]:
        """Cuts the work into at most `n` shards, and at least one; called where the work was begun."""

    @abstractmethod
    def open(self) -> None:
        """Builds what `reduce` and `merge` need."""

    @abstractmethod
    def reduce(self, shard: Any) -> Any:
        """The state of one shard."""

    @abstractmethod
    def merge(self, state: Any, packed: Any) -> Any:
        """The state of what two states are of, the second packed; the first may be changed for it."""

    @abstractmethod
    def pack(self, state: Any) -> Any:
        """A state as plain data, to be sent to another process."""

    @abstractmethod
    def close(self) -> None:
        """Frees what `open` built."""


class Reducing(ABC):
    """An ability of an executor: it spreads reductions over machines."""

    @abstractmethod
    def reduce(self, work: Reduction) -> Any:
        """The packed state of all shards, merged as a tree whose shape depends on their number alone.

        Shards of a process that dies are reduced again in another.
        """
