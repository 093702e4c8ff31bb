"""Importing the package and listing plugins load nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"torch", "transformers", "sentence_transformers", "sklearn", "vllm", "openai", "anthropic"}
HEAVY |= {"hydra", "omegaconf", "pandas", "datasets", "ray", "numpy"}
NOT_BEFORE_THE_MODEL = HEAVY - {"hydra", "omegaconf", "numpy"} | {"sqlalchemy", "jinja2", "scipy"}
NOT_BEFORE_THE_MODEL |= {"neurogloss.view.report", "neurogloss.estimating", "neurogloss.leaderboard"}
UNTIL_THE_MODEL = """
from neurogloss.cli.main import main
from neurogloss.plugin import building
class Loads(BaseException): pass
def load(component, *rest):
    print(component.kind)
    raise Loads
building.build = load
try: main(["run", "llm=local", "--quiet"])
except Loads: pass
"""
LIST = "from neurogloss.cli.main import main; main(['plugins'])"


def _heavy_modules_after(code: str, heavy: set[str] = HEAVY) -> set[str]:
    report = f"import sys; print(*(sys.modules.keys() & {heavy!r}))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, encoding="utf-8", check=True
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("code", ["import neurogloss", "from neurogloss import *", LIST])
def test_nothing_heavy_is_loaded(code: str) -> None:
    assert _heavy_modules_after(code) == set()


def test_a_run_begins_to_load_its_model_before_what_is_needed_later() -> None:
    assert _heavy_modules_after(UNTIL_THE_MODEL, NOT_BEFORE_THE_MODEL) == set()
    assert _heavy_modules_after(UNTIL_THE_MODEL, {"hydra", "numpy"}) == {"hydra", "numpy"}


def test_the_assertion_can_fail() -> None:
    assert _heavy_modules_after("import neurogloss, numpy, hydra") == {"numpy", "hydra", "omegaconf"}
    assert "numpy" in _heavy_modules_after(f"import neurogloss.testing.records; {LIST}")
