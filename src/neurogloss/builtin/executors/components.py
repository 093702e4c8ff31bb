"""What is registered of the executors."""

from __future__ import annotations

from neurogloss.builtin.executors.configs import LocalConfig
from neurogloss.plugin.component import Component

COMPONENTS = (
    Component(
        kind="executor",
        name="local",
        config=LocalConfig,
        factory="neurogloss.builtin.executors.local:LocalExecutor",
        summary="this process, many items at a time",
    ),
)
