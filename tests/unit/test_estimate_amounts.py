"""From sampled units to all: numbers computed by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from neurogloss.pipeline.estimating.amounts import Amounts, Interval, Rates, amounts_of, total
from neurogloss.pipeline.estimating.counting import Cost, Counter
from neurogloss.pipeline.estimating.duration import ASSUMPTION, duration
from neurogloss.pipeline.estimating.pilot import Measured, Pilot, mean_of_others, measured
from neurogloss.pipeline.estimating.sampling import CallCount, count_of, spread
from neurogloss.pipeline.limits import Limits
from neurogloss.pipeline.prices import FREE, Price
from neurogloss.records import codec
from neurogloss.records.documents import Message
from neurogloss.records.requests import Completion, GenerateReply, GenerateRequest, Usage
from neurogloss.records.runs import LedgerEntry
from neurogloss.testing.fakes import FakeLanguageModel

GROUP = ("explainer", "generate")
PRICE = Price(input=2.0, output=10.0, cached_input=0.5, cache_write=2.5)
MILLION = 1_000_000


class Model(FakeLanguageModel):
    def __init__(self, provider: str = "openai", *, batched: bool = False) -> None:
        super().__init__()
        self._provider = provider
        self.batched = batched

    def identity(self) -> dict[str, str]:
        return {"provider": self._provider, "model": "m"}


def cost(prompt: int = 1000, cacheable: int = 400, least: int = 1, most: int = 60) -> Cost:
    return Cost(GROUP, prompt, cacheable, least, most)


def usd(amounts: Amounts) -> Interval:
    assert amounts.usd is not None
    return amounts.usd


def test_units_are_spread_over_their_order() -> None:
    assert spread(range(10), 2) == [2, 7]
    assert spread(range(3), 5) == [0, 1, 2]
    assert spread([], 5) == []


def test_calls_of_all_units_are_counted_once() -> None:
    keys = [frozenset("abc"), frozenset("cd"), frozenset()]
    assert count_of(keys, 3) == CallCount(4 / 3, 0.0)


def test_calls_of_some_units_have_an_error() -> None:
    keys = [frozenset("ab"), frozenset("cdef")]
    count = count_of(keys, 8)
    assert count.per_unit == 3
    assert count.error == pytest.approx(np.sqrt(2) * np.sqrt(1 / 2 - 1 / 8))
    assert count_of(keys[:1], 8) == CallCount(2, 0)


def test_requests_that_units_have_in_common_are_made_once_for_each_class() -> None:
    """Four classes in turn: 3 requests of the unit's own, 2 of its class."""
    keys = [frozenset({f"own {n} {i}" for i in range(3)} | {f"class {n % 4} {i}" for i in range(2)}) for n in range(24)]
    count = count_of(keys, 1000)
    # 60 of the 276 pairs are alike, which speaks for 4.6 classes, all of them met among 1,000 units.
    assert count.per_unit == pytest.approx(5 - 2 * (1 - 4.6 / 1000))
    assert count.error == pytest.approx(2 * 4.6 / np.sqrt(60) / 1000)
    same = [frozenset({"shared", str(n)}) for n in range(5)]
    assert count_of(same, 100).per_unit == pytest.approx(2 - 0.99)
    silent = [*same, *[frozenset[str]()] * 5]
    assert count_of(silent, 100).per_unit == pytest.approx((50 * 2 - 49) / 100)


def test_a_census_has_no_margin_and_dollars_follow_the_cache() -> None:
    amounts = amounts_of([[cost()], [cost(prompt=3000)]], CallCount(1.0, 0.0), 2, Rates(PRICE))
    assert amounts.calls == Interval(2, 2, 2)
    assert amounts.prompt_tokens == Interval(4000, 4000, 4000)
    assert amounts.cacheable_tokens == Interval(800, 800, 800)
    assert amounts.completion_tokens == Interval(2, 120)
    cheapest = (3200 * 2.0 + 800 * 0.5 + 2 * 10.0) / MILLION
    dearest = (4000 * 2.5 + 120 * 10.0) / MILLION
    assert (usd(amounts).low, usd(amounts).high) == pytest.approx((cheapest, dearest))


