"""What is told before any cluster is there."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from neurogloss.cli.main import main
from neurogloss.errors import ConfigError
from neurogloss_ray.configs import RayConfig

RUN = ("run", "subject=synthetic", "llm=scripted", "units=[layers.0.mlp/0]", "collection.max_documents=40")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("workers", 0),
        ("concurrency", 0),
        ("shards_per_worker", 0),
        ("attempts", 0),
        ("cpus", -1.0),
        ("gpus", float("nan")),
        ("patience_s", 0.0),
        ("address", "head"),
        ("address", "http://head:8265"),
    ],
)
def test_values_that_mean_nothing_are_refused(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"^{field} is "):
        RayConfig(**{field: value}).check()  # type: ignore[arg-type]


def _told(capsys: pytest.CaptureFixture[str], tmp_path: Path, *overrides: str) -> str:
    assert main([*RUN, f"store.root={tmp_path / 'store'}", "executor=ray", *overrides]) == 2
    told = capsys.readouterr().err
    assert told.count("neurogloss: ") == 1
    return told


def test_an_address_that_does_not_answer_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound, and not listening
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        told = _told(capsys, tmp_path, f"executor.address={address}")
    assert f"A Ray cluster does not answer at {address}" in told
    assert "ray start --head" in told


def test_a_cluster_that_is_not_on_this_machine_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert "was not found on this machine" in _told(capsys, tmp_path, "executor.address=auto")


def test_without_the_plugin_its_name_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEUROGLOSS_DISABLED_PLUGINS", "ray")
    assert 'pip install "./plugins/neurogloss-ray"' in _told(capsys, tmp_path)
