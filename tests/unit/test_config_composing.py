from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from neurogloss.config.composing import compose, jobs_of, options
from neurogloss.config.settings import settings_of
from neurogloss.errors import ConfigError, UsageError
from neurogloss.plugin.component import Component
from neurogloss.plugin.loading import Plugin
from neurogloss.plugin.registry import Registry

WRONG = [
    # what is typed, then what the message says: what is wrong, what is known, what to do
    ("subject=smollm3", ("subject=smollm3", "no subject named"), "elsewhere, smollm2, synthetic", "smollm2?"),
    ("llm=lcoal", ("llm=lcoal",), "chat, local", "local?"),
    ("corpus=huggingface", ("corpus=huggingface",), "bundled, files", "neurogloss-datasets provides it"),
    ("subject=gpt2", ("subject=gpt2",), "smollm2", "neurogloss-transformers provides it"),
    ("scorer=[openai_2032]", ("scorer=openai_2032",), "openai_2023, simulation", "openai_2023?"),
    ("floor=[tokentable]", ("floor=tokentable",), "random_text, token_table", "token_table?"),
    ("experiment=dmo", ("experiment=dmo",), "demo", "demo?"),
    ("simulator/llm=lokal", ("simulator/llm=lokal",), "chat, local", "local?"),
    ("subjct=smollm2", ("no key subjct",), "corpus, subject, llm", "subject?"),
    ("subjct/llm=local", ("subjct is no role",), "explainer, simulator, scorer", ""),
    ("explaner/llm=local", ("explaner/llm", "no role"), "explainer, simulator, scorer", "explainer?"),
    ("llm@roles.explaner=local", ("no group explaner/llm",), "simulator/llm", "explainer/llm?"),
    ("+llm@roles.explaner=local", ("roles.explaner",), "explainer, simulator, scorer", "roles.explainer?"),
    ("colection.top_k=3", ("no key colection",), "units, collection, seed", "collection?"),
    ("collection.topk=3", ("no key collection.topk",), "sequence_length, top_k, n_random", "collection.top_k?"),
    ("collection.splits.tset=0.3", ("collection.splits.tset",), "valid, test", "collection.splits.test?"),
    ("subject.modle=x", ("no key subject.modle",), "model, precision, limit", "subject.model?"),
    ("subject.places.devise=x", ("subject.places.devise",), "device, layers", "subject.places.device?"),
    ("scorer.openai_2023.ntop=3", ("scorer.openai_2023.ntop",), "n_top", "scorer.openai_2023.n_top?"),
    ("floor.random_text.explainer.sede=1", ("floor.random_text.explainer.sede",), "seed", "explainer.seed?"),
    ("explainer.llm.model=x", ("explainer.llm.model",), "no language model of its own", "explainer/llm="),
    ("collection.top_k=many", ("collection.top_k=many", "wrong type"), "a whole number", ""),
    ("collection.top_k=1.5", ("collection.top_k=1.5", "wrong type"), "a whole number", ""),
    ("collection.splits.test=much", ("collection.splits.test=much",), "a number", ""),
    ("retry_failed=perhaps", ("retry_failed=perhaps",), "true or false", ""),
    ("units=random:8", ("units=random:8",), "a list", "units=[random:8]"),
    ("units=[a", ("value of units cannot be read",), "", "Quote"),
    ("seed", ("'seed' is no override",), "KEY=VALUE", "--help"),
    ("seed=1,2", ("seed has several values",), "", "-m"),
    ("subject=null", ("subject=null chooses nothing",), "", "~subject"),
    ("scorer=null", ("scorer=null chooses nothing",), "", "scorer=[]"),
    ("~floor", ("'~floor' takes nothing",), "", "floor=[]"),
    ("store.root=", ("store.root is empty",), "", "Name a folder"),
    ("collection.sequence_length=100000000", ("sequence_length is 100000000",), "at most", ""),
    ("hydra.run.dir=x", ("hydra.run.dir has no effect",), "", "Remove it"),
    ("subject.model=${nowhere.x}", ("subject.model refers to",), "nowhere.x", ""),
    ("++foo=1", ("no key foo",), "corpus, subject", ""),
    ("+collection.foo=1", ("no key collection.foo",), "sequence_length", ""),
]


