"""The built-in components, registered through the same hooks as anybody's."""

from __future__ import annotations

from neurogloss.builtin.corpora import components as corpora
from neurogloss.builtin.embedders import components as embedders
from neurogloss.builtin.executors import components as executors
from neurogloss.builtin.explainers import components as explainers
from neurogloss.builtin.llms import components as llms
from neurogloss.builtin.negatives import components as negatives
from neurogloss.builtin.scorers import components as scorers
from neurogloss.builtin.simulators import components as simulators
from neurogloss.builtin.subjects import components as subjects
from neurogloss.plugin.component import Component
from neurogloss.plugin.hookspecs import hookimpl
from neurogloss.store.configs import PostgresStoreConfig, SqliteStoreConfig

_STORES = (
    Component(
        kind="store",
        name="sqlite",
        config=SqliteStoreConfig,
        factory="neurogloss.store.sql:SqlResultStore",
        summary="results in one SQLite file, activations beside it",
    ),
    Component(
        kind="store",
        name="postgres",
        config=PostgresStoreConfig,
        factory="neurogloss.store.sql:SqlResultStore",
        summary="results in a Postgres database, for writers on many machines",
        install_hint='pip install ".[postgres]"',
    ),
)


@hookimpl
def neurogloss_register_components() -> list[Component]:
    """The components that need no plugin."""
    kinds = (corpora, subjects, llms, explainers, simulators, scorers, negatives, embedders, executors)
    return [component for kind in kinds for component in kind.COMPONENTS] + list(_STORES)


@hookimpl
def neurogloss_config_packages() -> list[str]:
    """The presets that come with neurogloss."""
    return ["neurogloss.conf"]
