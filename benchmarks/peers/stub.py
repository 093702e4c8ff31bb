"""A server of fixed latency that neurogloss and its peers can all read.

Usage, as a program: python stub.py LATENCY_S    (prints its port, then for each line that it reads how many requests it
has answered; ends with its standard input)
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "faults"))
import scripted_server

Answer = Callable[[dict[str, Any]], dict[str, Any]]
PARTS = re.compile(r"(\t|\n|<|>|start|end|unknown)")
"""What the peers look for stands in tokens of its own."""
ASKED_BY_DELPHI = 5
"""Texts in a request of delphi's, which has no schema to say so."""


def main() -> None:
    scripted_server._SLOT = PARTS
    scripted_server._chat, scripted_server._completions = chat, completions
    server = scripted_server.ScriptedServer(latency_s=float(sys.argv[1]))
    with server.running() as port:
        print(port, flush=True)
        for _ in sys.stdin:
            print(len(server.seen), flush=True)


def completions(body: dict[str, Any], answer: Answer = scripted_server._completions) -> dict[str, Any]:
    """With the log-probabilities of the prompt's own tokens, which OpenAI's package looks for and does not use."""
    told = answer(body)
    logprobs = told["choices"][0]["logprobs"]
    return told | {"choices": [told["choices"][0] | {"logprobs": logprobs | {"token_logprobs": []}}]}


def chat(body: dict[str, Any]) -> dict[str, Any]:
    """Answers about each text, and an explanation in the form that delphi reads; nobody minds the other."""
    drawn = hashlib.sha256(repr(body["messages"]).encode()).digest()
    answers = [drawn[i % len(drawn)] % 2 for i in range(_asked(body))]
    text = f"{answers}\n[EXPLANATION]: words like {drawn.hex()[:5]}"
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return scripted_server._reply("".join(message["content"] for message in body["messages"]), choice)


def _asked(body: dict[str, Any]) -> int:
    """How many texts a request is about."""
    schema = body.get("response_format", {}).get("json_schema", {}).get("schema", {"properties": {}})
    return int(schema["properties"].get("answers", {}).get("minItems", ASKED_BY_DELPHI))


if __name__ == "__main__":
    main()