@pytest.mark.parametrize(("override", "wrong", "known", "remedy"), WRONG, ids=[case[0] for case in WRONG])
def test_what_is_wrong_is_said_with_its_key_and_the_nearest_name(
    override: str, wrong: tuple[str, ...], known: str, remedy: str, some_registry: Registry
) -> None:
    with pytest.raises(UsageError) as caught:
        settings_of(compose([override], some_registry), some_registry)
    error = caught.value
    assert all(part in error.wrong for part in wrong), error.wrong
    assert known in error.known
    assert remedy in error.remedy
    assert "hydra.cc" not in str(error)
    assert "Traceback" not in str(error)


def test_the_default_composes_to_the_documented_choices(some_registry: Registry) -> None:
    config = compose([], some_registry)
    assert {kind: config[kind].component for kind in ("corpus", "subject", "llm", "explainer", "simulator")} == {
        "corpus": "bundled",
        "subject": "smollm2",
        "llm": "local",
        "explainer": "token_activation",
        "simulator": "logprob",
    }
    assert list(config.scorer) == ["openai_2023"]
    assert config.scorer.openai_2023.component == "simulation"
    assert list(config.floor) == ["token_table", "random_text"]
    assert config.floor.token_table.simulator.component == "table"
    assert config.floor.random_text.simulator is None
    assert config.units == ["random:8"]
    assert "hydra" not in config


def test_several_scorers_each_have_their_own_keys(some_registry: Registry) -> None:
    config = compose(["scorer=[openai_2023,simulation]", "scorer.simulation.n_top=2"], some_registry)
    assert config.scorer.simulation.n_top == 2
    assert config.scorer.openai_2023.n_top == 5


def test_a_role_may_have_a_model_of_its_own(some_registry: Registry) -> None:
    config = compose(["simulator/llm=chat", "simulator.llm.model=big", "llm.model=tiny"], some_registry)
    assert (config.roles.simulator.component, config.roles.simulator.model) == ("chat", "big")
    assert config.roles.explainer == {}
    assert config.llm.model == "tiny"


def test_the_demo_names_eight_units_or_more_of_several_layers(some_registry: Registry) -> None:
    config = compose(["experiment=demo"], some_registry)
    assert len(config.units) >= 8
    assert len({unit.split("/")[0] for unit in config.units}) >= 4
    assert config.llm.component == "local"


def test_an_override_wins_over_an_experiment(some_registry: Registry) -> None:
    config = compose(["experiment=demo", "llm=scripted", "units=[all]"], some_registry)
    assert config.llm.component == "scripted"
    assert config.units == ["all"]


def test_presets_extend_a_component_and_keep_its_name_and_its_types(tmp_path: Path, some_registry: Registry) -> None:
    _write(tmp_path / "subject/mine.yaml", "defaults: [smollm2, _self_]\nmodel: large\nprecision: full\n")
    config = compose(["subject=mine", "subject.limit=3"], some_registry, folders=[str(tmp_path)])
    assert (config.subject.component, config.subject.model, config.subject.limit) == ("smollm2", "large", 3)
    with pytest.raises(ConfigError, match=r"no key subject\.modle"):
        compose(["subject=mine", "subject.modle=x"], some_registry, folders=[str(tmp_path)])
    assert "mine" in options(some_registry, folders=[str(tmp_path)])["subject"]


def test_a_wrong_key_in_a_preset_is_named(tmp_path: Path, some_registry: Registry) -> None:
    _write(tmp_path / "subject/mine.yaml", "defaults: [smollm2, _self_]\nmodle: large\n")
    with pytest.raises(ConfigError, match=r"subject\.modle|modle") as caught:
        compose(["subject=mine"], some_registry, folders=[str(tmp_path)])
    assert "model" in str(caught.value)


