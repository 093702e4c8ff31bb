"""Runs the frozen benchmarks of this folder and compares their means with `reference.json`.

    .venv/bin/python benchmarks/quality/compare.py [--renew] [--store FOLDER] [NAME ...]

Exit code 1 if a number is off by more than its tolerance. `--renew` writes the numbers instead; look at their diff.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

from neurogloss.cli.main import main as neurogloss

HERE = Path(__file__).parent
REFERENCE = HERE / "reference.json"
TOLERANCES = {"known_units": 1e-6, "small_model": 0.03}
"""What a mean may be off by: the oracle is exact; float32 on another processor rounds differently."""


def main() -> int:
    """Runs what is asked for and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(TOLERANCES), metavar="NAME", help=", ".join(TOLERANCES))
    parser.add_argument("--renew", action="store_true")
    parser.add_argument("--store", default="neurogloss-store", help="where results go, and are found again")
    options = parser.parse_args()
    store = Path(options.store).resolve()
    reference = json.loads(REFERENCE.read_text(encoding="utf-8"))
    os.chdir(HERE)  # the frozen files are named relative to this folder
    off = 0
    for name in options.names:
        found = means(name, store)
        if options.renew:
            reference[name] = {"tolerance": TOLERANCES[name], "means": found}
        off += table(name, found, reference[name])
    if options.renew:
        REFERENCE.write_text(json.dumps(reference, indent=2) + "\n", encoding="utf-8")
    return 1 if off else 0


def means(name: str, store: Path) -> dict[str, float | None]:
    """The mean of each row under each scorer."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = neurogloss(["benchmark", f"benchmark={name}", "--config-dir", "conf", "--json", f"store.root={store}"])
    if code:
        sys.exit(f"{name} ended with exit code {code}. {out.getvalue()}")
    data: dict[str, Any] = json.loads(out.getvalue())
    return {
        f"{scorer['scorer']} {line['explainer']}": line["mean"]["value"]
        for subject in data["subjects"]
        for scorer in subject["scorers"]
        for line in scorer["lines"]
    }


def table(name: str, found: dict[str, float | None], reference: dict[str, Any]) -> int:
    """Prints a benchmark's numbers beside the reference; tells how many are off."""
    tolerance, expected = reference["tolerance"], reference["means"]
    print(f"\n{name} (tolerance {tolerance:g})\n{'row':<40}{'mean':>10}{'reference':>12}")
    off = 0
    for row in sorted({*found, *expected}):
        value, wanted = found.get(row), expected.get(row)
        missing = value is None or wanted is None
        wrong = value != wanted if missing else abs(value - wanted) > tolerance  # type: ignore[operator]
        off += wrong
        print(f"{row:<40}{_number(value):>10}{_number(wanted):>12}{'  OFF' if wrong else ''}")
    return off


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    sys.exit(main())
