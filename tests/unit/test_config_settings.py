from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from neurogloss.config.composing import compose
from neurogloss.config.settings import Settings, determining, settings_of, store_of
from neurogloss.errors import ConfigError, UsageError
from neurogloss.plugin.registry import Registry
from neurogloss.records.plans import CollectionPlan
from neurogloss.records.tokens import Split


def _settings(registry: Registry, *overrides: str) -> Settings:
    return settings_of(compose(overrides, registry), registry)


def test_the_default_plan_is_the_records_default(some_registry: Registry) -> None:
    settings = _settings(some_registry)
    assert settings.plan == CollectionPlan()
    assert settings.score_on is Split.TEST
    assert settings.units == ("random:8",)
    assert settings.batch_size == 32


def test_the_plan_takes_what_is_configured(some_registry: Registry) -> None:
    plan = _settings(
        some_registry, "seed=7", "collection.quantile_bins=[[0,1]]", "collection.max_documents=9", "score_on=valid"
    ).plan
    assert (plan.seed, plan.quantile_bins, plan.max_documents) == (7, ((0, 1),), 9)


def test_choices_hold_the_components_own_dataclass(some_registry: Registry) -> None:
    subject = _settings(some_registry, "subject.precision=full", "subject.places.layers=[1,2]").subject
    assert subject.component.name == "smollm2"
    assert type(subject.config) is subject.component.config
    assert subject.config.precision.name == "FULL"
    assert subject.config.places.layers == [1, 2]


def test_enums_are_spelled_by_value(some_registry: Registry) -> None:
    with pytest.raises(ConfigError) as caught:
        _settings(some_registry, "subject.precision=HALF")
    assert caught.value.wrong == "subject.precision is 'HALF'."
    assert caught.value.known == "Allowed: half, full."


def test_inheriting_roles_use_the_runs_model(some_registry: Registry) -> None:
    settings = _settings(some_registry, "llm.model=tiny", "explainer/llm=chat")
    assert {role: (c.component.name, c.config.model) for role, c in settings.llms.items()} == {
        "explainer": ("chat", "small"),
        "simulator": ("local", "tiny"),
    }


def test_the_scorers_role_is_there_when_a_scorer_asks_a_model(some_registry: Registry) -> None:
    settings = _settings(some_registry, "scorer=[judge]", "scorer/llm=chat")
    assert {role: c.component.name for role, c in settings.llms.items()} == {"explainer": "local", "scorer": "chat"}


def test_no_model_is_looked_at_when_none_is_used(some_registry: Registry) -> None:
    settings = _settings(some_registry, "explainer=token_table", "simulator=table", "llm.limit=0")
    assert settings.llms == {}
    assert settings.plain["roles"] == {}
    assert "llm" not in settings.plain
    _settings(some_registry, "explainer=token_table", "simulator=table", "~llm")
    with pytest.raises(ConfigError, match="llm is not chosen"):
        _settings(some_registry, "~llm")


def test_a_floor_that_is_the_run_itself_or_cannot_be_read_is_left_out_with_a_note(some_registry: Registry) -> None:
    settings = _settings(some_registry, "explainer=token_table", "simulator=table")
    assert settings.floors == {}
    assert [note.split(":")[0] for note in settings.notes] == [
        "The floor token_table is left out",
        "The floor random_text is left out",
    ]
    assert "the run's own explainer" in settings.notes[0]
    assert "simulator=table does not read" in settings.notes[1]


def test_a_floor_is_not_under_a_scorer_that_does_not_read_it(some_registry: Registry) -> None:
    both = _settings(some_registry, "scorer=[openai_2023,detection]", "floor=[token_table]")
    assert list(both.floors) == ["token_table"]
    (note,) = both.notes
    assert note.startswith("The floor token_table is left out under detection: what token_table writes is not read")
    none = _settings(some_registry, "scorer=[detection]", "floor=[token_table,random_text]")
    assert list(none.floors) == ["random_text"]
    assert none.notes == both.notes


def test_a_floor_configured_otherwise_than_the_run_stays(some_registry: Registry) -> None:
    settings = _settings(some_registry, "explainer=token_table", "simulator=table", "explainer.min_count=5")
    assert list(settings.floors) == ["token_table"]


def test_floors_keep_their_simulator_or_share_the_runs(some_registry: Registry) -> None:
    floors = _settings(some_registry).floors
    assert {name: (e.component.name, s.component.name) for name, (e, s) in floors.items()} == {
        "token_table": ("token_table", "table"),
        "random_text": ("random_text", "logprob"),
    }


