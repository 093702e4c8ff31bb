"""Learning rules: greedily, by the squared error that each takes away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from neurogloss.builtin.explainers.rule_evidence import START, Evidence
from neurogloss.builtin.explainers.rule_shrinkage import shrunk
from neurogloss.builtin.explainers.token_tests import Found, token_tests
from neurogloss.records.rules import Rule, TokenTest

_REFINED = 4
"""Rules that are looked at for a narrower one in their place; those with most error left."""
_CONTEXT_PRICE = 75.0
"""How many times as much a test costs in rules that look at tokens before: there are far more of these to try, and the
kept records hold too many of those where the unit fires."""
_DOUBT = 2.0
"""As how many sightings in which nothing happens each token before counts besides, where values vary by chance: these
have outliers, and a token that stood once before one says nothing."""
_LEAST_NOISE = 1e-6
"""A share of the variance: noise below this counts as this, so that of equal rules the shortest is taken."""
_NOTHING = 1e-6
"""A share of the largest value: effects below this are rounding error."""


@dataclass(frozen=True, eq=False)
class _Candidate:
    gain: float
    rule: Rule
    holds: np.ndarray
    """float64 [row]: whether it holds, or the chance that it does where what stood before is not known."""


class RuleLearner:
    """Finds rules for the evidence of one unit.

    Each step adds the rule that lowers the sum of squared residuals most, less `penalty` times the
    noise for the rule and for each thing that it names (the noise being the variance among equal
    tokens); then all effects are fitted again by least squares. A rule asks something of the token,
    or of a token before it, or adds such a question to a rule there is.

    Means over tokens whose surroundings are not known count less the more the rules depend on
    surroundings.
    """

    def __init__(self, evidence: Evidence, max_rules: int, max_tokens: int, penalty: float) -> None:
        self._evidence = evidence
        self._max_rules = max_rules
        self._penalty = penalty
        self._tests = token_tests(evidence.texts, max_tokens)
        self._size = len(evidence.texts) + 1
        # What stands before, as an index whose last entry is the start; unknown is never looked at.
        # Where values vary among equal tokens, records that the unit chose would show chance as a cause.
        self._surrounded = evidence.seen
        # Of the tokens, those whose surroundings are looked at: what rules on these gain, they gain on the others, too.
        self._share = 1.0
        self._doubt = 0.0
        self._before = np.where(evidence.before == START, self._size - 1, evidence.before)

    def learn(self) -> tuple[float, tuple[Rule, ...]]:
        """The base and the rules, in the order in which they were found."""
        evidence = self._evidence
        chosen: list[_Candidate] = []
        effects, values = self._fit(chosen, 0.0)
        least = _LEAST_NOISE * float(evidence.counts @ (values - effects[0]) ** 2) / max(1.0, evidence.counts.sum())
        while len(chosen) < self._max_rules:
            residuals = values - self._predicted(chosen, effects)
            noise = evidence.noise(residuals)
            counts = self._weights(chosen, effects, noise)
            price = self._penalty * max(noise, least)
            by_chance = noise > least
            self._surrounded = slice(0, evidence.n_random if by_chance else evidence.n_seen)
            self._doubt = _DOUBT if by_chance else 0.0
            self._share = float(counts[self._surrounded].sum() / counts.sum()) if by_chance else 1.0
            found = {each.rule for each in chosen}
            best = max(
                (c for c in self._candidates(chosen, residuals, counts, price) if c.rule not in found),
                key=lambda c: c.gain,
                default=None,
            )
            if best is None or best.gain <= 0:
                break
            chosen.append(best)
            effects, values = self._fit(chosen, noise)
        nothing = _NOTHING * float(np.abs(evidence.values).max(initial=0.0))
        learned = [replace(c.rule, effect=float(e)) for c, e in zip(chosen, effects[1:], strict=True)]
        rules = tuple(rule for rule in learned if abs(rule.effect) > nothing)
        return float(effects[0]) if abs(effects[0]) > nothing else 0.0, rules

    def _candidates(
        self, chosen: Sequence[_Candidate], residuals: np.ndarray, counts: np.ndarray, price: float
    ) -> Iterator[_Candidate]:
        everywhere = np.ones(len(residuals))
        nothing = _Candidate(0.0, Rule(0.0), everywhere)
        for place in range(-1, min(1, self._before.shape[1])):
            yield from self._narrower(nothing, place, residuals, counts, price, 2)
        yield from self._pair(residuals, counts, price)
        left = [float((each.holds * counts) @ residuals**2) for each in chosen]
        for number in np.argsort(left)[::-1][:_REFINED]:
            rule = chosen[number].rule
            if rule.token == TokenTest():
                yield from self._narrower(chosen[number], -1, residuals, counts, price, 1)
            if len(rule.before) < self._before.shape[1]:
                yield from self._narrower(chosen[number], len(rule.before), residuals, counts, price, 1)

    def _narrower(
        self, one: _Candidate, place: int, residuals: np.ndarray, counts: np.ndarray, price: float, narrow: int
    ) -> Iterator[_Candidate]:
        """The best rule that asks what `one` asks and something of one token more: itself (-1), or one before."""
        rows = slice(None) if place < 0 and not one.rule.before else self._surrounded
        inside = one.holds[rows] * counts[rows]
        which = self._evidence.token[rows] if place < 0 else self._before[rows, place]
        sums = np.bincount(which, inside * residuals[rows], self._size)
        n = np.bincount(which, inside, self._size)
        share = 1.0
        if place >= 0 or one.rule.before:
            price *= _CONTEXT_PRICE
            sums *= np.divide(n, n + self._doubt, out=np.zeros_like(n), where=n > 0)
            share = self._share
        found = self._tests.best(sums, n, price, narrow=narrow)
        if found is not None:
            yield self._with(one, place, found, (found.gain - price) / share)

    def _pair(self, residuals: np.ndarray, counts: np.ndarray, price: float) -> Iterator[_Candidate]:
        """The best rule on one token after one other."""
        seen = self._surrounded
        if not self._before.shape[1] or not len(self._before[seen]):
            return
        pairs = self._evidence.token[seen] * self._size + self._before[seen, 0]
        distinct, place, n = np.unique(pairs, return_inverse=True, return_counts=True)
        sums = np.bincount(place, residuals[seen]) * n / (n + self._doubt)
        gains = np.where(n > 1, sums**2 / n, 0) - 3 * _CONTEXT_PRICE * price
        best = int(np.argmax(gains))
        token, before = divmod(int(distinct[best]), self._size)
        one = np.arange(self._size) == token
        text = self._evidence.texts[token]
        half = self._with(
            _Candidate(0.0, Rule(0.0), np.ones(len(residuals))), -1, Found(0, TokenTest(tokens=(text,)), one), 0
        )
        start = before == self._size - 1
        test = TokenTest(start=True) if start else TokenTest(tokens=(self._evidence.texts[before],))
        yield self._with(half, 0, Found(0, test, np.arange(self._size) == before), float(gains[best]) / self._share)

    def _with(self, one: _Candidate, place: int, found: Found, gain: float) -> _Candidate:
        holds = one.holds.copy()
        seen = self._evidence.seen
        if place < 0:
            holds *= found.holds[self._evidence.token]
            return _Candidate(gain, replace(one.rule, token=found.test), holds)
        holds[seen] *= found.holds[self._before[seen, place]]
        asked = one.holds[seen].sum()
        holds[self._evidence.n_seen :] *= holds[seen].sum() / asked if asked else 0.0
        return _Candidate(gain, replace(one.rule, before=(*one.rule.before, found.test)), holds)

    def _weights(self, chosen: Sequence[_Candidate], effects: np.ndarray, noise: float) -> np.ndarray:
        """Counts; less where what the rules depend on is not known, as for values of greater variance."""
        unknown = sum(
            (e**2 * c.holds * (1 - c.holds) for c, e in zip(chosen, effects[1:], strict=True)),
            start=np.zeros(len(self._evidence.counts)),
        )
        share = np.divide(noise, noise + unknown, out=np.ones_like(unknown), where=noise + unknown > 0)
        return self._evidence.counts * share

    def _fit(self, chosen: Sequence[_Candidate], noise: float) -> tuple[np.ndarray, np.ndarray]:
        """The base and the effects, and the values [row] that they fit: shrunk, but for what tokens before make."""
        raw = self._evidence.values
        # How much the means without surroundings count depends on the effects, and the other way round.
        counts = self._weights(chosen, self._fitted(chosen, self._evidence.counts, raw), noise)
        effects = self._fitted(chosen, counts, raw)
        before = [c.rule.before != () for c in chosen]
        by_before = self._predicted(chosen, effects * [False, *before])
        values = shrunk(self._evidence, raw - by_before) + by_before
        return self._fitted(chosen, counts, values), values

    def _predicted(self, chosen: Sequence[_Candidate], effects: np.ndarray) -> np.ndarray:
        start = np.full(len(self._evidence.values), effects[0])
        return sum((e * c.holds for c, e in zip(chosen, effects[1:], strict=True)), start=start)

    def _fitted(self, chosen: Sequence[_Candidate], counts: np.ndarray, values: np.ndarray) -> np.ndarray:
        """The base and the effects, by weighted least squares."""
        design = np.stack([np.ones(len(counts)), *(each.holds for each in chosen)], axis=1)
        weighted = design * counts[:, None]
        return np.asarray(np.linalg.lstsq(weighted.T @ design, weighted.T @ values, rcond=None)[0])
