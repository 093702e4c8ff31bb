"""Building a component: its factory is imported here, and nowhere earlier."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from neurogloss.errors import NeuroglossError, PluginError
from neurogloss.plugin.component import Component

INTERFACES = {
    "corpus": "neurogloss.interfaces.corpus:Corpus",
    "subject": "neurogloss.interfaces.subject:SubjectModel",
    "llm": "neurogloss.interfaces.language_model:LanguageModel",
    "explainer": "neurogloss.interfaces.explainer:Explainer",
    "simulator": "neurogloss.interfaces.simulator:Simulator",
    "scorer": "neurogloss.interfaces.scorer:Scorer",
    "negatives": "neurogloss.interfaces.negatives:Negatives",
    "embedder": "neurogloss.interfaces.embedder:Embedder",
    "store": "neurogloss.interfaces.result_store:ResultStore",
    "executor": "neurogloss.interfaces.executor:Executor",
}
"""The abstract class of each kind; strings, so that listing plugins imports none."""


def provided(component: Component, config: Any) -> frozenset[str]:
    """The capabilities of a component, as its config may override them."""
    override = getattr(config, "provides", None)
    return frozenset(component.provides if override is None else override)


def build(component: Component, distribution: str, config: Any, needs: Mapping[str, Any]) -> Any:
    """Imports the factory and calls it.

    Args:
        component: What to build.
        distribution: Name and version of where it comes from, for errors.
        config: An instance of the component's config class.
        needs: The built components that it needs, by kind, and its parts, by field.

    Raises:
        PluginError: The factory cannot be imported or called, or returns something else than the
            interface of the component's kind.
        NeuroglossError: What the factory itself raises on purpose.
    """
    what = f"The {component.kind} {component.name!r}"
    origin = f"It comes from {distribution}, factory {component.factory}."
    try:
        factory = _resolved(component.factory)
        misfit = _misfit(factory, config, needs)
        built = None if misfit else factory(config, **needs)
    except NeuroglossError:
        raise
    except ImportError as error:
        hint = component.install_hint
        raise PluginError(
            f"{what} cannot be imported: {error}.",
            known=origin,
            remedy=f"Install what it needs: {hint}" if hint else "",
        ) from error
    except Exception as error:
        raise PluginError(f"{what} failed when it was built: {type(error).__name__}: {error}", known=origin) from error
    if misfit:
        raise PluginError(f"{what} cannot be built: {misfit}.", known=origin)
    interface = _resolved(INTERFACES[component.kind])
    if not isinstance(built, interface):
        raise PluginError(
            f"{what} is a {type(built).__module__}.{type(built).__qualname__}, which is no {interface.__name__}.",
            known=origin,
            remedy=f"Its class must inherit from {INTERFACES[component.kind].replace(':', '.')}.",
        )
    return built


def _resolved(path: str) -> Any:
    module, _, name = path.partition(":")
    found: Any = import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _misfit(factory: Callable[..., Any], config: Any, needs: Mapping[str, Any]) -> str:
    """Why the factory cannot be called with these arguments; empty if it can."""
    if not callable(factory):
        return "its factory cannot be called"
    try:
        signature = inspect.signature(factory)
    except ValueError:  # a class written in C tells no signature
        return ""
    try:
        signature.bind(config, **needs)
    except TypeError as error:
        call = ", ".join(["config", *(f"{kind}=..." for kind in needs)])
        return f"its factory takes {signature} and is called with ({call}): {error}"
    return ""
