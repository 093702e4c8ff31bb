"""Machine code that is kept from one process to the next."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LOOP = """
from constants import STEP
from neurogloss.reducers.compiled import compiled

@compiled
def stepped(n):
    return n + STEP

print(stepped(1))
"""


def test_kept_code_is_not_used_when_a_constant_of_another_file_changes(tmp_path: Path) -> None:
    (tmp_path / "loop.py").write_text(LOOP)

    def printed() -> str:
        command = [sys.executable, "-c", "import loop"]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.strip()

    for step in (1, 20):
        (tmp_path / "constants.py").write_text(f"STEP = {step}  # {'x' * step}")
        assert printed() == str(1 + step)
    assert len(list((tmp_path / "__pycache__").glob("*.nbi"))) == 2
