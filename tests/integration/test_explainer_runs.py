"""Whole runs of explainers that look at other units, with their floor."""

from __future__ import annotations

import sqlite3
import zlib
from pathlib import Path

import pytest

from neurogloss.cli.main import main
from neurogloss.records import codec
from neurogloss.records.explanations import ProseExplanation

RUN = (
    "subject=synthetic",
    "llm=scripted",
    "units=[layers.0.mlp/0,layers.0.mlp/5,layers.1.mlp/4]",
    "collection.max_documents=150",
    "scorer=[]",
    "floor=[other_unit]",
)


def test_other_units_give_negatives_and_a_floor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    listing = "explainer.listing={tokens: 5, context: 2}"
    assert main(["run", "--quiet", "--json", *RUN, "explainer=contrastive", listing]) == 0
    with sqlite3.connect("neurogloss-store/results.sqlite") as connection:
        rows = connection.execute("select unit, arm, outcome from explanations").fetchall()
        calls = connection.execute("select request from calls").fetchall()
    connection.close()
    outcomes = {(unit, arm): codec.decode(outcome) for unit, arm, outcome in rows}
    assert all(isinstance(outcome, ProseExplanation) for outcome in outcomes.values())
    for (unit, arm), outcome in outcomes.items():
        if arm == "other_unit":
            about = outcome.provenance.about
            assert about != unit
            assert outcome.text == outcomes[about, "main"].text
    # What is asked about the other unit was asked in the main arm.
    assert len(calls) == 3
    for (request,) in calls:
        question = codec.decode(zlib.decompress(request).decode("utf-8")).messages[-1].content
        assert "It did not respond:\n1. " in question
        assert "[[" in question.partition("It did not respond")[2], "the listed tokens have contexts"
