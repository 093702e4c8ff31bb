from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser

from neurogloss.leaderboard.entries import Cost, Results
from neurogloss.leaderboard.files import folder_name
from neurogloss.leaderboard.leaderboard import Leaderboard
from neurogloss.leaderboard.page import render_leaderboard
from neurogloss.records.failures import Failure, Reason

HOSTILE = "<script>alert(1)</script>\" onload='x' </style>&\x1b\u202e"


class _Attributes(HTMLParser):
    """The names of all attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.update(name for name, _ in attrs)


def test_the_page_shows_rows_charts_and_what_is_missing(
    entry: Callable[..., Results], board: Callable[..., Leaderboard]
) -> None:
    made = board(
        entry("mine", {"by": [0.2, 0.4, 0.5]}, cost=Cost(1000.0, 0.02), llm="model-x"),
        entry("table", {"by": [0.6, 0.8, Failure(Reason.DEAD, "")]}, cost=Cost(0.0, 0.0), floor=True),
        notes=("left out",),
    )
    page = render_leaderboard(made)
    assert page == render_leaderboard(made)
    for text in ("mine", "model-x", "0.37", "1 dead", "left out", "against tokens", "against dollars", "Deciles"):
        assert text in page
    assert page.count('<tr class="floor">') == 1


def test_the_folder_says_what_the_rows_are_tested_against(
    entry: Callable[..., Results], board: Callable[..., Leaderboard]
) -> None:
    made = board(entry("mine", {"by": [0.2]}), entry("a/b", {"by": [0.2]}))
    alone, against, other = (folder_name(made, name) for name in ("", "a/b", "a b"))
    assert re.fullmatch("[0-9a-f]{12}", alone)
    assert re.fullmatch("[0-9a-f]{12}-against-a-b", against)
    assert len({alone, against, other}) == 3


def test_every_text_is_escaped_and_nothing_is_fetched(
    entry: Callable[..., Results], board: Callable[..., Leaderboard]
) -> None:
    hostile = entry(
        f"e{HOSTILE}",
        {f"s{HOSTILE}": [0.2, 0.4]},
        llm=f"l{HOSTILE}",
        judge=f"j{HOSTILE}",
        subject=f"u{HOSTILE}",
        simulator=f"m{HOSTILE}",
    )
    page = render_leaderboard(board(hostile, notes=(HOSTILE,)))
    assert "<script" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert page.count("</style>") == 1
    parser = _Attributes()
    parser.feed(page)
    assert not {name for name in parser.names if name.startswith("on") or name in ("src", "href", "style")}
