"""What `doctor` finds out, against servers that do more or less than is declared."""

from __future__ import annotations

from typing import Any

import pytest

from neurogloss.interfaces.probing import Finding, Probing
from neurogloss_openai.configs import ABILITIES, ChoiceMethod

ECHO = "prompt log-probabilities (echo)"
SLOTS = "log-probabilities in completions (slots)"
CHAT = "log-probabilities in chat (top_logprobs)"


async def probed(client: Any) -> dict[str, Finding]:
    assert isinstance(client, Probing)
    return {finding.ability: finding for finding in await client.probe()}


async def test_a_server_that_does_what_is_declared(wire: Any) -> None:
    found = await probed(wire.client(choice_method=ChoiceMethod.ECHO, provides=list(ABILITIES)))
    assert set(found) == {
        "models", "generate", "seed", "n", "json_schema", ECHO, SLOTS, CHAT, "text_logprobs", "assistant prefill"
    }  # fmt: skip
    assert all(finding.works for finding in found.values())
    assert not [finding for finding in found.values() if "declared" in finding.detail]
    assert {ability for ability, finding in found.items() if finding.claimed} == {
        "generate", "seed", "n", "json_schema", ECHO, "text_logprobs"
    }  # fmt: skip
    assert len(wire.seen) <= 13, "a handful of tiny questions"
    assert all(body.get("max_tokens", body.get("max_completion_tokens", 0)) <= 24 for _, body in wire.seen)


@pytest.mark.parametrize(
    ("echo", "reason"),
    [("refused", "Only no echo"), ("ignored", "did not"), ("bare", "tells no log-probabilities of it")],
)
async def test_a_claimed_echo_is_found_out(wire: Any, echo: str, reason: str) -> None:
    wire.echo = echo
    found = await probed(wire.client(choice_method=ChoiceMethod.ECHO))
    assert not found[ECHO].works
    assert found[ECHO].detail.startswith("declared, but: ")
    assert reason in found[ECHO].detail
    assert found[SLOTS].works


async def test_claims_that_are_not_kept(wire: Any) -> None:
    wire.abilities = {"usage"}
    found = await probed(wire.client(model="tiny", prefill=True))
    for ability, reason in {
        "seed": "got different texts",
        "n": "asked for 2 texts and gave 1",
        "json_schema": "does not follow the schema",
        CHAT: "tells no log-probabilities",
        "assistant prefill": "does not continue",
    }.items():
        assert not found[ability].works
        assert found[ability].detail.startswith("declared, but: ")
        assert reason in found[ability].detail
    assert found["generate"].works


async def test_what_works_without_being_declared(wire: Any) -> None:
    found = await probed(wire.client(provides=["generate"]))
    for ability in ("seed", "n", "json_schema"):
        assert found[ability].works
        assert f"not declared: set provides with {ability}" in found[ability].detail
    assert "set choice_method=slots and provides with choice_logprobs" in found[SLOTS].detail


async def test_a_model_that_the_server_does_not_list(wire: Any) -> None:
    found = await probed(wire.client(model="huge"))
    assert found["models"] == Finding("models", False, "The server does not list 'huge'; it lists tiny.")
    assert not any(finding.works for finding in found.values())


async def test_a_wrong_key_is_a_finding_without_the_key(wire: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINY_KEY", "canary-another-0000")
    found = await probed(wire.client())
    assert not any(finding.works for finding in found.values())
    assert all("TINY_KEY" in finding.detail for finding in found.values())
    assert not [finding for finding in found.values() if "canary" in finding.detail]
