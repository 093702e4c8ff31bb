"""What a run tells before it is spread over processes."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from neurogloss.builtin.llms.scripted import ScriptedModel
from neurogloss.config.composing import compose
from neurogloss.config.settings import Settings, settings_of
from neurogloss.errors import ConfigError, StoreError
from neurogloss.pipeline.progress import Progress
from neurogloss.pipeline.sequences import document_starts
from neurogloss.pipeline.spreading.collecting import check_shared
from neurogloss.plugin.registry import load_registry
from neurogloss.records.runs import BatchedCall, OpenBatch
from neurogloss.session import Session
from neurogloss.store.activations import ActivationStore

SMALL = ("subject=synthetic", "llm=scripted", "units=[layers.0.mlp/0]", "collection.max_documents=40")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    registry = load_registry()
    return settings_of(compose([*SMALL, f"store.root={tmp_path}"], registry), registry)


def test_settings_and_hub_are_plain_data(settings: Settings) -> None:
    assert pickle.loads(pickle.dumps(settings)).plain == settings.plain
    assert pickle.loads(pickle.dumps(Session(settings, Progress()).hub()))


def test_batches_are_gathered_in_one_process(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ScriptedModel, "batched", True)
    with pytest.raises(ConfigError, match="batches"):
        Session(settings, Progress()).hub()


def test_a_run_with_an_open_batch_is_not_spread(settings: Settings) -> None:
    session = Session(settings, Progress())
    call = BatchedCall("key", "explainer", "{}")
    session.store.open_batch(OpenBatch("of another run", "another", "scripted", (call,)))
    session.hub()
    session.store.open_batch(OpenBatch("of this run", session.run_id, "scripted", (call,)))
    with pytest.raises(ConfigError, match="executor=local"):
        session.hub()


def test_a_folder_that_is_not_shared_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"does not see the collection abc in .*\n.*\nLet store.root be a folder"):
        check_shared(ActivationStore(tmp_path), "abc")


def test_documents_begin_where_the_ids_say() -> None:
    ids = np.array([0, 1, 2, 1 << 20, 3 << 20, (3 << 20) + 1])
    assert document_starts(ids).tolist() == [0, 3, 4, 6]
    assert document_starts(ids[:1]).tolist() == [0, 1]
