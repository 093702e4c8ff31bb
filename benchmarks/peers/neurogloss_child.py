"""neurogloss at the same work as its peers: a run, without its collection, in a process of its own.

A job is {"units", "overrides"}. Its result has, for each unit, an explanation and the scores.
"""

from __future__ import annotations

from typing import Any

from child import Job, Work, serve
from work import STORE, settings_for

from neurogloss import app
from neurogloss.pipeline.progress import Progress
from neurogloss.records.failures import Failure
from neurogloss.records.scores import Score
from neurogloss.session import Session


def prepare(job: Job) -> Work:
    """Begins with an empty store of results and the collection of all runs."""
    for left in STORE.glob("results.sqlite*"):
        left.unlink()
    session = Session(settings_for(job["units"], job["overrides"]), Progress())
    collected = session.collected()

    async def work() -> Any:
        try:
            await app.explain_units(session, collected, session.units, Progress())
            return _found(session)
        finally:
            await session.close()

    return work


def _found(session: Session) -> list[dict[str, Any]]:
    store, run_id = session.store, session.run_id
    said = {row.cell.unit: row.outcome for row in store.explanations(run_id)}
    found = {unit: {"unit": str(unit), "explanation": _text(said.get(unit)), "scores": {}} for unit in session.units}
    for row in store.scores(run_id):
        found[row.cell.unit]["scores"][row.scorer] = _told(row.outcome)
    return list(found.values())


def _text(outcome: Any) -> str:
    return str(outcome) if isinstance(outcome, Failure) else outcome.summary()


def _told(outcome: Score | Failure) -> dict[str, Any]:
    if isinstance(outcome, Failure):
        return {"score": None, "failure": f"{outcome.reason}: {outcome.detail}"}
    measure = outcome.measures[outcome.headline]
    return {
        "score": measure.value,
        "low": measure.low,
        "high": measure.high,
        "asked": outcome.n_asked,
        "answered": outcome.n_answered,
    }


if __name__ == "__main__":
    serve(prepare)
