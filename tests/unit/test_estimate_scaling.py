"""All units of models that are not here, on machines that are not here; numbers computed by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from neurogloss.cli.estimate import print_scaled
from neurogloss.config.scaling import load_scale
from neurogloss.errors import ConfigError
from neurogloss.pipeline.estimating.amounts import Amounts, Interval
from neurogloss.pipeline.estimating.duration import Duration
from neurogloss.pipeline.estimating.estimate import Estimate, RoleEstimate
from neurogloss.pipeline.estimating.scaling import ModelScale, ScaleConfig, bytes_per_unit, scaled
from neurogloss.records.plans import CollectionPlan

ONE = Amounts(
    Interval(1, 1, 1), Interval(900, 1100, 1000), Interval(0, 400, 250), Interval(0, 150), Interval(0.001, 0.003)
)
ESTIMATE = Estimate(
    8, 8, 5, (RoleEstimate("simulator", {}, "a rule", ONE, ONE),), ONE, ONE, Interval(1, 1), Duration(None, "")
)
PLAN = CollectionPlan(sequence_length=8, top_k=2, n_random=3, per_bin=0, n_importance=1)


def test_what_a_unit_takes_on_disk() -> None:
    n_rows = 4 * 3 + 4 * (2 + 1)  # of four splits: the random ones, and those of the unit alone
    assert bytes_per_unit(PLAN) == n_rows * 8 * 2 + 4 * (2 + 3 + 1) * 9 + 160
    # Pool and narrow bins: 25 pooled and 20 random ones in each split, and 18 each from which two bins are filled.
    n_rows = 4 * (25 + 20) + 4 * (20 + 10 + 2 * 18)
    in_common = (n_rows * 64 * 2 + 4 * 70 * 9 + 160 - bytes_per_unit(CollectionPlan())) / (64 * 2)
    assert 0 <= in_common <= 4


def test_hours_tokens_and_dollars() -> None:
    scale = ScaleConfig(
        flops=1e12, utilisation=0.5, memory_gb=1.0, usd_per_hour=2.0, counts=[1, 4], corpus_tokens=9e5,
        own={"simulator": 2e9}, models=[ModelScale("small", 3000, 1e9), ModelScale("measured", 10, 1e8, 500.0)],
    )  # fmt: skip
    one, four, measured, _ = scaled(ESTIMATE, PLAN, scale)
    assert (one.needed_gpus, one.collect_hours, one.gpu_usd) == (3, None, None)
    assert four.collect_hours == pytest.approx(1 / 4)  # 250 tokens a second each
    assert four.gigabytes == pytest.approx(3000 * bytes_per_unit(PLAN) / 1e9)
    assert (four.prompt_tokens, four.completion_tokens) == (3e6, Interval(0, pytest.approx(450_000)))
    assert four.usd == Interval(pytest.approx(3), pytest.approx(9))
    # 750 to 900 tokens of each of 3,000 units, 125 a second and GPU.
    assert (one.own_hours.low, one.own_hours.high) == (pytest.approx(5), pytest.approx(6))
    assert four.own_hours.low == pytest.approx(5 / 4)
    assert four.gpu_usd is not None
    assert (four.gpu_usd.low, four.gpu_usd.high) == (pytest.approx(2 * (1 + 5)), pytest.approx(2 * (1 + 6)))
    assert measured.collect_hours == pytest.approx(0.5)


def test_the_table_says_how_many_gpus_hold_the_weights(capsys: pytest.CaptureFixture[str]) -> None:
    scale = load_scale("docs/scaling.yaml")
    print_scaled(list(scaled(ESTIMATE, PLAN, scale)), scale)
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in capsys.readouterr().out.splitlines()]
    rows = [line for line in lines if len(line) == 10]
    assert [row[:3] for row in rows][-2:] == [["Llama 3.1 70B", "2,293,760", "1"], ["Llama 3.1 70B", "2,293,760", "64"]]
    assert rows[-2][3] == "needs 2"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("flop: 1", "--scale: FILE cannot be read."),
        ("flops: [", "--scale: FILE cannot be read."),
        ("flops: 1", "--scale.utilisation is missing or not above 0."),
        ("{flops: 1, utilisation: 1, memory_gb: 1, corpus_tokens: 1, models: [{name: a}]}", "--scale.models[0] is"),
    ],
)
def test_a_file_that_is_wrong(text: str, wrong: str, tmp_path: Path) -> None:
    file = tmp_path / "scale.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_scale(str(file))
    assert wrong.replace("FILE", str(file)) in caught.value.wrong
