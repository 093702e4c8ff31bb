"""`Component`: what a plugin registers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

KINDS = (
    "corpus",
    "subject",
    "llm",
    "explainer",
    "simulator",
    "scorer",
    "negatives",
    "embedder",
    "store",
    "executor",
)
"""The kinds of component; each is also a configuration group."""


@dataclass(frozen=True)
class Component:
    """One thing that can be chosen in the configuration.

    The factory is called with the config object first and, by keyword, one built component for
    each kind in `needs`, and what `parts` names: `factory(config, llm=..., of=...)`.
    """

    kind: str
    """One of `KINDS`."""
    name: str
    """Its name in the configuration: `llm=NAME`. Lower case, digits, underscores."""
    config: type[Any]
    """A dataclass that OmegaConf can hold; every field has a default or is `omegaconf.MISSING`."""
    factory: str
    """`module:Class`, imported when the component is built and not before."""
    summary: str = ""
    """One line for lists."""
    needs: tuple[str, ...] = ()
    """Kinds of component that the factory is handed."""
    parts: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Fields of its config that choose further components, with their kinds: `{"of": "explainer"}`. The field, of
    type `Any`, holds a name, or a mapping with `component` and the component's own keys, or a list of these; the
    factory is handed the built component, or a tuple of them, under the field's name."""
    requires: tuple[str, ...] = ()
    """Capabilities that one of the `needs` must provide, such as `choice_logprobs`."""
    provides: tuple[str, ...] = ()
    """Capabilities it has. A field `provides` in its config, when not null, takes the place of this."""
    explanations: tuple[str, ...] = ()
    """Types of explanation, such as `ProseExplanation`: those an explainer writes, those a simulator or a
    scorer reads. Empty says nothing, and what does not fit is found out when it happens."""
    selects_on_valid: bool = False
    """Whether it chooses by results on the split `valid`, which can then not be scored on."""
    install_hint: str = ""
    """What to type when the factory's module cannot be imported."""
