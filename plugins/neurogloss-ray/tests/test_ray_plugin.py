"""What is told before any cluster is there."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from neurogloss.cli.main import main
from neurogloss.errors import ConfigError
from neurogloss.pipeline.spreading.hub import ProgressHub
from neurogloss_ray.actors import HubActor
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


@pytest.fixture
def unconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if no other test had connected this process to a cluster."""
    monkeypatch.setattr("ray.is_initialized", lambda: False)


@pytest.mark.usefixtures("unconnected")
def test_an_address_that_does_not_answer_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound, and not listening
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        told = _told(capsys, tmp_path, f"executor.address={address}")
    assert f"A Ray cluster does not answer at {address}" in told
    assert "ray start --head" in told


@pytest.mark.usefixtures("unconnected")
def test_a_cluster_that_is_not_on_this_machine_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing_found(**_options: object) -> None:  # Ray would find the cluster of another test
        raise ConnectionError("Could not find any running Ray instance.")

    monkeypatch.setattr("ray.init", nothing_found)
    assert "was not found on this machine" in _told(capsys, tmp_path, "executor.address=auto")


def test_without_the_plugin_its_name_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEUROGLOSS_DISABLED_PLUGINS", "ray")
    assert 'pip install "./plugins/neurogloss-ray"' in _told(capsys, tmp_path)


async def test_calls_that_overtake_each_other_wait_for_those_before_them() -> None:
    actor = HubActor(ProgressHub(), os.getcwd())
    await actor.open()
    numbers = [3, 1, 0, 4, 2]
    calls = [actor.answer("part", number, "progress", "note", str(number)) for number in numbers]
    calls.append(actor.answer("another", 0, "progress", "note", "of another"))
    await asyncio.wait_for(asyncio.gather(*calls), 5)
    told = [values[0] for _, values in await actor.news(0)]
    assert [text for text in told if text != "of another"] == ["0", "1", "2", "3", "4"]
    assert "of another" in told