def test_an_explanation_that_the_simulator_does_not_read_is_refused(some_registry: Registry) -> None:
    with pytest.raises(ConfigError) as caught:
        _settings(some_registry, "explainer=token_table")
    assert "simulator=logprob does not read what explainer=token_table writes" in caught.value.wrong
    assert "simulator=table" in caught.value.remedy
    with pytest.raises(ConfigError, match="simulator=table does not read"):
        _settings(some_registry, "simulator=table")


def test_an_explainer_that_does_not_say_what_it_writes_passes(some_registry: Registry) -> None:
    assert _settings(some_registry, "explainer=silent").explainer.component.name == "silent"


def test_a_simulator_needs_a_model_that_can_do_what_it_requires(some_registry: Registry) -> None:
    with pytest.raises(ConfigError) as caught:
        _settings(some_registry, "simulator/llm=chat")
    assert "choice_logprobs" in caught.value.wrong
    assert "llm=local" in caught.value.known
    assert "simulator=json" in caught.value.remedy
    assert _settings(some_registry, "llm=chat", "simulator=json").llms["simulator"].component.name == "chat"


def test_a_config_may_withdraw_a_capability(some_registry: Registry) -> None:
    with pytest.raises(ConfigError, match="choice_logprobs"):
        _settings(some_registry, "llm=scripted", "llm.provides=[generate]")


OUT_OF_RANGE = [
    ("subject.limit=0", "subject.limit is 0.", "limit is null or at least 1."),
    ("collection.splits={test:0,valid:0.5}", "collection.splits.test is 0.", "score_on=test"),
    ("units=[]", "units is empty.", ""),
    ("explainer.prompt=nowhere.jinja", "explainer.prompt", "nowhere.jinja"),
    ("subject=elsewhere", "subject.path has no value.", ""),
    ("~subject", "subject is not chosen.", "smollm2"),
    ("floor.token_table.explainer.min_count=0", "floor.token_table.explainer.min_count is 0.", ""),
]


@pytest.mark.parametrize(("override", "wrong", "part"), OUT_OF_RANGE, ids=[case[0] for case in OUT_OF_RANGE])
def test_a_value_out_of_range_is_told_with_its_dotted_key(
    override: str, wrong: str, part: str, some_registry: Registry
) -> None:
    with pytest.raises(UsageError) as caught:
        _settings(some_registry, override)
    assert caught.value.wrong.startswith(wrong)
    assert part in str(caught.value)


def test_no_floor_may_have_the_name_of_the_main_arm(tmp_path: Path, some_registry: Registry) -> None:
    preset = tmp_path / "floor/main.yaml"
    preset.parent.mkdir()
    preset.write_text("# @package floor.main\ndefaults: [/explainer@explainer: random_text, _self_]\n", "utf-8")
    config = compose(["floor=[main]"], some_registry, folders=[str(tmp_path)])
    with pytest.raises(ConfigError, match=r"floor\.main"):
        settings_of(config, some_registry)


def test_what_does_not_change_results_does_not_determine_them(some_registry: Registry) -> None:
    usual = determining(_settings(some_registry))
    elsewhere = ("store.root=elsewhere", "executor.concurrency=1", "report=out.html", "retry_failed=true")
    same_result = ("collection.batch_size=1", "collection.max_table_bytes=5", "explainer/llm=local")
    assert determining(_settings(some_registry, *elsewhere, *same_result)) == usual
    changed = determining(
        _settings(some_registry, "seed=1", "score_on=valid", "llm.model=x", "simulator.calibration=linear", "floor=[]")
    )
    assert {name for name in usual if changed[name] != usual[name]} == {
        *("seed", "score_on", "roles", "simulator", "floor")
    }


def test_a_prompt_counts_by_its_contents(tmp_path: Path, some_registry: Registry) -> None:
    def written(name: str, text: str) -> dict[str, Any]:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return determining(_settings(some_registry, f"explainer.prompt={path}"))

    assert written("a.jinja", "say") == written("b.jinja", "say")
    assert written("a.jinja", "say") != written("b.jinja", "tell")


def test_a_file_of_a_part_counts_by_its_contents(tmp_path: Path, some_registry: Registry) -> None:
    def written(name: str, text: str) -> dict[str, Any]:
        path = tmp_path / name
        path.write_text(f"layers.0.mlp/0: {text}", encoding="utf-8")
        of = f"explainer.of=[{{component: written, file: {path}}}]"
        return determining(_settings(some_registry, "explainer=wrapper", of))

    assert written("a.yaml", "cats") == written("b.yaml", "cats")
    assert written("a.yaml", "cats") != written("b.yaml", "dogs")
    with pytest.raises(ConfigError, match=r"explainer\.file: there is no file nowhere\.yaml"):
        _settings(some_registry, "explainer=written", "explainer.file=nowhere.yaml")


