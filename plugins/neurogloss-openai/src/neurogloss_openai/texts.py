"""How likely a text is, from servers that echo a prompt with its log-probabilities."""

from __future__ import annotations

from neurogloss.errors import PermanentError
from neurogloss.records.requests import TextReply, TextRequest
from neurogloss_openai.alignment import AlignedTokens
from neurogloss_openai.calls import Call, Caller
from neurogloss_openai.configs import Endpoint, OpenAIConfig
from neurogloss_openai.replies import EchoedText, echoed_text

TRIAL = TextRequest("Count: 1, 2,", " 3, 4\n")
"""A tiny question that finds out whether a server tells."""
_REMEDY = "Take text_logprobs out of provides, and choose a scorer that does without, or llm=local."


async def text_logprobs(caller: Caller, config: OpenAIConfig, request: TextRequest) -> TextReply:
    """See `TextLogprobs.text_logprobs`."""
    whole = request.context + request.text
    body = {"prompt": whole, "max_tokens": 1, "temperature": 0, "logprobs": 1, "echo": True, **config.extra_body}
    call = Call(Endpoint.COMPLETIONS, body, lambda reply: _summed(echoed_text(reply), whole, request.context))
    (answer,) = await caller.ask([call])
    caller.forget([call])
    logprob, n_tokens = answer.value
    return TextReply(logprob, n_tokens, answer.usage)


def _summed(echoed: EchoedText | None, whole: str, context: str) -> tuple[float, int]:
    """The text's log-probability and its number of tokens."""
    try:
        if echoed is None:
            raise ValueError("no tokens")
        aligned = AlignedTokens(whole, echoed.tokens)
    except ValueError:
        raise PermanentError(
            "The server was asked to echo the text with its tokens, and did not.", remedy=_REMEDY
        ) from None
    first = aligned.token_at(context)
    if not context or first is None or len(whole) == len(context):
        raise PermanentError(
            f"No token starts where the text starts, which is character {len(context)}, or one of them is empty.",
            remedy="End the context with something that the tokenizer keeps apart, such as a line break.",
        )
    # Of as many tokens as the text takes and one more, the last is what the server wrote.
    n = min(aligned.n_tokens, len(echoed.tokens) - 1)
    told = [value for value in map(echoed.own, range(first, n)) if value is not None]
    if len(told) < n - first or not told:
        raise PermanentError("The server echoes the text, and tells no log-probabilities of it.", remedy=_REMEDY)
    return sum(told), len(told)
