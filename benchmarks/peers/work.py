"""The work that neurogloss and its peers are given: the same neurons of SmolLM2, records and explanations.

neurogloss collects once; the records it explains and scores from are written down for the peers. A unit is

- `explained`: the top records of the split `explain`, `marked`: more of them, the tokens around the peak alone;
- `scored`: the five top and five random records of the split `test` that `scorer=openai_2023` takes;
- `firing` and `quiet`: the windows that `scorer=detection_delphi` asks about;
- `explanation`: the tokens on which it peaks in ten top records of the split `explain`, in a sentence; a small model's
  own explanations are often the same for several units, and neurogloss asks nothing twice.

Values below a tenth of the split's maximum, where neurogloss says that a unit does not fire, are 0 in `marked`,
`firing` and `quiet`: delphi takes whatever is above 0 as firing.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neurogloss.builtin.negatives.configs import RandomNegativesConfig
from neurogloss.builtin.negatives.random import RandomNegatives
from neurogloss.builtin.scorers.questions.selecting import negatives, positives, shown_part
from neurogloss.config.composing import compose
from neurogloss.config.settings import Settings, settings_of
from neurogloss.pipeline.progress import Progress
from neurogloss.plugin.registry import load_registry
from neurogloss.records.activations import ActivationRecord
from neurogloss.records.tokens import Split
from neurogloss.records.unit_records import SplitView, UnitRecord
from neurogloss.session import Session

ROOT = Path(__file__).resolve().parents[2]
STORE = ROOT / ".cache" / "peers" / "store"
TEXT = os.environ.get("NEUROGLOSS_WIKITEXT", str(ROOT.parent / "shared" / "data" / "wikitext2-valid.txt"))
CANDIDATES = (
    "layers.1.mlp/12",
    "layers.4.mlp/700",
    "layers.8.mlp/311",
    "layers.15.mlp/87",
    "layers.18.mlp/455",
    "layers.22.mlp/1300",
    "layers.25.mlp/640",
    "layers.2.mlp/100",
    "layers.6.mlp/55",
    "layers.13.mlp/900",
    "layers.20.mlp/321",
    "layers.28.mlp/5",
)
"""Some fire in nearly every text, or in hardly any, and cannot be asked about."""
N_UNITS = 8
LONG = 300
"""Characters that a paragraph has at least, so that most sequences are whole."""
N_TEXTS, WINDOW = 50, 32
"""Of `scorer=detection_delphi`."""
N_SCORED = 5
"""Of `scorer=openai_2023`, top records and random ones."""


def settings_for(units: Sequence[str], overrides: Sequence[str]) -> Settings:
    """A run of neurogloss on the collection that all runs share."""
    registry = load_registry()
    shared = ["corpus=files", f"corpus.paths=[{_paragraphs()}]", "corpus.split_on=line", "collection.max_documents=400"]
    shared += ["collection.top_k=40", "collection.n_random=200", "collection.per_bin=40", "floor=[]"]
    shared += [f"store.root={STORE}", f"units=[{','.join(units)}]"]
    return settings_of(compose([*overrides, *shared], registry), registry)


def _paragraphs() -> Path:
    """The text's long paragraphs, without headings and blank lines."""
    found = STORE.parent / "paragraphs.txt"
    if not found.is_file():
        found.parent.mkdir(parents=True, exist_ok=True)
        lines = Path(TEXT).read_text("utf-8").splitlines(keepends=True)
        found.write_text("".join(line for line in lines if len(line) >= LONG), "utf-8")
    return found


def exported(n: int = N_UNITS) -> list[dict[str, Any]]:
    """The records of the first `n` candidates with the most texts to ask about, for who knows nothing of neurogloss."""
    session = Session(settings_for(CANDIDATES, []), Progress())
    collected = session.collected()
    units = [_unit(collected.record(unit)) for unit in session.units]
    return sorted(units, key=lambda unit: -len(unit["firing"]))[:n]


def _unit(record: UnitRecord) -> dict[str, Any]:
    explain, test = record.view(Split.EXPLAIN), record.view(Split.TEST)
    top = [each for each in test.records.top if each.counted.any()][:N_SCORED]
    taken = {each.sequence.id for each in top}
    random = [each for each in test.records.random if each.counted.any() and each.sequence.id not in taken][:N_SCORED]
    firing = [each.record for each in positives(test, ["quantile"])[:N_TEXTS]]
    named = {"random": RandomNegatives(RandomNegativesConfig())}
    quiet = [each.record for each in negatives(test, named, N_TEXTS)]
    fewest = min(len(firing), len(quiet))
    return {
        "unit": str(record.unit),
        "explanation": _peaks(explain.records.top[:10]),
        "explained": [_whole(each) for each in explain.records.top[:N_SCORED]],
        "marked": [_windowed(explain, each) for each in explain.records.top[:40]],
        "scored": [_whole(each) for each in (*top, *random)],
        "firing": [_windowed(test, each) for each in firing[:fewest]],
        "quiet": [_windowed(test, each) for each in quiet[:fewest]],
    }


def _peaks(records: Sequence[ActivationRecord]) -> str:
    peaks = [each.sequence.pieces[int(each.piece_values.argmax())].text.strip() for each in records]
    return f"words such as {', '.join(dict.fromkeys(filter(None, peaks)))}"


def _whole(record: ActivationRecord) -> dict[str, Any]:
    return {
        "token_ids": record.sequence.token_ids.tolist(),
        "values": record.values.astype(float).tolist(),
        "pieces": [piece.text for piece in record.sequence.pieces],
        "piece_values": record.piece_values.astype(float).tolist(),
    }


def _windowed(view: SplitView, record: ActivationRecord) -> dict[str, Any]:
    part = shown_part(record, WINDOW)
    values = np.where(part.values < view.firing_value, 0.0, part.values)
    return {"token_ids": part.sequence.token_ids.tolist(), "values": values.astype(float).tolist()}
