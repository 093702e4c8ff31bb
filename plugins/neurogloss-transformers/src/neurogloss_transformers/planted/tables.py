"""A description as tables in Markdown: what each head and neuron does, and who reads whom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from neurogloss_transformers.planted.description import Condition, Description, Head, Neuron


def head_table(description: Description) -> str:
    """One row for each head."""
    return _table(
        ("head", "name", "attends to", "moves", "reads", "read by"),
        (
            (f"{head.layer}.{head.index}", head.name, _target(head), ", ".join(head.moves), *_edges(description, head))
            for head in description.heads
        ),
    )


def neuron_table(description: Description) -> str:
    """One row for each neuron."""
    return _table(
        ("unit", "name", "value", "reads", "read by"),
        (
            (f"`layers.{unit.layer}.mlp/{unit.index}`", unit.name, _rule(unit), *_edges(description, unit))
            for unit in description.neurons
        ),
    )


def _target(head: Head) -> str:
    if head.attends == "previous":
        return "the token before"
    pairs = zip(head.query, head.key, strict=True) if head.query else ((None, key) for key in head.key)
    return "the last token with " + " or ".join(
        _condition(key) + (f" (from {_condition(query)})" if query else "") for query, key in pairs
    )


def _rule(neuron: Neuron) -> str:
    formula = neuron.formula
    conditions = [_condition(condition) for condition in formula.conditions]
    match formula.rule:
        case "all":
            rule = " and ".join(conditions)
        case "any":
            rule = " + ".join(conditions)
        case "weights":
            terms = [f"{weight:g} {name}" for weight, name in zip(formula.weights, conditions, strict=True)]
            rule = f"relu({' + '.join(terms)}{f' {formula.bias:+g}' if formula.bias else ''})"
    return rule if neuron.scale == 1 else f"{neuron.scale:g} x ({rule})"


def _condition(condition: Condition) -> str:
    return f"not {condition.feature}" if condition.negated else condition.feature


def _edges(description: Description, unit: Head | Neuron) -> tuple[str, str]:
    reads = [name for name in description.units if (name, unit.name) in description.edges]
    return ", ".join(reads), ", ".join(description.readers[unit.name])


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = ["---"] * len(header)
    return "\n".join("| " + "".join(f"{cell} | ".lstrip() for cell in row).rstrip() for row in (header, rule, *rows))
