"""Prose from the tokens with the highest mean activation."""

from __future__ import annotations

from neurogloss.builtin.explainers.asking import AskingExplainer
from neurogloss.builtin.explainers.asking_configs import TokenListConfig
from neurogloss.builtin.prompts.rendering import Conversation
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.unit_records import SplitView


class TokenListExplainer(AskingExplainer[TokenListConfig]):
    """Asks what the tokens have in common on which a unit is highest on average."""

    def conversation(self, view: SplitView) -> Conversation | Failure:
        """The prompt that lists a unit's tokens."""
        listing = self.listing(view)
        if not listing.top:
            detail = f"no token with a mean above 0 occurs {self._config.listing.min_count} times"
            return Failure(Reason.TOO_FEW_RECORDS, detail)
        return self._prompt.render(listing=listing)
