"""Phrases on which a planted neuron fires: conditions followed back to the token classes that bring them about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

from neurogloss_transformers.planted.description import FIRST, Condition, Description, Formula, Head

_ATTEMPTS = 20
_FARTHEST = 6
"""Tokens between a `last` head and what it attends to."""

Item = TypeVar("Item")
Needs = dict[str, bool]
"""Token classes that a token must be of, and those it must not be of."""


@dataclass(frozen=True)
class Phrase:
    """What some tokens in a row must be, so that a formula is above 0 at one of them."""

    tokens: tuple[Needs, ...]
    opens: bool
    """Whether it stands at the start of a document."""


class _ConflictError(Exception):
    """A token would have to be of a class and not of it."""


def phrase_for(description: Description, formula: Formula, random: Random) -> Phrase | None:
    """Draws a phrase; what stands around it may still keep the formula at 0.

    Returns:
        `None` if every attempt led to a token that would have to be two things at once.
    """
    for _ in range(_ATTEMPTS):
        plan = _Plan(description, random)
        try:
            plan.hold(formula, 0)
            return plan.phrase()
        except _ConflictError:
            continue
    return None


def drawn(items: Sequence[Item], random: Random) -> Item:
    """One of them. Of what `Random` can do, only `random` is promised to stay as it is in every version of Python."""
    return items[int(random.random() * len(items))]


@dataclass
class _Plan:
    description: Description
    random: Random
    tokens: dict[int, Needs] = field(default_factory=dict)
    """By position; 0 is where the formula is to hold."""
    start: int | None = None
    """Where the sequence's first token must stand, which is no word."""
    wishes: list[tuple[Condition, int]] = field(default_factory=list)
    """What keeps a head from attending to a later token; nothing else gives way to them."""

    def hold(self, formula: Formula, at: int) -> None:
        """Makes a formula be above 0."""
        conditions = formula.conditions
        match formula.rule:
            case "any":
                conditions = (drawn(conditions, self.random),)
            case "weights":
                held = [self.random.random() < 0.5 for _ in conditions]
                if formula.bias + sum(w for w, holds in zip(formula.weights, held, strict=True) if holds) <= 0:
                    raise _ConflictError
                conditions = tuple(c if holds else _opposite(c) for c, holds in zip(conditions, held, strict=True))
        for condition in conditions:
            self.need(condition, at)

    def need(self, condition: Condition, at: int) -> None:
        """Makes a condition hold."""
        feature, wanted = condition.feature, not condition.negated
        if feature in self.description.classes:
            if self.tokens.setdefault(at, {}).setdefault(feature, wanted) != wanted:
                raise _ConflictError
        elif feature == FIRST:
            if wanted and self.start not in (None, at):
                raise _ConflictError
            self.start = at if wanted else self.start
        else:
            unit = self.description.units[self.description.writers[feature]]
            if isinstance(unit, Head):
                self._move(unit, Condition(feature.removeprefix(f"{unit.name}."), not wanted), at)
            elif wanted:
                self.hold(unit.formula, at)
            elif unit.formula.rule == "any":
                for each in unit.formula.conditions:
                    self.need(_opposite(each), at)
            else:
                self.need(_opposite(drawn(unit.formula.conditions, self.random)), at)

    def _move(self, head: Head, moved: Condition, at: int) -> None:
        if head.attends == "previous":
            self.need(moved, at - 1)
        elif not moved.negated:
            pair = int(self.random.random() * len(head.key))
            source = at - int(self.random.random() * _FARTHEST)
            if head.query:
                self.need(head.query[pair], at)
            self.need(head.key[pair], source)
            self.need(moved, source)
            self.wishes += [(_opposite(head.key[pair]), between) for between in range(source + 1, at + 1)]

    def phrase(self) -> Phrase:
        """What the tokens must be."""
        for condition, at in self.wishes:
            if condition.feature in self.description.classes:
                self.tokens.setdefault(at, {}).setdefault(condition.feature, not condition.negated)
        first = min([0, *self.tokens]) if self.start is None else self.start + 1
        if first > 0 or any(any(needs.values()) for at, needs in self.tokens.items() if at < first):
            raise _ConflictError
        return Phrase(tuple(self.tokens.get(at, {}) for at in range(first, 1)), self.start is not None)


def _opposite(condition: Condition) -> Condition:
    return Condition(condition.feature, not condition.negated)
