"""vLLM in process, in the environment that holds it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


def test_the_plugin_in_process(
    vllm_python: str,
    vllm_variables: dict[str, str],
    smollm2_folder: str,
    level_questions: list[Any],
    local_levels: np.ndarray,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = {
        "pieces": [question.pieces for question in level_questions],
        "fill": level_questions[0].fill,
        "levels": local_levels.tolist(),
    }
    levels = tmp_path / "levels.json"
    levels.write_text(json.dumps(given), encoding="utf-8")
    environment = {
        **os.environ,
        **vllm_variables,
        # The engine in the process of the tests starts in half the time.
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "NEUROGLOSS_LIVE_MODEL": smollm2_folder,
        "NEUROGLOSS_LIVE_LEVELS": str(levels),
    }
    tests = ROOT / "plugins" / "neurogloss-vllm" / "tests"
    # vLLM and what it brings warn of their own affairs.
    options = ("-q", "-rA", "-p", "no:cacheprovider", "-o", "filterwarnings=")
    done = subprocess.run(
        [vllm_python, "-m", "pytest", *options, str(tests)],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    told = [line for line in done.stdout.splitlines() if "levels apart" in line or line.startswith("SKIPPED")]
    with capsys.disabled():
        print("", *told, sep="\n")
    assert sum("levels apart" in line for line in told) == 2
    # A suite skips what it asks of abilities that the plugin does not have.
    assert not [line for line in told if line.startswith("SKIPPED") and "neurogloss/testing/" not in line]
