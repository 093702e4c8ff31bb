"""Configurations of the built-in subjects."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class SyntheticConfig:
    """A subject without a model, whose units follow written rules."""

    units: str | None = None
    """A YAML or JSON file of units with their rules, or of puzzles; the built-in units if null."""
    bos: bool = False
    """Whether every sequence begins with a BOS token."""
