"""The files of a leaderboard."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from neurogloss.errors import UsageError
from neurogloss.leaderboard.data import as_csv, as_data
from neurogloss.leaderboard.leaderboard import Leaderboard
from neurogloss.leaderboard.page import render_leaderboard
from neurogloss.leaderboard.tables import as_markdown
from neurogloss.store.room import write_whole


def write_files(board: Leaderboard, folder: Path) -> tuple[Path, ...]:
    """Writes the leaderboard in every form into a folder; equal leaderboards give equal files.

    Raises:
        UsageError: The folder cannot be written.
    """
    made = {
        "leaderboard.html": render_leaderboard(board),
        "leaderboard.md": as_markdown(board),
        "leaderboard.csv": as_csv(board),
        "leaderboard.json": json.dumps(as_data(board), ensure_ascii=False, allow_nan=False, indent=2) + "\n",
    }
    try:
        for name, text in made.items():
            write_whole(folder / name, text)
    except OSError as error:
        known = f"{error}\nAll runs are kept in the store."
        wrong = f"The leaderboard cannot be written to {folder}."
        raise UsageError(wrong, known=known, remedy="Name another folder: --output DIR") from error
    return tuple(folder / name for name in made)


def folder_name(board: Leaderboard, against: str = "") -> str:
    """Of the runs that are compared, and of the row that they are tested against, if it was named."""
    runs = sorted({run for subject in board.subjects for row in subject.rows for run in row.runs})
    compared = hashlib.sha256(" ".join([*runs, against] if against else runs).encode("utf-8")).hexdigest()[:12]
    return f"{compared}-against-{re.sub(r'[^A-Za-z0-9_.-]+', '-', against)[:40]}" if against else compared
