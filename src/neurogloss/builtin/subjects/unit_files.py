"""Files of units: what each does, and what is said of it, truly and falsely."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from neurogloss.builtin.subjects.located import FieldError, LocatedFile, entry, items, number, shortly, text
from neurogloss.builtin.subjects.puzzles import Puzzle, looked_up, puzzles_of
from neurogloss.builtin.subjects.rule_kinds import Rule
from neurogloss.builtin.subjects.rules import compile_rule
from neurogloss.errors import SubjectError

PUZZLE_SITE = "layers.0.mlp"
"""The site of a file of puzzles."""
SIDES = ("+", "-", "+-")
_REMEDY = (
    'The file holds a list of units, {"site": ..., "explanation": ..., "rule": {"kind": ...}}, '
    "or puzzles; docs/synthetic.md says more."
)
_UNIT = {
    "site": True,
    "explanation": True,
    "rule": True,
    "paraphrases": False,
    "false_explanations": False,
    "family": False,
    "sides": False,
    "top": False,
}
_FALSE = {"text": True, "rule": True, "top": False}


@dataclass(frozen=True)
class Claim:
    """A text that is known, and what it says."""

    text: str
    rule: Rule | None
    """`None` where nobody has said what the text means, as for a puzzle's false explanations."""
    top: float
    """The value that counts as the strongest."""
    meaning: Any
    """Equal for texts that say the same."""


@dataclass(frozen=True)
class KnownUnit:
    """A unit and the truth about it."""

    site: str
    family: str
    sides: str
    """The polarities under which it fires: `+`, `-`, or `+-` for both."""
    claims: tuple[Claim, ...]
    """The true explanation, then its paraphrases."""
    false: tuple[Claim, ...]
    """The false explanations, nearest first."""

    @property
    def rule(self) -> Rule:
        """Its value on the side that fires (`+` where both do)."""
        rule = self.claims[0].rule
        assert rule is not None
        return rule

    @property
    def sign(self) -> int:
        """What the rule's value is multiplied by to give the activation."""
        return -1 if self.sides == "-" else 1


class UnitFile:
    """The units of a file: the project's own, if `path` is null.

    Raises:
        SubjectError: The file cannot be read, or a field of it is wrong; with its line.
    """

    def __init__(self, path: str | None = None) -> None:
        builtin = files("neurogloss.builtin").joinpath("data", "synthetic_units.json")
        file = LocatedFile(builtin if path is None else Path(path).expanduser(), SubjectError, _REMEDY)
        self.sha256 = file.sha256
        self.puzzles: tuple[Puzzle, ...] = ()
        try:
            if isinstance(file.value, Mapping):
                self.puzzles = puzzles_of(file.value)
            self.units = (
                tuple(map(_of_puzzle, self.puzzles))
                if self.puzzles
                else tuple(_unit(each, index) for index, each in enumerate(items(file.value, ())))
            )
            if not self.units:
                raise FieldError((), "the list is empty")
            self._refuse_two_meanings()
        except FieldError as problem:
            raise file.refuse(problem) from problem

    @property
    def sites(self) -> Mapping[str, tuple[KnownUnit, ...]]:
        """The units of each site, in the file's order."""
        names = dict.fromkeys(unit.site for unit in self.units)
        return {name: tuple(unit for unit in self.units if unit.site == name) for name in names}

    @cached_property
    def claims(self) -> Mapping[str, Claim]:
        """Every known text."""
        every = [claim for unit in self.units for claim in (*unit.false, *unit.claims)]
        return {claim.text: claim for claim in sorted(every, key=lambda claim: claim.rule is not None)}

    def _refuse_two_meanings(self) -> None:
        known: dict[str, Any] = {}
        for index, unit in enumerate(self.units):
            for claim in (*unit.claims, *unit.false):
                if claim.rule is not None and known.setdefault(claim.text, claim.meaning) != claim.meaning:
                    where = (self.puzzles[index].name if self.puzzles else index,)
                    raise FieldError(where, f"the text {claim.text!r} stands for another rule elsewhere in the file")


def _unit(value: Any, index: int) -> KnownUnit:
    where = (index,)
    fields = entry(value, where, _UNIT)
    sides = fields.get("sides", "+")
    if sides not in SIDES:
        raise FieldError((index, "sides"), f"sides are {', '.join(SIDES)}, not {shortly(sides)}")
    true = _claim(text(fields["explanation"], (index, "explanation")), fields, where)
    paraphrases = items(fields.get("paraphrases", []), (index, "paraphrases"))
    others = [text(each, (index, "paraphrases", i)) for i, each in enumerate(paraphrases)]
    false = []
    for i, each in enumerate(items(fields.get("false_explanations", []), (index, "false_explanations"))):
        place = (index, "false_explanations", i)
        body = entry(each, place, _FALSE)
        false.append(_claim(text(body["text"], (*place, "text")), body, place))
    return KnownUnit(
        text(fields["site"], (index, "site")),
        text(fields.get("family", "own"), (index, "family")),
        sides,
        (true, *(replace(true, text=said) for said in others)),
        tuple(false),
    )


def _claim(said: str, fields: Mapping[str, Any], where: tuple[str | int, ...]) -> Claim:
    """The claim that a text stands for the rule beside it."""
    top = number(fields.get("top", 1), (*where, "top"))
    if top <= 0:
        raise FieldError((*where, "top"), f"the strongest value is above 0, not {top:g}")
    return Claim(said, compile_rule(fields["rule"], (*where, "rule")), top, (fields["rule"], top))


def _of_puzzle(puzzle: Puzzle) -> KnownUnit:
    largest = max(value for sentence in puzzle.sentences for value in sentence.values)
    top = largest if largest > 0 else 1.0
    return KnownUnit(
        PUZZLE_SITE,
        "puzzles",
        "+",
        (Claim(puzzle.explanation, looked_up(puzzle.sentences), top, puzzle.name),),
        tuple(Claim(said, None, top, None) for said in puzzle.false_explanations),
    )
