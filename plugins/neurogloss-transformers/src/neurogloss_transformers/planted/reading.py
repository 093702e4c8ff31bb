"""A description's JSON file, read and checked; every fault names the entry and the field."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Collection, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, NoReturn

from neurogloss.errors import SubjectError
from neurogloss_transformers.planted.description import (
    FIRST,
    Claim,
    Condition,
    Description,
    Formula,
    Head,
    Neuron,
    Rule,
)

_NAME = re.compile("[a-z][a-z0-9_]*")
_RULES: tuple[Rule, ...] = ("all", "any", "weights")
_FORMULA = {*_RULES, "bias"}


def read_description(path: str | None = None) -> Description:
    """Reads a description; the built-in one without a path.

    Raises:
        SubjectError: There is no such file, it is no JSON, or an entry has a wrong field.
    """
    file = Path(path).expanduser() if path else files("neurogloss_transformers.planted").joinpath("built_in.json")
    try:
        text = file.read_text(encoding="utf-8")
        contents = json.loads(text, object_pairs_hook=_object)
    except (OSError, ValueError) as error:
        raise SubjectError(
            f"The description {str(file)!r} cannot be read.",
            known=str(error),
            remedy="Give a JSON file as docs/planted.md shows it.",
        ) from error
    return _Reader(str(file)).read(contents, hashlib.sha256(text.encode()).hexdigest())


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"{next(key for key in keys if keys.count(key) > 1)!r} stands twice in one object")
    return entries


class _Reader:
    """Reads one file; what it knows grows in the order of the data."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._names: set[str] = {FIRST}
        self._features: dict[str, bool] = {FIRST: True}
        """What may be read from here on, and whether it is a bit."""
        self._meanings: dict[str, Formula] = {}
        """What each text means."""

    def read(self, contents: Any, sha256: str) -> Description:
        top = self._fields(contents, "the description", {"classes", "layers", "positions"})
        positions = top.get("positions", 128)
        if not isinstance(positions, int) or isinstance(positions, bool) or not 2 <= positions <= 1024:
            self._wrong("the description", "positions", "it is not a whole number from 2 to 1024")
        classes = self._fields(top.get("classes"), "classes", None)
        for name, words in classes.items():
            self._name(name, "classes", name)
            for word in self._texts(words, "classes", name):
                if word != word.lower() or not (word.isalpha() or word.isdecimal() or len(word) == 1):
                    self._wrong("classes", name, f"{word!r} is not one token: a word in lower case, a number or a sign")
            self._features[name] = True
        heads: list[Head] = []
        neurons: list[Neuron] = []
        layers = self._list(top.get("layers"), "the description", "layers")
        for layer, entry in enumerate(layers):
            where = f"layers[{layer}]"
            fields = self._fields(entry, where, {"heads", "neurons"})
            heads += self._heads(fields.get("heads", []), where, layer)
            own = list(self._neurons(fields.get("neurons", []), where, layer))
            neurons += own
            words = {name: tuple(members) for name, members in classes.items()}
            so_far = Description(words, tuple(heads), tuple(neurons), layer + 1, positions, sha256)
            self._features |= {neuron.name: so_far.is_bit(neuron) for neuron in own}
        return so_far

    def _heads(self, entries: Any, layer_entry: str, layer: int) -> list[Head]:
        heads = []
        for index, entry in enumerate(self._list(entries, layer_entry, "heads", allow_empty=True)):
            where = f"{layer_entry}.heads[{index}]"
            fields = self._fields(entry, where, {"name", "attends", "query", "key", "moves"})
            name = self._name(fields.get("name"), where, "name")
            attends = fields.get("attends")
            if attends not in ("previous", "last"):
                self._wrong(where, "attends", f"it is {attends!r}", known="It can be previous or last.")
            if attends == "previous" and (extra := {"query", "key"} & fields.keys()):
                self._wrong(where, min(extra), "a head that attends to the previous token has none")
            key = self._conditions(fields.get("key"), where, "key") if attends == "last" else ()
            query = self._conditions(fields["query"], where, "query") if "query" in fields else ()
            if query and len(query) != len(key):
                self._wrong(where, "query", f"it has {len(query)} conditions, and key has {len(key)}")
            moves = self._texts(fields.get("moves"), where, "moves")
            for feature in moves:
                self._visible(feature, where, "moves")
            heads.append(Head(name, layer, index, attends, query, key, moves))
        self._features |= {feature: True for head in heads for feature in head.features}
        return heads

    def _neurons(self, entries: Any, layer_entry: str, layer: int) -> Iterator[Neuron]:
        for index, entry in enumerate(self._list(entries, layer_entry, "neurons", allow_empty=True)):
            where = f"{layer_entry}.neurons[{index}]"
            known = {"name", *_FORMULA, "scale", "explanation", "paraphrases", "false_explanations"}
            fields = self._fields(entry, where, known)
            name = self._name(fields.get("name"), where, "name")
            formula = self._formula(fields, where)
            scale = self._number(fields.get("scale", 1.0), where, "scale")
            if scale <= 0:
                self._wrong(where, "scale", "it is not above 0")
            (explanation,) = self._texts([fields.get("explanation")], where, "explanation")
            paraphrases = self._texts(fields.get("paraphrases", []), where, "paraphrases", allow_empty=True)
            for text in (explanation, *paraphrases):
                self._say(text, formula, where, "explanation" if text == explanation else "paraphrases")
            false = tuple(self._claims(fields.get("false_explanations", []), where))
            yield Neuron(name, layer, index, formula, scale, explanation, paraphrases, false)

    def _claims(self, entries: Any, neuron_entry: str) -> Iterator[Claim]:
        for index, entry in enumerate(self._list(entries, neuron_entry, "false_explanations", allow_empty=True)):
            where = f"{neuron_entry}.false_explanations[{index}]"
            if isinstance(entry, str):
                entry = {"text": entry}
            fields = self._fields(entry, where, {"text", *_FORMULA})
            (text,) = self._texts([fields.get("text")], where, "text")
            formula = self._formula(fields, where) if len(fields) > 1 else None
            if formula:
                self._say(text, formula, where, "text")
            yield Claim(text, formula)

    def _say(self, text: str, meaning: Formula, where: str, field: str) -> None:
        if self._meanings.setdefault(text, meaning) != meaning:
            self._wrong(where, field, f"{text!r} means something else elsewhere")

    def _formula(self, fields: dict[str, Any], where: str) -> Formula:
        rules = [rule for rule in _RULES if rule in fields]
        if len(rules) != 1:
            self._wrong(where, rules[-1] if rules else "all", "there must be one of all, any and weights")
        rule = rules[0]
        if rule != "weights":
            if "bias" in fields:
                self._wrong(where, "bias", "only weights go with one")
            conditions = self._conditions(fields[rule], where, rule)
            return Formula(rule, conditions, (1.0,) * len(conditions))
        weighted = self._fields(fields[rule], where, None, field=rule)
        weights = tuple(self._number(weight, where, rule) for weight in weighted.values())
        bias = self._number(fields.get("bias", 0.0), where, "bias")
        return Formula(rule, self._conditions(list(weighted), where, rule), weights, bias)

    def _conditions(self, value: Any, where: str, field: str) -> tuple[Condition, ...]:
        conditions = tuple(
            Condition(text.removeprefix("not "), text.startswith("not ")) for text in self._texts(value, where, field)
        )
        for condition in conditions:
            self._visible(condition.feature, where, field)
        return conditions

    def _visible(self, feature: str, where: str, field: str) -> None:
        if feature not in self._features:
            near = difflib.get_close_matches(feature, self._features, n=1)
            self._wrong(
                where,
                field,
                f"there is no feature {feature!r} here",
                known=f"There is {', '.join(self._features)}.",
                remedy=f"Did you mean {near[0]}?" if near else "",
            )
        if not self._features[feature]:
            self._wrong(
                where,
                field,
                f"the neuron {feature!r} has more values than 0 and its scale, so none can read it",
                remedy="Read an `all`, or an `any` of classes that share no word.",
            )

    def _name(self, value: Any, where: str, field: str) -> str:
        if not isinstance(value, str) or not _NAME.fullmatch(value) or value in self._names:
            taken = isinstance(value, str) and value in self._names
            self._wrong(
                where,
                field,
                f"the name {value!r} is taken" if taken else f"{value!r} is no name",
                remedy="" if taken else "Write lower case letters, digits and underscores.",
            )
        self._names.add(value)
        return value

    def _texts(self, value: Any, where: str, field: str, *, allow_empty: bool = False) -> tuple[str, ...]:
        texts = self._list(value, where, field, allow_empty=allow_empty)
        if not all(isinstance(text, str) and text.strip() for text in texts):
            wrong = next(text for text in texts if not isinstance(text, str) or not text.strip())
            self._wrong(where, field, "it is missing" if wrong is None else f"{wrong!r} is no text")
        # Several pairs of query and key may share one of the two.
        if len(set(texts)) < len(texts) and field not in ("query", "key"):
            self._wrong(where, field, "it names something twice")
        return tuple(texts)

    def _number(self, value: Any, where: str, field: str) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < 1e4:
            self._wrong(where, field, f"{value!r} is no number below 10000")
        return float(value)

    def _list(self, value: Any, where: str, field: str, *, allow_empty: bool = False) -> list[Any]:
        if not isinstance(value, list) or not (value or allow_empty):
            self._wrong(where, field, "it is missing" if value is None else "it is no list with something in it")
        return value

    def _fields(self, value: Any, where: str, known: Collection[str] | None, *, field: str = "") -> dict[str, Any]:
        if not isinstance(value, dict) or (known is None and not value):
            self._wrong(where, field, "it is no JSON object with something in it")
        if unknown := sorted(value.keys() - known) if known else []:
            near = difflib.get_close_matches(unknown[0], known or (), n=1)
            self._wrong(
                where,
                unknown[0],
                "there is no such field",
                known=f"The fields are {', '.join(sorted(known or ()))}.",
                remedy=f"Did you mean {near[0]}?" if near else "",
            )
        return value

    def _wrong(self, where: str, field: str, what: str, *, known: str = "", remedy: str = "") -> NoReturn:
        place = f"{where}, field {field!r}" if field else where
        raise SubjectError(f"The description {self._file!r} is wrong in {place}: {what}.", known=known, remedy=remedy)
