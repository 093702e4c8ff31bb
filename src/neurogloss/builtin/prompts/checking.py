"""Whether a prompt that the user wrote is a template, without loading Jinja for those that are ours."""

from __future__ import annotations


def check_prompt(name: str, path: str | None) -> None:
    """Raises `ConfigError` where a file is given and cannot take the place of the built-in prompt of this name."""
    if path is not None:
        from neurogloss.builtin.prompts.rendering import Prompt

        Prompt(name, path)
