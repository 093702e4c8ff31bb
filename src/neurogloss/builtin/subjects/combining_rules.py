"""Kinds of rules that are made of other rules."""

from __future__ import annotations

import numpy as np

from neurogloss.builtin.subjects.rule_kinds import Rule, kind


@kind
def _all(rules: list[Rule]) -> Rule:
    """Conjunction: the smallest of the rules' values."""
    return lambda words: np.min([rule(words) for rule in rules], axis=0)


@kind
def _any(rules: list[Rule]) -> Rule:
    """Disjunction: the largest of the rules' values."""
    return lambda words: np.max([rule(words) for rule in rules], axis=0)


@kind
def _not(rule: Rule) -> Rule:
    """Negation: 1 where `rule` is not above 0."""
    return lambda words: (rule(words) <= 0).astype(np.float64)


@kind
def _sum(rules: list[Rule]) -> Rule:
    """The sum of several rules."""
    return lambda words: np.sum([rule(words) for rule in rules], axis=0)


@kind
def _scaled(factor: float, rule: Rule) -> Rule:
    """`rule`'s value, multiplied."""
    return lambda words: factor * rule(words)


@kind
def _where(rule: Rule, holds: Rule) -> Rule:
    """`rule`'s value where the rule `holds` is above 0; else 0."""
    return lambda words: np.where(holds(words) > 0, rule(words), 0.0)
