"""Which explainers and simulators fit together.

A component may say which types of explanation it writes or reads (`Component.explanations`). Where
both sides say so a mismatch is found here, before anything is built; where one is silent the
pipeline finds it out, and records it as `mismatched`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from neurogloss.config.choices import Choice
from neurogloss.errors import UnfitError
from neurogloss.plugin.registry import Registry

Pair = tuple[Choice, Choice]
"""An explainer and the simulator that reads what it writes."""


def reads(reader: Choice, explainer: Choice) -> bool:
    """Whether the reader may read what the explainer writes, as far as both say."""
    written, read = written_by(explainer), reader.component.explanations
    return not written or not read or bool(written & set(read))


def written_by(explainer: Choice) -> frozenset[str]:
    """The types of explanation that an explainer says it writes, or that those it holds do; empty if one is silent."""
    if explainer.component.explanations:
        return frozenset(explainer.component.explanations)
    held = [each for each in explainer.walk() if each is not explainer and each.kind == "explainer"]
    types = [written_by(each) for each in held]
    return frozenset().union(*types) if all(types) else frozenset()


def check_readable(explainer: Choice, simulator: Choice | None, scorers: Iterable[Choice], registry: Registry) -> None:
    """Checks that the run's own explanations are read by all that must read them.

    Raises:
        UnfitError: The simulator, if one is used, or a scorer reads other types.
    """
    for reader in filter(None, (simulator, *scorers)):
        if not reads(reader, explainer):
            written = written_by(explainer)
            fitting = [c.name for c in registry.components(reader.kind) if written & set(c.explanations)]
            raise UnfitError(
                f"{reader.kind}={reader.component.name} does not read what "
                f"explainer={explainer.component.name} writes ({', '.join(sorted(written))}).",
                known=f"It reads {', '.join(reader.component.explanations)}.",
                remedy=f"Choose {reader.kind}={' or '.join(fitting)}, or another explainer." if fitting else "",
                key=reader.name,
            )


def fitting_floors(
    floors: Mapping[str, Pair], main: Pair, scorers: Mapping[str, Choice], *, compare_simulators: bool
) -> tuple[dict[str, Pair], tuple[str, ...]]:
    """The floors that can stand beside the main arm.

    Args:
        floors: An explainer and a simulator for each name.
        main: Those of the run itself.
        scorers: The run's; one that does not read a floor does not score it.
        compare_simulators: Whether any scorer uses a simulator.

    Returns:
        The floors that are kept, and a note for each that is not, or not under all scorers.
    """
    kept, notes = {}, []
    for name, (explainer, simulator) in floors.items():
        same_simulator = not compare_simulators or simulator.same_as(main[1])
        if explainer.same_as(main[0]) and same_simulator:
            notes.append(f"The floor {name} is left out: it is the run's own explainer.")
        elif compare_simulators and not reads(simulator, explainer):
            notes.append(
                f"The floor {name} is left out: simulator={simulator.component.name} does not read "
                f"what {explainer.component.name} writes."
            )
        else:
            unread = [scorer for scorer, choice in scorers.items() if not reads(choice, explainer)]
            if unread:
                notes.append(
                    f"The floor {name} is left out under {', '.join(unread)}: "
                    f"what {explainer.component.name} writes is not read there."
                )
            if not scorers or len(unread) < len(scorers):
                kept[name] = (explainer, simulator)
    return kept, tuple(notes)
