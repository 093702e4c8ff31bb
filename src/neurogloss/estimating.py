"""What a run would ask, found out before it asks anything."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from neurogloss.app import explain_units
from neurogloss.config.settings import Settings
from neurogloss.errors import UsageError, rewrite
from neurogloss.pipeline.estimating.counting import Counter
from neurogloss.pipeline.estimating.estimate import Estimate, estimate_of
from neurogloss.pipeline.estimating.pilot import Pilot
from neurogloss.pipeline.estimating.sampling import LOOKED_AT, Sampler, spread
from neurogloss.pipeline.estimating.standing_in import NotingLedger
from neurogloss.pipeline.progress import Progress
from neurogloss.session import Session
from neurogloss.store.room import needing_room

_COLLECTED_WHOLE = 1000
"""For an estimate of more units than this, only those that are looked at are collected."""


def estimate(
    settings: Settings, progress: Progress, *, sample: int = 5, pilot: int = 0, units_total: int | None = None
) -> Estimate:
    """What a run will ask of language models, from the prompts of a sample of its units; asks them nothing.

    Records are collected as for the run, which uses them again.

    Args:
        settings: The run.
        progress: Hears of the stages.
        sample: How many units are looked at, spread over the chosen ones.
        pilot: How many units are really run before, as the beginning of the run, to narrow the estimate.
        units_total: How many units to estimate for; by default the chosen ones.

    Raises:
        UsageError: As for `run`.
        BudgetError: By the pilot, as for `run`.
    """
    with needing_room(Path(settings.store.config.root)):
        return asyncio.run(_estimate(settings, progress, sample, pilot, units_total))


async def _estimate(settings: Settings, progress: Progress, sample: int, pilot: int, total: int | None) -> Estimate:
    piloted = await _piloted(settings, progress, pilot) if pilot else None
    ledger = NotingLedger()
    session = Session(settings, progress, ledger)
    try:
        units = spread(session.units, max(LOOKED_AT, sample))
        collected = session.collected(session.units if len(session.units) <= _COLLECTED_WHOLE else units)
        if total is not None and total < len(session.units):
            raise UsageError(
                f"{total} units are fewer than the {len(session.units)} chosen ones.",
                remedy="Choose fewer units, or estimate for more.",
            )
        n_units, counter = total or len(session.units), Counter(settings.limits, redact=session.redact)
        sampler = Sampler(session.arms, ledger, collected.record, settings.score_on, counter, progress)
        sampled = await sampler.sampled(units, sample, n_units)
        models = {role: session.model(role) for role in settings.llms}
        return await estimate_of(
            sampled, models, counter, prices=settings.prices, limits=settings.limits, n_units=n_units, pilot=piloted
        )
    except Exception as error:
        rewrite(error, session.redact)
        raise
    finally:
        await session.close()


async def _piloted(settings: Settings, progress: Progress, n_units: int) -> Pilot:
    session = Session(settings, progress)
    try:
        session.check_models()
        units, collected = spread(session.units, n_units), session.collected()
        before, started = session.store.totals(session.run_id), time.monotonic()
        await explain_units(session, collected, units, progress)
        seconds, after = time.monotonic() - started, session.store.totals(session.run_id)
        usd = None if before.usd is None or after.usd is None else after.usd - before.usd
        entries = session.store.ledger(session.run_id)
        return Pilot(len(units), session.run_id, entries, after.calls - before.calls, usd, seconds)
    except Exception as error:
        rewrite(error, session.redact)
        raise
    finally:
        await session.close()