def test_what_a_unit_writes_is_asked_of_subjects_that_can_tell(some_registry: Registry) -> None:
    with pytest.raises(ConfigError, match="requires output_weights") as caught:
        _settings(some_registry, "explainer=activations_and_logits")
    assert "max_activating" in caught.value.remedy


def test_the_floor_of_another_unit_has_the_runs_own_explainer(some_registry: Registry) -> None:
    settings = _settings(some_registry, "floor=[other_unit]", "explainer=max_activating", "explainer.n_records=3")
    explainer, simulator = settings.floors["other_unit"]
    of = explainer.parts["of"]
    assert not isinstance(of, tuple)
    assert (of.component.name, of.config.n_records) == ("max_activating", 3)
    assert simulator.component.name == "logprob"


def test_the_plain_config_is_plain(some_registry: Registry) -> None:
    settings = _settings(some_registry)
    assert settings.plain["simulator"]["calibration"] == "none"
    assert settings.plain["roles"]["explainer"]["component"] == "local"
    assert settings.plain["subject"] == {
        "component": "smollm2",
        **{**asdict(settings.subject.config), "precision": "half"},
    }
    kinds = {choice.kind for choice in settings.choices()}
    assert kinds == {"corpus", "subject", "llm", "explainer", "simulator", "scorer", "store", "executor"}


def test_the_store_alone(some_registry: Registry) -> None:
    assert store_of(compose(["store.root=x"], some_registry, root="results"), some_registry).config.root == "x"


def test_parts_are_chosen_by_name_mapping_or_list(some_registry: Registry) -> None:
    explainer = _settings(
        some_registry, "explainer=wrapper", "explainer.of={component: token_activation, n_records: 3}"
    ).explainer
    of, by = explainer.parts["of"], explainer.parts["by"]
    assert not isinstance(of, tuple)
    assert (of.component.name, of.config.n_records, of.name) == ("token_activation", 3, "explainer.of")
    assert isinstance(by, tuple)
    assert [choice.component.name for choice in by] == ["judge"]
    assert explainer.plain()["of"]["n_records"] == 3
    assert [choice.component.name for choice in explainer.walk()] == ["wrapper", "token_activation", "judge"]


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("seed=0", [("token_activation", {"samples": 5})]),
        ("explainer.of=token_list", [("token_list", {})]),
        ("explainer.of={component: summary, n_records: 3}", [("summary", {"n_records": 3})]),
        (
            "explainer.of=[token_table,{component: max_activating, n_records: 3, samples: 2}]",
            [("token_table", {}), ("max_activating", {"n_records": 3, "samples": 2})],
        ),
    ],
)
def test_best_of_takes_any_explainer_with_any_of_its_keys(
    some_registry: Registry, override: str, expected: list[tuple[str, dict[str, int]]]
) -> None:
    of = _settings(some_registry, "explainer=best_of", override).explainer.parts["of"]
    found = of if isinstance(of, tuple) else (of,)
    assert [choice.component.name for choice in found] == [name for name, _ in expected]
    for choice, (_, keys) in zip(found, expected, strict=True):
        assert {key: getattr(choice.config, key) for key in keys} == keys


def test_the_parts_of_a_component_bring_their_roles(some_registry: Registry) -> None:
    settings = _settings(some_registry, "explainer=wrapper", "scorer/llm=chat")
    assert settings.llms["scorer"].component.name == "chat"


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("explainer.of=nobody", "There is no explainer named 'nobody'"),
        ("explainer.of=null", "explainer.of is not chosen."),
        ("explainer.by=[judge,{component: judge, lim: 1}]", "There is no key explainer.by[1].lim."),
        ("score_on=valid", "score_on is valid."),
    ],
)
def test_a_wrong_part_is_told_with_its_key(some_registry: Registry, override: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        _settings(some_registry, "explainer=wrapper", override)
    assert caught.value.wrong.startswith(told)


def test_what_a_held_explainer_writes_must_be_read(some_registry: Registry) -> None:
    with pytest.raises(ConfigError) as caught:
        _settings(some_registry, "explainer=best_of", "explainer.of=executable")
    assert caught.value.wrong == "simulator=logprob does not read what explainer=best_of writes (RulesExplanation)."
    assert _settings(some_registry, "explainer=best_of", "explainer.of=executable", "simulator=rules")


def test_a_folder_that_is_not_there_is_told(some_registry: Registry) -> None:
    with pytest.raises(ConfigError, match="There is no folder /nowhere"):
        compose([], some_registry, folders=["/nowhere"])
