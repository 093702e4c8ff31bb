"""What this distribution registers; imports no library."""

from __future__ import annotations

from neurogloss import Component, hookimpl
from neurogloss.plugin.known import RAY, install_command
from neurogloss_ray.configs import RayConfig


@hookimpl
def neurogloss_register_components() -> list[Component]:
    """The executor `ray`."""
    return [
        Component(
            "executor",
            "ray",
            RayConfig,
            "neurogloss_ray.executor:RayExecutor",
            "many processes, on one machine or many, by Ray",
            install_hint=install_command(RAY),
        )
    ]
