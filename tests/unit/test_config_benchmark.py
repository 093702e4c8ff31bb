from __future__ import annotations

from pathlib import Path

import pytest

from neurogloss.config.benchmark import axes_of, grid_of
from neurogloss.config.composing import compose
from neurogloss.config.schema import BenchmarkConfig
from neurogloss.config.settings import determining, settings_of
from neurogloss.errors import ConfigError
from neurogloss.plugin.registry import Registry

SMALL = ("subject=synthetic", "llm=scripted")


def _axes(**axes: object) -> BenchmarkConfig:
    given: dict[str, object] = {
        "run": [*SMALL, "units=[all]"],
        "simulators": {"logprob": ["simulator=logprob"], "json": ["simulator=json"]},
        "explainers": {"prose": ["explainer=token_activation"]},
        "floors": {"table": ["explainer=token_table", "simulator=table"]},
    }
    return BenchmarkConfig(**{**given, **axes})  # type: ignore[arg-type]


def test_all_combinations_are_run_but_an_explainer_keeps_a_simulator_of_its_own(some_registry: Registry) -> None:
    grid = grid_of(_axes(seeds=[0, 1]), [], some_registry)
    assert [(run.explainer, run.simulator, run.seed, run.floor) for run in grid.runs] == [
        ("table", "table", 0, True),
        ("table", "table", 1, True),
        ("prose", "logprob", 0, False),
        ("prose", "logprob", 1, False),
        ("prose", "json", 0, False),
        ("prose", "json", 1, False),
    ]
    assert grid.notes == ()
    assert {run.subject for run in grid.runs} == {"synthetic"}
    assert all(not run.settings.floors for run in grid.runs)


def test_each_run_is_what_its_overrides_compose_to(some_registry: Registry) -> None:
    for run in grid_of(_axes(), ["seed=3"], some_registry).runs:
        alone = settings_of(compose(run.overrides, some_registry), some_registry)
        assert determining(alone) == determining(run.settings)
        assert run.seed == 3


def test_what_does_not_fit_is_left_out_with_a_note(some_registry: Registry) -> None:
    axes = _axes(
        explainers={"table_by_prose": ["explainer=token_table"]}, simulators={"logprob": ["simulator=logprob"]}
    )
    grid = grid_of(axes, [], some_registry)
    assert [run.explainer for run in grid.runs] == ["table"]
    assert "logprob table_by_prose is left out: simulator=logprob does not read" in grid.notes[0]
    with pytest.raises(ConfigError, match="No combination"):
        grid_of(_axes(floors={}, explainers=axes.explainers, simulators=axes.simulators), [], some_registry)


def test_a_scorer_that_does_not_read_a_runs_explanations_is_left_out_of_that_run(some_registry: Registry) -> None:
    judges = {"chat": ["scorer/llm=chat"], "scripted": ["scorer/llm=scripted", "scorer.llm.provides=[json_schema]"]}
    grid = grid_of(_axes(judges=judges, floors={}), ["scorer=[openai_2023,judge]"], some_registry)
    chat, scripted = grid.runs[0], grid.runs[1]
    assert list(chat.settings.scorers) == ["openai_2023", "judge"]
    assert list(scripted.settings.scorers) == ["openai_2023"]
    assert any("scorer.judge is left out" in note for note in grid.notes)
    assert scripted.overrides[-1] == "~scorer.judge"


def test_judges_that_nobody_asks_make_one_run_without_a_judge(some_registry: Registry) -> None:
    grid = grid_of(_axes(judges={"a": ["scorer/llm=local"], "b": ["scorer/llm=chat"]}), [], some_registry)
    assert [(run.explainer, run.judge) for run in grid.runs] == [("table", ""), ("prose", ""), ("prose", "")]


def test_runs_of_a_subject_see_the_same_records(some_registry: Registry) -> None:
    axes = _axes(explainers={"prose": ["explainer=token_activation", "collection.top_k=3"]})
    with pytest.raises(ConfigError) as caught:
        grid_of(axes, [], some_registry)
    assert "collection differs" in caught.value.wrong


