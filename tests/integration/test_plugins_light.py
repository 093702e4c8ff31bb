"""Importing the package and listing plugins load nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"torch", "transformers", "sentence_transformers", "sklearn", "vllm", "openai", "anthropic"}
HEAVY |= {"hydra", "omegaconf", "pandas", "datasets", "ray", "numpy"}
LIST = "from neurogloss.cli.main import main; main(['plugins'])"


def _heavy_modules_after(code: str) -> set[str]:
    report = f"import sys; print(*(sys.modules.keys() & {HEAVY!r}))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, encoding="utf-8", check=True
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("code", ["import neurogloss", "from neurogloss import *", LIST])
def test_nothing_heavy_is_loaded(code: str) -> None:
    assert _heavy_modules_after(code) == set()


def test_the_assertion_can_fail() -> None:
    assert _heavy_modules_after("import neurogloss, numpy, hydra") == {"numpy", "hydra", "omegaconf"}
    assert "numpy" in _heavy_modules_after(f"import neurogloss.testing.records; {LIST}")
