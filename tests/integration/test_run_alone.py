"""What two processes that do the same run must not do."""

from __future__ import annotations

from pathlib import Path

import pytest

from neurogloss import app
from neurogloss.config.composing import compose
from neurogloss.config.settings import Settings, settings_of
from neurogloss.errors import UsageError
from neurogloss.pipeline.progress import Progress
from neurogloss.plugin.registry import load_registry
from neurogloss.session import Session
from neurogloss.store.locks import LOCKS, locked


def _settings(root: Path, *overrides: str) -> Settings:
    registry = load_registry()
    small = ["subject=synthetic", "corpus=synthetic", "llm=scripted", "units=[layers.0.mlp/0]", "floor=[]"]
    small += ["collection.max_documents=80", f"store.root={root}"]
    return settings_of(compose([*small, *overrides], registry), registry)


def test_a_run_that_is_in_work_is_not_begun_again(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    run_id = Session(settings, Progress()).run_id
    with locked(tmp_path / LOCKS / run_id) as alone:
        assert alone
        with pytest.raises(UsageError, match="in work in another process"):
            app.run(settings, Progress())
    assert app.run(settings, Progress()).run_id == run_id


def test_a_report_that_cannot_be_written_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    settings = _settings(tmp_path, f"report={tmp_path}")
    with pytest.raises(UsageError, match="is a folder"):
        app.run(settings, Progress())
    assert not (tmp_path / "activations").exists()


def test_more_than_there_is_can_be_asked_for(tmp_path: Path) -> None:
    """Slots are made for what there can be, not for what is asked."""
    huge = [f"collection.{name}={10**18}" for name in ("top_k", "n_random", "per_bin", "n_importance")]
    run = app.run(_settings(tmp_path, *huge), Progress())
    assert run.n_failed_units == 0