def test_a_wrong_override_is_an_error_that_names_the_run(some_registry: Registry) -> None:
    with pytest.raises(ConfigError) as caught:
        grid_of(_axes(explainers={"prose": ["explainer.n_recrods=3"]}), [], some_registry)
    assert "Did you mean explainer.n_records?" in caught.value.remedy
    assert "In the run logprob prose." in caught.value.known


def test_the_command_line_is_split_between_axes_and_runs(some_registry: Registry) -> None:
    given = ["benchmark=axes", "seed=2", "+benchmark.explainers.mine=['explainer=silent']", "benchmark.seeds=[1,2]"]
    axes, rest = axes_of(given, some_registry)
    assert (axes.explainers, axes.seeds, rest) == ({"mine": ["explainer=silent"]}, [1, 2], ["seed=2"])


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("benchmark=nothing", "there is no benchmark named 'nothing'"),
        ("benchmark=axes", "benchmark.explainers is empty."),
        ("benchmark.sedes=[1]", "Did you mean benchmark.seeds?"),
        ("benchmark.seeds=[]", "benchmark.seeds is empty."),
        ("benchmark.seeds=[x]", "benchmark.seeds"),
        ("+benchmark.floors.token_activation=[]", "which explainers holds too"),
        ("benchmark.explainers=[a]", "benchmark.explainers=[a] is of the wrong type.\nExpected: a mapping."),
    ],
)
def test_wrong_axes_are_told(override: str, part: str, some_registry: Registry) -> None:
    with pytest.raises(ConfigError) as caught:
        axes_of([override], some_registry)
    assert part in str(caught.value)


def test_an_empty_mapping_empties_an_axis(some_registry: Registry) -> None:
    emptied = ["benchmark=quick", "benchmark.floors={}", "benchmark.explainers={}"]
    given = [*emptied, "+benchmark.explainers.mine=['seed=1']"]
    axes = axes_of(given, some_registry)[0]
    assert (axes.floors, axes.explainers) == ({}, {"mine": ["seed=1"]})
    with pytest.raises(ConfigError, match=r"benchmark\.explainers is empty"):
        axes_of(emptied, some_registry)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "explainers: [a]",
            "benchmark.explainers has a value of the wrong type in benchmark/mine.\nExpected: a mapping.",
        ),
        ("explainers: {a: {b: c}}", "benchmark.explainers.a has a value of the wrong type.\nExpected: a list."),
        ("run: {a: b}", "benchmark.run has a value of the wrong type in benchmark/mine.\nExpected: a list."),
        ("seeds: x", "benchmark.seeds has a value of the wrong type.\nExpected: a list."),
        ("seeds: [x]", "benchmark.seeds[0] has a value of the wrong type.\nExpected: a whole number."),
    ],
)
def test_a_wrong_type_in_a_file_is_told_with_its_key(
    line: str, told: str, tmp_path: Path, some_registry: Registry
) -> None:
    (tmp_path / "benchmark").mkdir()
    (tmp_path / "benchmark" / "mine.yaml").write_text(f"defaults: [quick, _self_]\n{line}\n", "utf-8")
    with pytest.raises(ConfigError) as caught:
        axes_of(["benchmark=mine"], some_registry, [str(tmp_path)])
    assert str(caught.value).startswith(told)


def test_an_entry_may_be_called_after_tokens_and_may_hold_no_key(some_registry: Registry) -> None:
    given = ["benchmark=axes", "+benchmark.explainers.token_list=['explainer.n_records=12,explainer.x1=y2']"]
    assert axes_of(given, some_registry)[0].explainers == {"token_list": ["explainer.n_records=12,explainer.x1=y2"]}
    with pytest.raises(ConfigError, match=r"llm\.access_token looks like a key"):
        axes_of(["benchmark=axes", "+benchmark.explainers.mine=['llm.access_token=a8f3kd92mf7qpz5x']"], some_registry)


def test_an_explainer_that_comes_to_the_run_of_another_is_told(some_registry: Registry) -> None:
    axes = _axes(explainers={"prose": ["explainer=token_activation"], "again": ["explainer=token_activation"]})
    grid = grid_of(axes, [], some_registry)
    assert {run.explainer for run in grid.runs} == {"prose", "table"}
    assert any(note.endswith("it is the same run as synthetic prose json seed 0") for note in grid.notes), grid.notes