def test_margins_are_of_a_ratio_estimate() -> None:
    """Two sampled units of 10, of 1 and 3 calls of 100 and 200 tokens; 2.5 calls a unit in the mean."""
    units = [[cost(prompt=100)], [cost(prompt=200)] * 3]
    amounts = amounts_of(units, CallCount(2.5, 0.2), 10, Rates(FREE))
    per_call, student = 700 / 4, 63.6567
    residuals = (100 - per_call, 600 - 3 * per_call)
    error = np.sqrt(sum(r**2 for r in residuals) * (1 / 2 - 1 / 10) + (0.2 * per_call) ** 2)
    assert amounts.prompt_tokens.expected == pytest.approx(10 * 2.5 * per_call)
    assert amounts.prompt_tokens.high == pytest.approx(10 * (2.5 * per_call + student * error), rel=1e-4)
    assert amounts.prompt_tokens.low == 0
    assert amounts.calls.high == pytest.approx(10 * (2.5 + student * 0.2), rel=1e-4)
    assert usd(amounts) == Interval(0, 0)


def test_batches_are_cheaper() -> None:
    half = Price(input=2.0, output=10.0, batch=0.5)
    plain, batched = (
        usd(amounts_of([[cost()]], CallCount(1, 0), 1, Rates(half, batched=batched))) for batched in (False, True)
    )
    assert (batched.low, batched.high) == pytest.approx((plain.low / 2, plain.high / 2))


def test_an_unknown_price_stays_unknown_in_sums() -> None:
    known, unknown = (amounts_of([[cost()]], CallCount(1, 0), 1, Rates(price)) for price in (PRICE, None))
    assert unknown.usd is None
    assert total([known, unknown]).usd is None
    assert total([known, known]).completion_tokens == Interval(2, 120)
    assert usd(total([])) == Interval(0, 0, 0)
    assert usd(known.per(2)).high == pytest.approx(usd(known).high / 2)


def test_a_pilot_narrows_completions_and_dollars() -> None:
    seen = Measured(1.1, (0.2, 0.3), (0.5, 0.6), 0.1, 2.0)
    amounts = amounts_of([[cost()]], CallCount(1, 0), 1, Rates(PRICE, measured=seen))
    assert amounts.prompt_tokens.expected == pytest.approx(1100)
    assert (amounts.completion_tokens.low, amounts.completion_tokens.high) == pytest.approx((12, 18))
    cheapest = (1100 * 0.4 * 2.0 + 1100 * 0.6 * 0.5 + 12 * 10.0) / MILLION
    dearest = (1100 * 0.4 * 2.0 + 1100 * 0.5 * 0.5 + 1100 * 0.1 * 2.5 + 18 * 10.0) / MILLION
    assert (usd(amounts).low, usd(amounts).high) == pytest.approx((cheapest, dearest))


def test_the_mean_of_others_lies_around_the_mean_of_these() -> None:
    low, high = mean_of_others([0.2, 0.3, 0.4, 0.3])
    half = 5.8409 * np.std([0.2, 0.3, 0.4, 0.3], ddof=1) * np.sqrt(2 / 4)
    assert (low, high) == pytest.approx((max(0, 0.3 - half), 0.3 + half), rel=1e-4)
    assert mean_of_others([1.0, 1.0])[1] == 1.0
    low, high = mean_of_others([0.5] * 3)
    assert low < 0.5 < high, "three that are equal do not show that all are"


