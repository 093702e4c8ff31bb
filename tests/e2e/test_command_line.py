"""The command line in a process of its own, as users start it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "transformers", "vllm", "openai", "anthropic", "pandas")


def _python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**environment, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def _loaded(folder: Path, *arguments: str) -> tuple[int, set[str]]:
    """The exit code of a command and the modules it imported."""
    code = (
        "import sys\n"
        "from neurogloss.cli.main import main\n"
        f"code = main({list(arguments)!r})\n"
        "print('\\n' + ' '.join([str(code), *sys.modules]))\n"
    )
    done = _python(folder, "-c", code)
    last = done.stdout.splitlines()[-1].split()
    return int(last[0]), set(last[1:])


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("colection.top_k=3", "Did you mean collection?"),
        ("collection.topk=3", "Did you mean collection.top_k?"),
        ("simulator.calibration=linaer", "Did you mean linear?"),
        ("simulator=logprb", "Did you mean logprob?"),
        ("explaner/llm=scripted", "Did you mean explainer?"),
    ],
)
def test_a_misspelling_is_one_message_and_exit_code_2(override: str, part: str, tmp_path: Path) -> None:
    done = _python(tmp_path, "-m", "neurogloss", "run", "subject=synthetic", "llm=scripted", override)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("neurogloss: ") == 1
    assert part in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == [], "nothing was made before the error"


@pytest.mark.parametrize("override", ["subject.modle=x", "units=3", "llm.nope=1", "simulator=table"])
def test_a_wrong_run_fails_before_anything_heavy_is_imported(override: str, tmp_path: Path) -> None:
    code, modules = _loaded(tmp_path, "run", override)
    assert code == 2
    assert not modules & set(HEAVY)


@pytest.mark.parametrize("arguments", [("--help",), ("version",), ("plugins",)])
def test_light_commands_stay_light(arguments: tuple[str, ...], tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from neurogloss.cli.main import main\n"
        "try:\n"
        f"    main({list(arguments)!r})\n"
        "except SystemExit:\n"
        "    pass\n"
        "print('\\n' + ' '.join(sys.modules))\n"
    )
    modules = set(_python(tmp_path, "-c", code).stdout.splitlines()[-1].split())
    assert "neurogloss.cli.main" in modules
    assert not modules & {*HEAVY, "hydra", "omegaconf", "rich", "sqlalchemy", "scipy"}


def test_what_a_process_imports_is_seen(tmp_path: Path) -> None:
    _, modules = _loaded(tmp_path, "run", "units=3")
    assert "hydra" in modules
    assert "omegaconf" in modules


def test_help_does_not_depend_on_a_working_plugin(tmp_path: Path) -> None:
    done = _python(tmp_path, "-m", "neurogloss", "run", "--help")
    assert done.returncode == 0
    assert "synthetic" in done.stdout
    assert done.stderr == ""


def test_a_benchmark_prints_its_leaderboard_and_prints_it_again(tmp_path: Path) -> None:
    (tmp_path / "mine/benchmark").mkdir(parents=True)
    (tmp_path / "mine/benchmark/small.yaml").write_text(
        "defaults: [axes, _self_]\n"
        "run: [subject=synthetic, llm=scripted, 'units=[layers.0.mlp/0,layers.1.mlp/1]', collection.max_documents=80]\n"
        "explainers: {words: [explainer=most_frequent_token]}\n"
        "floors: {table: [explainer=token_table, simulator=table]}\n",
        encoding="utf-8",
    )
    command = ("-m", "neurogloss", "benchmark", "benchmark=small", "--config-dir", "mine")
    first, again = _python(tmp_path, *command), _python(tmp_path, *command, "--quiet")
    assert first.returncode == 0, first.stderr
    assert "table (floor)" in first.stdout
    assert "words" in first.stdout
    assert "synthetic words logprob seed 0" in first.stderr
    assert (again.stdout, again.stderr) == (first.stdout, "")
    (page,) = tmp_path.glob("neurogloss-store/leaderboards/*/leaderboard.html")
    assert "Which explainer is best?" in page.read_text(encoding="utf-8")
