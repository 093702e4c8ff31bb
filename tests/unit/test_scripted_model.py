"""The scripted model: its replies depend on the request alone."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest

from neurogloss.builtin.llms.configs import ScriptedConfig
from neurogloss.builtin.llms.scripted import ScriptedModel
from neurogloss.errors import ConfigError, PermanentError, TransientError
from neurogloss.records.documents import Message
from neurogloss.records.requests import ChoiceReply, ChoiceRequest, GenerateReply, GenerateRequest

DIGITS = tuple(map(str, range(11)))


def asking(text: str = "The heron waits by the river", **options: object) -> GenerateRequest:
    return GenerateRequest((Message("user", text),), max_tokens=50, **options)  # type: ignore[arg-type]


def generate(request: GenerateRequest, **config: object) -> GenerateReply:
    return asyncio.run(ScriptedModel(ScriptedConfig(**config)).generate(request))  # type: ignore[arg-type]


def text_of(request: GenerateRequest, **config: object) -> str:
    return generate(request, **config).completions[0].text


def choose(request: ChoiceRequest, **config: object) -> ChoiceReply:
    return asyncio.run(ScriptedModel(ScriptedConfig(**config)).choice_logprobs(request))  # type: ignore[arg-type]


def test_the_words_of_a_prompt_are_counted_without_asking() -> None:
    model, text = ScriptedModel(ScriptedConfig()), asking()
    choice = ChoiceRequest(("the sea\t", "\nrain\t", "\n"), DIGITS, "unknown", text.messages)
    assert asyncio.run(model.count_tokens(text)) == generate(text).usage.prompt_tokens == 6
    assert asyncio.run(model.count_tokens(choice)) == choose(choice).usage.prompt_tokens == 9


def test_a_reply_depends_on_the_request_alone() -> None:
    assert generate(asking()) == generate(asking())
    replies = {text_of(asking(seed=seed)) for seed in range(20)}
    assert len(replies) > 5
    assert all(reply.startswith("words that look like ") for reply in replies)


def test_samples_differ_and_are_counted() -> None:
    reply = generate(asking(n=8))
    assert len(reply.completions) == 8
    assert len({completion.text for completion in reply.completions}) > 1
    assert reply.usage.prompt_tokens == 6


def test_rules_answer_first(tmp_path: Path) -> None:
    rules = [{"pattern": "her[o0]n", "reply": "birds"}, {"pattern": ".", "reply": "anything"}]
    as_list, as_lines = tmp_path / "rules.json", tmp_path / "rules.jsonl"
    as_list.write_text(json.dumps(rules), encoding="utf-8")
    as_lines.write_text("\n".join(map(json.dumps, rules)), encoding="utf-8")
    for path in (as_list, as_lines):
        assert text_of(asking(), replies=str(path)) == "birds"
        assert text_of(asking("A cat"), replies=str(path)) == "anything"


@pytest.mark.parametrize("content", ["{", '[{"pattern": "("}]', '[{"pattern": "(", "reply": "a"}]', "[3]", None])
def test_rules_that_are_none_are_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "rules.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"rules\.json"):
        ScriptedModel(ScriptedConfig(replies=str(path)))


def test_identity_tells_the_rules_and_not_their_place(tmp_path: Path) -> None:
    identities = []
    for name, reply in (("a", "x"), ("b", "x"), ("c", "y")):
        path = tmp_path / name
        path.write_text(json.dumps([{"pattern": ".", "reply": reply}]), encoding="utf-8")
        identities.append(ScriptedModel(ScriptedConfig(replies=str(path), log=str(tmp_path / "log"))).identity())
    assert identities[0] == identities[1] != identities[2]
    assert not any("/" in value for value in identities[0].values())


def test_stop_and_length() -> None:
    long = generate(GenerateRequest((Message("user", "heron"),), max_tokens=2)).completions[0]
    assert (long.text, long.finish_reason) == ("words that", "length")
    assert text_of(asking(stop=(" look",))) == "words that"


def test_a_json_schema_is_followed() -> None:
    entry = {"type": "object", "properties": {"level": {"type": "integer", "minimum": 3, "maximum": 5}}}
    schema = {
        "type": "object",
        "properties": {"levels": {"type": "array", "items": entry, "minItems": 40}, "mood": {"enum": ["a", "b"]}},
    }
    reply = json.loads(generate(GenerateRequest((Message("user", "x"),), 1000, json_schema=schema)).completions[0].text)
    assert {row["level"] for row in reply["levels"]} == {3, 4, 5}
    assert len(reply["levels"]) == 40
    assert reply["mood"] in ("a", "b")


def test_choices_are_distributions_of_the_text_before() -> None:
    request = ChoiceRequest(("cat ", " dog ", " owl ", ""), DIGITS, fill="?")
    reply = choose(request)
    assert reply.logprobs.shape == (3, 11)
    np.testing.assert_allclose(np.exp(reply.logprobs).sum(axis=1), 0.9)
    longer = choose(ChoiceRequest(("cat ", " dog ", " sheep ", ""), DIGITS, fill="?"))
    np.testing.assert_array_equal(longer.logprobs[:2], reply.logprobs[:2])
    assert not np.array_equal(longer.logprobs[2], reply.logprobs[2])
    peaks = {int(choose(ChoiceRequest((f"{i}", ""), DIGITS, "?")).logprobs.argmax()) for i in range(200)}
    assert peaks == set(range(11))


def test_without_fill_later_slots_read_the_likeliest_choice() -> None:
    first = choose(ChoiceRequest(("a", "b", ""), DIGITS, fill=None))
    likeliest = DIGITS[int(first.logprobs[0].argmax())]
    same = choose(ChoiceRequest(("a", "b", ""), DIGITS, fill=likeliest))
    np.testing.assert_array_equal(first.logprobs, same.logprobs)


def test_ten_may_be_no_token() -> None:
    model = ScriptedModel(ScriptedConfig(ten_is_a_token=False))
    assert asyncio.run(model.usable_choices(DIGITS)) == DIGITS[:10]
    with pytest.raises(PermanentError, match="'10'"):
        asyncio.run(model.choice_logprobs(ChoiceRequest(("a", ""), DIGITS, None)))
    assert asyncio.run(ScriptedModel(ScriptedConfig()).usable_choices(DIGITS)) == DIGITS


def test_capabilities_are_what_it_was_told() -> None:
    model = ScriptedModel(ScriptedConfig(provides=["generate"]))
    assert model.capabilities == {"generate"}
    with pytest.raises(PermanentError, match="choice_logprobs"):
        asyncio.run(model.choice_logprobs(ChoiceRequest(("a", ""), DIGITS, None)))
    assert len(ScriptedModel(ScriptedConfig()).capabilities) == 4


def test_faults_have_their_share_and_stay() -> None:
    config = ScriptedConfig(fail_share=0.2, transient_share=0.2, refuse_share=0.2, unparsable_share=0.2)

    def fate(model: ScriptedModel, seed: int) -> str:
        try:
            completion = asyncio.run(model.generate(asking(seed=seed))).completions[0]
        except (PermanentError, TransientError) as error:
            return type(error).__name__
        return completion.finish_reason if completion.text.startswith("words") else completion.text[:2]

    first, second = ScriptedModel(config), ScriptedModel(config)
    fates = [fate(first, seed) for seed in range(300)]
    assert fates == [fate(second, seed) for seed in range(300)]
    for kind in ("PermanentError", "TransientError", "", "}{", "stop"):
        assert 35 <= fates.count(kind) <= 85, kind
    again = [fate(first, seed) for seed in range(300)]
    assert again == ["stop" if kind == "TransientError" else kind for kind in fates]


def test_unparsable_choices_list_nothing() -> None:
    reply = choose(ChoiceRequest(("a", "b", ""), DIGITS, None), unparsable_share=1.0)
    assert np.isneginf(reply.logprobs).all()


def test_the_log_has_a_line_per_call(tmp_path: Path) -> None:
    log = tmp_path / "calls"
    model = ScriptedModel(ScriptedConfig(log=str(log), fail_share=0.5))
    for seed in (1, 2, 3, 1):
        try:
            asyncio.run(model.generate(asking(seed=seed)))
        except PermanentError:
            continue
    keys = log.read_text(encoding="utf-8").splitlines()
    assert len(keys) == 4
    assert len(set(keys)) == 3
    assert keys[0] == keys[3]


@pytest.mark.parametrize(
    "wrong",
    [{"fail_share": 1.2}, {"refuse_share": -0.1}, {"fail_share": 0.7, "unparsable_share": 0.7}, {"provides": ["x"]}],
)
def test_a_configuration_that_means_nothing_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        ScriptedConfig(**wrong).check()  # type: ignore[arg-type]
    ScriptedConfig().check()