async def test_what_the_calls_of_a_pilot_tell() -> None:
    request = GenerateRequest((Message("user", "the sea"),), max_tokens=10)

    def entry(prompt: int | None, completion: int, cached: int | None = None, *, failed: bool = False) -> LedgerEntry:
        usage = Usage(prompt, cached, completion, 2)
        reply = None if failed else GenerateReply((Completion("x"),), usage)
        return LedgerEntry("k", *GROUP[:1], "m", GROUP[1], codec.encode(request), reply, usage, seconds=3.0)

    def pilot(*entries: LedgerEntry) -> Pilot:
        return Pilot(1, "run", entries, len(entries), None, 1.0)

    models, counter = {"explainer": Model()}, Counter(Limits())
    # The rule counts 2 words and 4 tokens around a message.
    both = pilot(entry(9, 2, 3), entry(9, 4, 6), entry(9, 9, failed=True), entry(None, 9))
    (seen,) = (await measured(both, models, counter)).values()
    assert seen.prompt_ratio == pytest.approx(1.5)
    assert seen.completion_share == mean_of_others([0.2, 0.4])
    assert seen.read_share == mean_of_others([1 / 3, 2 / 3])
    assert seen.written_share == pytest.approx(4 / 18)
    assert seen.seconds == 3.0
    assert await measured(pilot(entry(9, 2)), models, counter) == {}, "one call tells no spread"
    (silent,) = (await measured(pilot(entry(9, 2), entry(9, 2)), models, counter)).values()
    assert silent.read_share is None


def _asked(calls: float, prompt: float, completion: Sequence[float] = (0, 0)) -> Amounts:
    return Amounts(
        Interval(calls, calls, calls),
        Interval(prompt, prompt, prompt),
        Interval(0, 0, 0),
        Interval(*completion),
        None,
    )


@pytest.mark.parametrize(
    ("limits", "seconds"),
    [
        (Limits(concurrency=10), (60.0, 80.0)),  # 500 calls of 1 s and 5,000 to 15,000 tokens at 50 a second
        (Limits(concurrency=10, requests_per_minute=100), (300.0, 300.0)),
        (Limits(concurrency=10, tokens_per_minute=60_000), (505.0, 515.0)),
    ],
)
def test_the_tightest_limit_decides_how_long_it_takes(limits: Limits, seconds: tuple[float, float]) -> None:
    amounts = {GROUP: _asked(500, 500_000, (5_000, 15_000))}
    found = duration(amounts, {"explainer": Model()}, limits, {}, None, 10, {GROUP: 1.0})
    assert found.hours is not None
    assert (found.hours.low * 3600, found.hours.high * 3600) == pytest.approx(seconds)
    assert found.basis == ASSUMPTION


def test_a_request_that_takes_several_calls_counts_as_several() -> None:
    amounts, limits = {GROUP: _asked(500, 0)}, Limits(concurrency=10, requests_per_minute=100)
    found = duration(amounts, {"explainer": Model()}, limits, {}, None, 10, {GROUP: 2.5})
    assert found.hours is not None
    assert found.hours.low * 3600 == pytest.approx(750)


def test_servers_work_at_the_same_time_and_a_pilot_measures_them() -> None:
    groups = {GROUP: _asked(100, 0), ("simulator", "choice_logprobs"): _asked(300, 0)}
    models = {"explainer": Model("openai"), "simulator": Model("anthropic")}
    seen = {group: Measured(1, (0, 1), None, 0, 2.0) for group in groups}
    found = duration(groups, models, Limits(concurrency=10), seen, None, 10, dict.fromkeys(groups, 1.0))
    assert found.hours is not None
    assert (found.hours.low * 3600, found.hours.high * 3600) == pytest.approx((60, 80))
    assert "pilot" in found.basis


def test_a_model_in_this_process_takes_as_long_as_the_pilot_shows() -> None:
    amounts, models = {GROUP: _asked(500, 0)}, {"explainer": Model("local")}
    assert duration(amounts, models, Limits(), {}, None, 10, {GROUP: 1.0}).hours is None
    assert duration(amounts, models, Limits(), {}, Pilot(2, "run", (), 0, 0.0, 9.0), 10, {GROUP: 1.0}).hours is None
    found = duration(amounts, models, Limits(), {}, Pilot(2, "run", (), 50, 0.0, 9.0), 10, {GROUP: 1.0})
    assert found.hours is not None
    assert found.hours.low * 3600 == pytest.approx(45)


def test_batches_take_as_long_as_they_take() -> None:
    found = duration({GROUP: _asked(5, 0)}, {"explainer": Model(batched=True)}, Limits(), {}, None, 1, {GROUP: 1.0})
    assert found.hours is None
    assert "day" in found.basis
