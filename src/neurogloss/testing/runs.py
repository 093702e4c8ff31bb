"""A small finished run for tests: what a store holds of it, with every kind of result and absence.

Its units fire on words. The main arm's simulation is the truth with noise, the floors' are worse.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from neurogloss.records.activations import ActivationRecord
from neurogloss.records.explanations import Candidate, ProseExplanation, Provenance
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.requests import Usage
from neurogloss.records.runs import Cell, ExplanationRow, LedgerTotals, RunManifest, ScoreRow
from neurogloss.records.scores import Measure, Score
from neurogloss.records.simulations import Simulation
from neurogloss.records.tokens import Split, TokenSequence
from neurogloss.records.unit_records import SplitRecords, UnitRecord
from neurogloss.records.units import UnitId
from neurogloss.testing.records import token_sequence, unit_record

TEXTS = (
    "The harbour master wrote the arrival of each ship into a ledger bound in green cloth, and nobody was allowed to "
    "turn its pages but him. On the day the storm broke, he wrote nothing at all until the last boat was in.",
    "def mean(values):\n\tif not values:\n\t\treturn None\n\treturn sum(values) / len(values)\n",
    "Her grandmother kept seven cats, a deaf dog and one heron with a broken wing 🐈 that slept in the bath.",
    "昨天下午，图书馆里坐满了准备考试的学生，窗外下着小雨。",
    "كتبت المعلمة على السبورة ثلاث كلمات، ثم سألت التلاميذ عن معناها.",
    "In 1874 the village had 312 inhabitants, two mills and a school; by 1921 only one mill was still turning.",
    "Déjà, près de la fenêtre, l'élève répétait : « où étais-tu ? » — et personne ne répondait.",
    "Add the flour slowly, a spoonful at a time, and stir until the dough no longer sticks to the bowl. Let it rest "
    "in a warm place for an hour before you bake it.",
)
"""What the documents say: several scripts, code, numbers, an emoji, line feeds and tabs."""

_RULES: Sequence[tuple[str, Mapping[str, float], str]] = (
    ("layers.2.mlp/17", {"harbour": 2.4, "ship": 6.1, "boat": 4.9, "storm": 2.2}, "words about ships and harbours"),
    ("layers.2.mlp/803", {"1874": 3.2, "312": 4.4, "1921": 3.7, "seven": 1.1, "two": 0.9}, "numbers, above all years"),
    ("layers.9.mlp/5-", {"return": 5.2, "def": 3.3, "if": 2.1, "not": 1.2}, "keywords of the Python language"),
    ("layers.9.mlp/410", {"flour": 3.1, "dough": 4.0, "bowl": 2.0, "bake": 3.6, "stir": 2.2}, "baking bread or cakes"),
    ("layers.14.mlp/77", {"the": 1.3}, "the definite article before a noun that names a place"),
    (
        "layers.14.mlp/1201",
        {"图书馆里坐满了准备考试的学生": 2.8, "学生": 2.0},
        "Chinese text about schools and students",
    ),
    ("layers.21.mlp/3", {}, ""),
    ("layers.21.mlp/64", {"cats": 3.9, "dog": 3.0, "heron": 2.6, "🐈": 3.3}, ""),
    ("layers.21.mlp/900", {"a": 0.7, "and": 0.6, "one": 0.8}, "short words that join others"),
    ("layers.27.mlp/1", {"سألت": 2.7, "كلمات": 1.9}, "كلمات عربية عن المدرسة"),
)
_NOT_REACHED = "layers.27.mlp/2"


@dataclass(frozen=True)
class SampleRun:
    """What a store and its collection hold of a run."""

    manifest: RunManifest
    explanations: tuple[ExplanationRow, ...]
    scores: tuple[ScoreRow, ...]
    records: Mapping[UnitId, UnitRecord]
    ledger: LedgerTotals
    notes: tuple[str, ...]


def sample_run(extra: str = "") -> SampleRun:
    """The run.

    Args:
        extra: Stands in every text: tokens, names, explanations, details, configuration and notes.
    """
    made = _Maker(extra)
    rows = [made.results(i, *rule) for i, rule in enumerate(_RULES)]
    last = made.record(_NOT_REACHED, {"cloth": 1.0}, len(rows))
    records = {row[0].unit: row[0] for row in rows} | {last.unit: last}
    return SampleRun(
        manifest=RunManifest(
            run_id="5f1c0a9be2d4" + extra,
            created="2025-03-01T09:30:00+00:00" + extra,
            config={
                "subject": {"component": "synthetic" + extra, "seed": 0},
                "corpus": {"component": "bundled", "paths": ["a" + extra]},
                "explainer": {"component": "token_activation" + extra, "n_samples": 1},
                "simulator": {"component": "logprob", "calibration": "none", "key" + extra: "value" + extra},
                "scorer": {"simulation" + extra: {"component": "simulation", "n_top": 5}},
                "units": [str(unit) for unit in records],
                "report": None,
            },
            units=tuple(str(unit) for unit in records),
            identities={
                "subject": {"name": "Sample-135M" + extra, "revision": "9f3" + extra},
                "corpus": {"name": "eight documents" + extra, "hash": "c0ffee"},
                "llm of the explainer" + extra: {"model": "scripted" + extra},
            },
            versions={"neurogloss": "0.1.0", "python" + extra: "3.11" + extra},
        ),
        explanations=tuple(explanation for row in rows for explanation in row[1]),
        scores=tuple(score for row in rows for score in row[2]),
        records=records,
        ledger=LedgerTotals(calls=214, failed=2, reused=31, usage=Usage(180_422, None, 1_904), seconds=83.2),
        notes=("The corpus is small: eight documents." + extra,),
    )


class _Maker:
    """Makes records and results; the same for the same `extra`."""

    def __init__(self, extra: str) -> None:
        self._extra = extra
        self._sequences = {split: self._texts(split) for split in Split}

    def _texts(self, split: Split) -> list[TokenSequence]:
        first = list(Split).index(split) * len(TEXTS)
        made = []
        for i, text in enumerate(TEXTS):
            words = re.findall(r"\s?[^\W\d_]+|\s?\d+|\s?[^\w\s]|\s+", text) + ([self._extra] if self._extra else [])
            sequence = token_sequence([w[at : at + 14] for w in words for at in range(0, len(w), 14)], id=first + i)
            name = f"{split}/{i:03d}{self._extra}"
            made.append(replace(sequence, split=split, document_id=name))
        return made

    def record(self, unit: str, weights: Mapping[str, float], seed: int) -> UnitRecord:
        rng = np.random.default_rng(seed)
        splits = {split: self._split(split, weights, rng) for split in Split}
        plain = unit_record(weights)
        site, _, index = unit.partition("/")
        tops = [record for kept in splits.values() for record in kept.top]
        statistics = replace(
            plain.statistics,
            maximum=max(record.maximum for record in tops),
            firing_fraction=float(np.mean(np.concatenate([r.values[r.counted] > 0 for r in tops]))),
            kurtosis=41.7,
            first_position_share=0.96 if seed == 8 else 0.02,
            quantiles={"0.5": 0.0, "0.9": 1.2, "0.99" + self._extra: 3.4},
            quantile_error=0.01,
            top_tokens=(*(f" {word}" for word in weights), *([self._extra] if self._extra else [])),
        )
        site += re.sub(r"[/\s]", "", self._extra)
        return UnitRecord(UnitId.parse(f"{site}/{index}"), statistics, splits)

    def _split(self, split: Split, weights: Mapping[str, float], rng: np.random.Generator) -> SplitRecords:
        records = [self._activations(sequence, weights, rng) for sequence in self._sequences[split]]
        by_maximum = tuple(sorted(records, key=lambda record: -record.maximum))
        return SplitRecords(
            top=by_maximum[:4],
            random=tuple(records[::2]),
            quantile={"0-0.5": by_maximum[-2:], "0.5-0.9" + self._extra: by_maximum[2:4]},
            importance=by_maximum[1:3],
            shortfalls=("quantile bin 0.99-0.999: 0 of 5 records" + self._extra,) if split is Split.TEST else (),
        )

    def _activations(
        self, sequence: TokenSequence, weights: Mapping[str, float], rng: np.random.Generator
    ) -> ActivationRecord:
        base = np.array([weights.get(token.strip(), 0.0) for token in sequence.tokens])
        noise = rng.normal(0, 0.15, len(sequence)) if weights else -np.abs(rng.normal(0, 0.1, len(sequence)))
        values = np.where(sequence.special, 40.0, base * rng.uniform(0.6, 1, len(sequence)) + noise)
        counted = ~sequence.special
        counted[1] = False
        return ActivationRecord(sequence, values.astype(np.float32), counted)

    def results(
        self, seed: int, unit: str, weights: Mapping[str, float], prose: str
    ) -> tuple[UnitRecord, list[ExplanationRow], list[ScoreRow]]:
        record = self.record(unit, weights, seed)
        explanations, scores = [], []
        for arm, text, noise in (
            ("main", prose, 1.0 + 0.6 * seed),
            ("token_table" + self._extra, "table of 412 tokens: ' the' 1.20", 2.5),
            ("random_text", "the last letter of a word", 60.0),
        ):
            cell = Cell(record.unit, arm)
            if not weights:
                explanations.append(ExplanationRow(cell, Failure(Reason.DEAD, "no record above 0" + self._extra)))
                continue
            if arm == "main" and not text:
                detail = "no line began with the marker" + self._extra
                explanations.append(ExplanationRow(cell, Failure(Reason.UNPARSABLE, detail)))
                continue
            tried = self._candidates(text) if arm == "main" and seed == 0 else ()
            source = Provenance("token_activation" + self._extra, "scripted" + self._extra, candidates=tried)
            explanations.append(ExplanationRow(cell, ProseExplanation(source, text + self._extra)))
            scores.append(self._score(cell, record, noise, seed))
        return record, explanations, scores

    def _candidates(self, text: str) -> tuple[Candidate, ...]:
        unread = Failure(Reason.UNPARSABLE, "two answers" + self._extra)
        return (
            Candidate("words" + self._extra, 0.21),
            Candidate(text + self._extra, 0.63, chosen=True),
            Candidate("", failure=unread),
            Candidate("names" + self._extra, failure=Failure(Reason.CONSTANT, "all values are 0" + self._extra)),
        )

    def _score(self, cell: Cell, record: UnitRecord, noise: float, seed: int) -> ScoreRow:
        scorer = "simulation" + self._extra
        if cell.arm == "main" and seed == 5:
            return ScoreRow(cell, scorer, Failure(Reason.CONSTANT, "all values are 0.5" + self._extra))
        rng = np.random.default_rng(seed)
        kept = record.splits[Split.TEST]
        scored = {r.sequence.id: r for r in (*kept.top, *kept.random)}.values()
        maximum = record.statistics.maximum
        simulations = []
        for real in scored:
            level = 10 * np.maximum(real.values, 0) / maximum + rng.normal(0, noise, len(real.values))
            expected = np.where(real.sequence.special, np.nan, np.clip(level, 0, 10))
            if seed == 3:
                expected[6:9] = np.nan
            simulations.append(Simulation(real.sequence.id, expected, 10))
        value = round(1 / (1 + noise / 4), 3)
        name = "correlation.top_and_random" + self._extra
        return ScoreRow(
            cell,
            scorer,
            Score(
                scorer=scorer,
                headline=name,
                measures={
                    name: Measure(value, value - 0.12, min(1.0, value + 0.09), ("extra labels at rare concepts",)),
                    "correlation.random_only": Measure(None),
                    "r2.top_and_random": Measure(-1.94321),
                },
                floors={"shuffled" + self._extra: 0.013} if cell.arm == "main" else {},
                ceiling=0.984,
                n_asked=412,
                n_answered=409,
                n_unparsable=3,
                flags=("levels 0 to 9" + self._extra,) if seed == 3 else (),
            ),
            tuple(simulations),
        )
