"""Rules from words to activations, as data.

A rule is a JSON object: `{"kind": "words", "words": ["sea", "ship"]}`. Its value at a token depends on
that token and those before it, never on later ones, as in a causal language model. To add a kind,
write a function that takes the object's other entries and returns a `Rule`, under `@kind`, in one of
the modules imported here; entries named `rule`, `holds` and `rules` come to it as rules.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from neurogloss.builtin.subjects import combining_rules, context_rules, word_rules  # noqa: F401  (they fill the table)
from neurogloss.builtin.subjects.located import FieldError, items
from neurogloss.builtin.subjects.rule_kinds import KINDS, Rule


def compile_rule(spec: Any, where: tuple[str | int, ...] = ()) -> Rule:
    """The rule that a JSON object describes.

    Args:
        spec: The object.
        where: The way to it in its file.

    Raises:
        FieldError: No object, an unknown kind, or entries that the kind does not take; of the rule within
            which it is so.
    """
    if not isinstance(spec, Mapping):
        raise FieldError(where, f'a rule is an object such as {{"kind": "words", "words": ["sea"]}}, not {spec!r}')
    entries = {str(name): value for name, value in spec.items()}
    name = entries.pop("kind", None)
    if not isinstance(name, str) or name not in KINDS:
        raise FieldError((*where, "kind"), f"unknown kind of rule {name!r}; the kinds are {', '.join(sorted(KINDS))}")
    for inner in sorted({"rule", "holds"} & entries.keys()):
        entries[inner] = compile_rule(entries[inner], (*where, inner))
    if "rules" in entries:
        place = (*where, "rules")
        entries["rules"] = [compile_rule(each, (*place, i)) for i, each in enumerate(items(entries["rules"], place))]
    try:
        rule = KINDS[name](**entries)
        rule(("a", "1"))  # entries of a wrong type may show at the first word
    except (TypeError, AttributeError, ValueError, re.error) as error:
        raise FieldError(where, f"rule of kind {name!r}: {error}".replace(f"_{name}()", "it")) from error
    return rule
