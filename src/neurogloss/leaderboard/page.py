"""The leaderboard as one HTML page that needs nothing else."""

from __future__ import annotations

from neurogloss.leaderboard.leaderboard import Leaderboard


def render_leaderboard(board: Leaderboard) -> str:
    """The page."""
    return "TODO\n"
