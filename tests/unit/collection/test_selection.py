"""Selectors and the units they name."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from neurogloss.errors import ConfigError, SubjectError
from neurogloss.pipeline.selection import FIELDS, default_sites, select_units
from neurogloss.records.unit_records import UnitStatistics
from neurogloss.records.units import Site, UnitId
from neurogloss.reducers.moments import Moments

SITES = (
    *(Site(f"layers.{layer}.mlp", 10, "mlp", layer) for layer in range(12)),
    Site("layers.3.resid_post", 4, "resid_post", 3),
    Site("layers.3.sae:a:b", 6, "sae", 3),
)


def chosen(*selectors: str, seed: int = 0, **options) -> list[str]:
    return [str(unit) for unit in select_units(selectors, SITES, seed, **options)]


def test_names_ranges_and_globs_keep_their_order_once_each() -> None:
    assert chosen("layers.5.mlp/3", "layers.1.mlp/9-", "layers.5.mlp/2:5", "layers.5.mlp/3+") == [
        "layers.5.mlp/3",
        "layers.1.mlp/9-",
        "layers.5.mlp/2",
        "layers.5.mlp/4",
    ]
    assert len(chosen("layers.*.mlp/0:5")) == 60
    assert chosen("layers.1.mlp/8:") == chosen("layers.1.mlp/8:10") == ["layers.1.mlp/8", "layers.1.mlp/9"]
    assert chosen("layers.3.resid_post/:2-") == ["layers.3.resid_post/0-", "layers.3.resid_post/1-"]
    assert len(chosen("layers.3.sae:a:b/*")) == 6
    assert len(chosen("all")) == 130


def test_a_glob_does_not_reach_beyond_its_pattern() -> None:
    assert {name.split("/")[0] for name in chosen("layers.1.mlp/0", "layers.1?.mlp/0")} == {
        "layers.1.mlp",
        "layers.10.mlp",
        "layers.11.mlp",
    }


def test_random_units_are_spread_over_the_layers_and_fixed_by_the_seed() -> None:
    layers = Counter(name.split("/")[0] for name in chosen("random:30"))
    assert set(layers) == {site.name for site in SITES[:12]}
    assert set(layers.values()) == {2, 3}
    assert len({name.split("/")[0] for name in chosen("random:5")}) == 5
    assert chosen("random:30") == chosen("random:30")
    assert chosen("random:30") != chosen("random:30", seed=1)
    assert set(chosen("random:30")) < set(chosen("random:50"))
    assert len(chosen("random:120")) == 120


def test_random_units_where_layers_differ_in_size() -> None:
    sites = (Site("layers.0.mlp", 2, "mlp", 0), Site("layers.1.mlp", 50, "mlp", 1), Site("x", 50, "mlp"))
    counts = Counter(unit.site for unit in select_units(["random:22"], sites))
    assert counts == {"layers.0.mlp": 2, "layers.1.mlp": 10, "x": 10}


def test_other_sites_serve_where_there_are_no_neurons() -> None:
    assert default_sites(SITES[12:]) == SITES[12:]
    assert len(select_units(["random:3"], SITES[12:])) == 3


def test_top_by_a_statistic() -> None:
    def statistics(field: str) -> dict[str, np.ndarray]:
        assert field == "kurtosis"
        values = {site.name: np.zeros(10) for site in SITES[:12]}
        values["layers.7.mlp"][4], values["layers.2.mlp"][9] = 8.0, 9.0
        return values

    assert chosen("top_by:kurtosis:3", statistics=statistics) == ["layers.2.mlp/9", "layers.7.mlp/4", "layers.0.mlp/0"]


def test_the_fields_of_top_by_are_statistics() -> None:
    assert set(FIELDS) == set(Moments(1).statistics())
    assert set(FIELDS) <= set(UnitStatistics.__dataclass_fields__)


def test_a_file_of_selectors(tmp_path: Path) -> None:
    path = tmp_path / "units.txt"
    path.write_text("# chosen by hand\nlayers.5.mlp/1\n\n  layers.5.mlp/0 # and this\n", encoding="utf-8")
    assert chosen(f"file:{path}") == ["layers.5.mlp/1", "layers.5.mlp/0"]


@pytest.mark.parametrize(
    ("selector", "words"),
    [
        ("layers.5.mpl/1", ["'layers.5.mpl'", "14 sites", "layers.5.mlp"]),
        ("layers.99.mlp/1", ["'layers.99.mlp'", "layers.9.mlp"]),
        ("heads.*/1", ["'heads.*'"]),
        ("layers.5.mlp/10", ["layers.5.mlp has 10 units", "0 to 9"]),
        ("layers.5.mlp/5:11", ["0 to 9"]),
        ("layers.5.mlp/5:5", ["empty range"]),
    ],
)
def test_unknown_sites_and_units(selector: str, words: list[str]) -> None:
    with pytest.raises(SubjectError) as caught:
        chosen(selector)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("selector", "words"),
    [
        ("layers.5.mlp", ["cannot be read", "random:50"]),
        ("layers.5.mlp/x", ["cannot be read"]),
        ("/3", ["cannot be read"]),
        ("", ["cannot be read"]),
        ("rndom:5", ["cannot be read", "random:50"]),
        ("random:0", ["'0'"]),
        ("random:-3", ["'-3'"]),
        ("random:121", ["121 units of 120"]),
        ("top_by:kurtosos:3", ["'kurtosos'", "Did you mean 'kurtosis'?", "skewness"]),
        ("top_by:kurtosis:many", ["'many'"]),
        ("top_by:kurtosis:3", ["statistics"]),
        ("file:/no/such/file", ["/no/such/file", "one selector a line"]),
    ],
)
def test_selectors_that_cannot_be_carried_out(selector: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        chosen(selector)
    for word in words:
        assert word in str(caught.value)


def test_nothing_selected(tmp_path: Path) -> None:
    path = tmp_path / "units.txt"
    path.write_text("# nothing\n", encoding="utf-8")
    for selectors in ([], [f"file:{path}"]):
        with pytest.raises(ConfigError, match="No unit is selected"):
            select_units(selectors, SITES)
    with pytest.raises(SubjectError, match="no sites"):
        select_units(["all"], ())


def test_files_do_not_name_files(tmp_path: Path) -> None:
    path = tmp_path / "units.txt"
    path.write_text(f"file:{path}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="another file"):
        chosen(f"file:{path}")


def test_units_are_dealt_out_over_the_deciles_of_a_runs_scores() -> None:
    def scores(run: str) -> dict[UnitId, float]:
        assert run == "a1"
        return {UnitId("layers.0.mlp", i): i / 20 for i in range(20)}

    # Two units a decile: 0 and 1, 2 and 3, ...
    indices = [int(name.split("/")[1]) for name in chosen("by_score:a1:10", scores=scores)]
    assert [index // 2 for index in indices] == list(range(10))
    assert len(chosen("by_score:a1:20", scores=scores)) == 20
    assert chosen("by_score:a1:10", scores=scores) != chosen("by_score:a1:10", seed=1, scores=scores)
    with pytest.raises(ConfigError, match="21 units of 20"):
        chosen("by_score:a1:21", scores=scores)
    with pytest.raises(ConfigError, match="needs the id of a run"):
        chosen("by_score:latest:3", scores=scores)