def test_a_preset_that_is_no_yaml_is_an_error_not_a_traceback(tmp_path: Path, some_registry: Registry) -> None:
    _write(tmp_path / "subject/mine.yaml", "defaults: [smollm2\n")
    with pytest.raises(ConfigError):
        compose(["subject=mine"], some_registry, folders=[str(tmp_path)])


def test_presets_of_plugins_are_found(
    tmp_path: Path, made_up: Plugin, some_registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(tmp_path / "madeup_presets/__init__.py", "")
    _write(tmp_path / "madeup_presets/llm/terse.yaml", "defaults: [chat, _self_]\nlimit: 7\n")
    monkeypatch.syspath_prepend(tmp_path)
    made_up.config_packages.append("madeup_presets")
    assert compose(["explainer/llm=terse"], some_registry).roles.explainer.limit == 7


def test_a_name_that_two_plugins_have_is_an_error_that_names_both(some_registry: Registry, made_up: Plugin) -> None:
    rival = Plugin("neurogloss-rival", "2.0", "rival", list(made_up.components))
    both = Registry([*some_registry._plugins, rival])
    with pytest.raises(ConfigError) as caught:
        compose(["subject=elsewhere"], both)
    assert "neurogloss-rival" in str(caught.value)
    assert "neurogloss-madeup" in str(caught.value)


def test_a_config_that_omegaconf_refuses_is_a_problem_of_its_plugin_alone(
    some_registry: Registry, made_up: Plugin
) -> None:
    class Broken:
        __dataclass_fields__ = None

    broken = Component("subject", "broken", Broken, "nowhere:Nothing")
    registry = Registry([*some_registry._plugins, Plugin("neurogloss-bad", "0.1", "bad", [broken])])
    assert compose([], registry).subject.component == "smollm2"
    with pytest.raises(ConfigError, match=r"subject=broken cannot be used") as caught:
        compose(["subject=broken"], registry)
    assert "neurogloss-bad 0.1" in caught.value.known
    assert [problem.distribution for problem in registry.problems] == ["neurogloss-bad"]


def test_components_of_an_earlier_registry_are_forgotten(some_registry: Registry) -> None:
    compose(["subject=elsewhere"], some_registry)
    builtin_alone = Registry(some_registry._plugins[:1])
    assert options(builtin_alone)["subject"] == ["synthetic"]


def test_sweeps_become_jobs_with_the_roles_models_rewritten(some_registry: Registry) -> None:
    jobs = jobs_of(["explainer/llm=local,chat", "seed=range(0,2)", "units=[all]"], some_registry)
    assert jobs == [
        ["llm@roles.explainer=local", "seed=0", "units=[all]"],
        ["llm@roles.explainer=local", "seed=1", "units=[all]"],
        ["llm@roles.explainer=chat", "seed=0", "units=[all]"],
        ["llm@roles.explainer=chat", "seed=1", "units=[all]"],
    ]
    composed = [compose(job, some_registry) for job in jobs]
    assert [config.roles.explainer.component for config in composed] == ["local", "local", "chat", "chat"]
    assert jobs_of(["subject=glob(smol*)"], some_registry) == [["subject=smollm2"]]


def test_a_sweep_that_cannot_be_listed_is_refused(some_registry: Registry) -> None:
    with pytest.raises(ConfigError, match="cannot be listed"):
        jobs_of(["collection.top_k=interval(1,5)"], some_registry)


def test_the_root_results_needs_a_store_alone(some_registry: Registry) -> None:
    config = compose(["store.root=elsewhere"], Registry(some_registry._plugins[:1]), root="results")
    assert OmegaConf.to_container(config) == {"store": {"component": "sqlite", "root": "elsewhere"}}


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
