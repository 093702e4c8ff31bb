from __future__ import annotations

import io
import logging

import pytest
from rich.console import Console

from neurogloss.cli.progress import Bars, Lines, shown_progress
from neurogloss.pipeline.progress import Progress


def _work(progress: Progress) -> None:
    progress.start("collect", 2000, "tokens")
    progress.advance("collect", 1500)
    progress.note("half way")
    progress.advance("collect", 500)
    progress.finish("collect")
    progress.start("explain", None, "steps")
    progress.advance("explain")
    progress.finish("explain")


def test_elsewhere_than_on_a_terminal_each_finished_stage_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with shown_progress(quiet=False) as progress:
        assert isinstance(progress, Lines)
        _work(progress)
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert lines[0] == "note: half way"
    assert lines[1].startswith("collect: 2,000 tokens in ")
    assert lines[2].startswith("explain: 1 steps in ")
    assert len(lines) == 3


def test_a_warning_of_a_component_is_a_note(capsys: pytest.CaptureFixture[str]) -> None:
    with shown_progress(quiet=False):
        logging.getLogger("neurogloss_elsewhere").warning("memory ran out with %d", 7)
    assert capsys.readouterr().err == "note: memory ran out with 7\n"


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with shown_progress(quiet=True) as progress:
        _work(progress)
    assert capsys.readouterr() == ("", "")


def test_on_a_terminal_bars_show_how_much_is_done() -> None:
    screen = io.StringIO()
    with Bars(Console(file=screen, force_terminal=True, width=120)) as bars:
        _work(bars)
        bars.start("explain", 4, "steps")
        bars.advance("explain", 3)
    text = screen.getvalue()
    assert "2,000/2,000 tokens" in text
    assert "3/4 steps" in text
    assert "half way" in text
