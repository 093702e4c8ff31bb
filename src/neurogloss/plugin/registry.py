"""The registry: every component that is installed, by kind and name, and what is wrong with plugins."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import EntryPoint
from importlib.metadata import entry_points as installed_entry_points
from typing import Any

from neurogloss.errors import ConfigError, PluginError, UnfitError
from neurogloss.plugin import building, known
from neurogloss.plugin.component import KINDS, Component
from neurogloss.plugin.hookspecs import PROJECT
from neurogloss.plugin.loading import Plugin, Problem, load_plugin

DISABLED = "NEUROGLOSS_DISABLED_PLUGINS"
"""The environment variable that names plugins to leave out: entry points or distributions, comma-separated."""


class Registry:
    """The components of the plugins that were loaded.

    A name that two plugins register belongs to neither: both are told, and using it is an error.
    """

    def __init__(self, plugins: Iterable[Plugin]) -> None:
        self._plugins = sorted(plugins, key=lambda p: (p.distribution != PROJECT, p.distribution, p.entry_point))
        self._claims: dict[tuple[str, str], list[tuple[Plugin, Component]]] = {}
        for plugin in self._plugins:
            for component in plugin.components:
                self._claims.setdefault((component.kind, component.name), []).append((plugin, component))
        for (kind, name), claims in self._claims.items():
            if len(claims) > 1:
                for plugin, _ in claims:
                    plugin.add_problem(f"{kind} {name!r} is registered twice, by {_told(claims)}; neither can be used")

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the plugins."""
        return tuple(problem for plugin in self._plugins for problem in plugin.problems)

    @property
    def config_packages(self) -> tuple[str, ...]:
        """The importable packages whose YAML files add presets."""
        return tuple(dict.fromkeys(package for plugin in self._plugins for package in plugin.config_packages))

    def components(self, kind: str | None = None) -> tuple[Component, ...]:
        """The components that can be used, of one kind or of all, sorted by kind and name.

        Raises:
            ConfigError: There is no such kind.
        """
        if kind is not None:
            _check_kind(kind)
        usable = [claims[0][1] for claims in self._claims.values() if len(claims) == 1]
        chosen = [component for component in usable if kind in (None, component.kind)]
        return tuple(sorted(chosen, key=lambda component: (KINDS.index(component.kind), component.name)))

    def distribution_of(self, component: Component) -> tuple[str, str]:
        """Name and version of the distribution that a component comes from."""
        plugin = self._plugin_of(component)
        return plugin.distribution, plugin.version

    def add_problem(self, source: Component | str, message: str) -> None:
        """Records what was found to be wrong later with a component or a config package."""
        self._plugin_of(source).add_problem(message)

    def get(self, kind: str, name: str) -> Component:
        """The component of this kind and name.

        Raises:
            ConfigError: There is no such kind.
            PluginError: No component has this name, or two have.
        """
        _check_kind(kind)
        claims = self._claims.get((kind, name), [])
        if len(claims) == 1:
            return claims[0][1]
        if claims:
            raise PluginError(
                f"The {kind} {name!r} is registered twice, so neither can be used.",
                known=f"It is registered by {_told(claims)}.",
                remedy=f"Uninstall one, or leave it out: {DISABLED}={claims[-1][0].distribution}",
            )
        raise self.missing(kind, name)

    def missing(self, kind: str, name: str) -> PluginError:
        """The error for a name that nothing installed has: what is installed, and what would provide it."""
        installed = [component.name for component in self.components(kind)]
        said = [f"Installed: {', '.join(installed) or 'none'}."]
        broken = sorted({f"{problem.distribution} {problem.version}" for problem in self.problems})
        if broken:
            said.append(f"Plugins with problems (see neurogloss plugins): {', '.join(broken)}.")
        provider = known.provider(kind, name)
        near = difflib.get_close_matches(name, [*installed, *known.known_names(kind)], n=1)
        if provider:
            remedy = f"{provider} provides it: {known.install_command(provider)}"
        elif near:
            remedy = f"Did you mean {near[0]}?"
        else:
            remedy = f"To see what there is: neurogloss plugins --kind {kind}"
        return PluginError(f"There is no {kind} named {name!r}.", known=" ".join(said), remedy=remedy)

    def build(self, component: Component, config: Any, **needs: Any) -> Any:
        """Builds a component from its config and the built components it needs.

        Returns:
            An instance of the interface of the component's kind.

        Raises:
            PluginError: The factory cannot be imported or called, or returns something else.
            NeuroglossError: What the factory itself raises on purpose.
        """
        return building.build(component, " ".join(self.distribution_of(component)), config, needs)

    def check_capabilities(
        self, component: Component, config: Any, needed: Mapping[str, tuple[Component, Any]]
    ) -> None:
        """Checks that what a component is to be built on can do what it requires.

        Args:
            component: What is to be built.
            config: Its config.
            needed: For each kind in `component.needs`, the chosen component and its config.

        Raises:
            UnfitError: A required capability is not provided.
        """
        provided = {
            capability for other, settings in needed.values() for capability in building.provided(other, settings)
        }
        for capability in component.requires:
            if capability not in provided:
                raise self._incapable(component, capability, needed)

    def _incapable(
        self, component: Component, capability: str, needed: Mapping[str, tuple[Component, Any]]
    ) -> UnfitError:
        chosen = " and ".join(f"{kind} {other.name!r}" for kind, (other, _) in needed.items())
        able = [
            f"{kind}={other.name}" for kind in needed for other in self.components(kind) if capability in other.provides
        ]
        alternatives = [
            f"{component.kind}={other.name}"
            for other in self.components(component.kind)
            if capability not in other.requires
        ]
        return UnfitError(
            f"The {component.kind} {component.name!r} requires {capability}, "
            f"which {chosen or 'nothing it is built on'} does not provide.",
            known=f"Installed and providing {capability}: {', '.join(able) or 'none'}.",
            remedy=f"Choose one of those, or a {component.kind} that does not require it: "
            f"{', '.join(alternatives) or 'none is installed'}.",
        )

    def _plugin_of(self, source: Component | str) -> Plugin:
        for plugin in self._plugins:
            if source in plugin.components or source in plugin.config_packages:
                return plugin
        raise LookupError(f"{source!r} comes from no loaded plugin")


def load_registry(entry_points: Iterable[EntryPoint] | None = None) -> Registry:
    """Loads the plugins.

    Args:
        entry_points: Which; by default those of the group `neurogloss` that are installed, loaded
            once per process.
    """
    disabled = os.environ.get(DISABLED, "")
    if entry_points is None:
        return _installed(disabled)
    return _load(entry_points, disabled)


@cache
def _installed(disabled: str) -> Registry:
    return _load(installed_entry_points(group=PROJECT), disabled)


def _load(entry_points: Iterable[EntryPoint], disabled: str) -> Registry:
    left_out = {_normal(name) for name in disabled.split(",") if name.strip()}
    return Registry(load_plugin(entry) for entry in entry_points if not left_out & _names(entry))


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise ConfigError(f"{kind!r} is not a kind of component.", known=f"The kinds are {', '.join(KINDS)}.")


def _names(entry_point: EntryPoint) -> set[str]:
    names = {_normal(entry_point.name)}
    return names if entry_point.dist is None else names | {_normal(entry_point.dist.name)}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _told(claims: list[tuple[Plugin, Component]]) -> str:
    return " and ".join(f"{plugin.distribution} {plugin.version} ({plugin.entry_point})" for plugin, _ in claims)
