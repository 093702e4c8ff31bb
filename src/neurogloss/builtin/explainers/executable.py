"""A unit as rules, learned from its records without a language model."""

from __future__ import annotations

from neurogloss.builtin.explainers.configs import ExecutableConfig
from neurogloss.builtin.explainers.rule_evidence import evidence_of
from neurogloss.builtin.explainers.rule_learning import RuleLearner
from neurogloss.interfaces.explainer import Explainer
from neurogloss.records.explanations import Explanation, Provenance
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.rules import RulesExplanation
from neurogloss.records.unit_records import SplitView


class ExecutableExplainer(Explainer):
    """Learns rules on tokens and on the few tokens before them; see `RuleLearner`.

    Any simulator of rules can run them on any text, whichever tokenizer cut it.
    """

    needs_token_means = True

    def __init__(self, config: ExecutableConfig) -> None:
        self._config = config

    async def explain(self, view: SplitView) -> tuple[Explanation | Failure, ...]:
        """One explanation; see `Explainer.explain`."""
        config = self._config
        if view.dead:
            return (Failure(Reason.DEAD, f"never above 0 in the {view.split} split"),)
        evidence = evidence_of(view, config.context)
        base, rules = RuleLearner(evidence, config.max_rules, config.max_tokens, config.penalty).learn()
        return (RulesExplanation(Provenance("executable"), base, rules),)
