"""Official clients, one per event loop, and the calls that go through them."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import openai

from neurogloss.errors import ConfigError, LanguageModelError, TransientError
from neurogloss_openai.configs import Endpoint, OpenAIConfig
from neurogloss_openai.faults import Secrets, mapped, of_status

Body = Mapping[str, Any]
"""A request or a reply, as JSON."""
_PATHS = {
    Endpoint.CHAT: "/chat/completions",
    Endpoint.RESPONSES: "/responses",
    Endpoint.COMPLETIONS: "/completions",
}
_NO_KEY = "none"
"""The client wants some key even for servers that want none."""
_OPENAI = "https://api.openai.com/v1"


class Server:
    """One attempt per call, and its reply as JSON.

    Raises:
        ConfigError: A variable that holds a key is not set.
    """

    def __init__(self, config: OpenAIConfig) -> None:
        self._config = config
        self._key = _NO_KEY if config.api_key_env is None else _variable("api_key_env", config.api_key_env)
        organization = config.organization_env
        self._organization = None if organization is None else _variable("organization_env", organization)
        self._secrets = Secrets(tuple(filter(None, (self._key, self._organization))))
        self._open: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[_Held, openai.AsyncOpenAI]]
        self._open = WeakKeyDictionary()

    async def ask(self, endpoint: Endpoint, body: Body) -> Body:
        """The reply to one request at one of OpenAI's endpoints.

        Args:
            endpoint: Which one.
            body: What is asked, without the model.

        Raises:
            LanguageModelError: The call failed; see `faults.mapped`.
            Refused: The server's filter refused it.
        """
        return await self._post(_PATHS[endpoint], body)

    async def models(self) -> Body:
        """The reply to the question which models there are."""
        client = await self._client()
        return object_of(await self._answered(client.models.with_raw_response.list()))

    async def call(self, make: Callable[[openai.AsyncOpenAI], Awaitable[Any]]) -> Any:
        """What the client gives for anything else, within the time that one call may take.

        Raises:
            LanguageModelError: The call failed; see `faults.mapped`.
        """
        return await self._answered(make(await self._client()))

    def failure(self, status: int, error: object) -> LanguageModelError:
        """The failure that a reply in a batch tells: its status and the `error` of its body."""
        told = error if isinstance(error, Mapping) else {}
        code = told.get("code") or told.get("type") or ""
        return of_status(status, str(code), self.quoted(str(told.get("message") or "")), self._config)

    def quoted(self, said: str) -> str:
        """What the server said, short and without secrets."""
        return self._secrets.without(said)

    @property
    def has_root(self) -> bool:
        """Whether the server may have endpoints beside OpenAI's."""
        return self._config.base_url is not None

    async def ask_root(self, path: str, body: Body) -> Body:
        """The reply of an endpoint that stands beside /v1, such as `tokenize`; sends the model too.

        Raises:
            LanguageModelError: The call failed; see `faults.mapped`.
        """
        root = str(self._config.base_url).rstrip("/").removesuffix("/v1")
        return await self._post(f"{root}/{path}", body)

    async def close(self) -> None:
        """Closes the connections of this event loop."""
        held = self._open.pop(asyncio.get_running_loop(), None)
        if held is not None:
            await held[0].aclose()

    async def _post(self, path: str, body: Body) -> Body:
        # The client's methods for each endpoint look at every message and reply, which takes longer than all the rest.
        client, whole = await self._client(), {"model": self._config.model, **body}
        return _object(await self._answered(client.post(path, cast_to=object, body=whole)))

    async def _answered(self, sent: Awaitable[Any]) -> Any:
        try:
            # The client's own limit is on each read, so that a trickle of bytes would never end.
            async with asyncio.timeout(self._config.timeout_s):
                return await sent
        except TimeoutError:
            raise TransientError(f"{self._config.model} did not answer in {self._config.timeout_s:g} s.") from None
        except openai.OpenAIError as error:
            # Not chained: the client's messages may hold what the server said of the key.
            raise mapped(error, self._config, self._secrets) from None
        except ValueError:
            raise TransientError("malformed reply: it is no JSON.") from None

    async def _client(self) -> openai.AsyncOpenAI:
        loop = asyncio.get_running_loop()
        if loop not in self._open:
            held = self._held()
            self._open[loop] = (held, await anext(held))
        return self._open[loop][1]

    async def _held(self) -> _Held:
        # A generator, because event loops close those that are left before they end: no connection outlives its loop.
        client = self._made()
        try:
            yield client
        finally:
            await client.close()

    def _made(self) -> openai.AsyncOpenAI:
        config = self._config
        if config.azure_endpoint is not None:
            return openai.AsyncAzureOpenAI(
                azure_endpoint=config.azure_endpoint,
                api_version=config.api_version,
                api_key=self._key,
                organization=self._organization,
                timeout=config.timeout_s,
                max_retries=0,
                http_client=openai.DefaultAioHttpClient(),
            )
        client = openai.AsyncOpenAI(
            base_url=config.base_url or _OPENAI,
            api_key=self._key,
            organization=self._organization,
            timeout=config.timeout_s,
            max_retries=0,
            http_client=openai.DefaultAioHttpClient(),
        )
        if config.base_url is not None:
            # The client takes these from the environment, and they are of OpenAI's own accounts.
            client.organization, client.project = self._organization, None
        return client


_Held = AsyncGenerator[openai.AsyncOpenAI, None]


def object_of(raw: Any) -> Body:
    """The JSON object of a raw reply.

    Raises:
        TransientError: It is none.
    """
    content = raw.http_response.content
    try:
        return _object(json.loads(content))
    except ValueError:
        raise TransientError("malformed reply: it is no JSON.", known=f"It has {len(content)} bytes.") from None


def _object(reply: object) -> Body:
    if not isinstance(reply, dict):
        raise TransientError(f"malformed reply: it is a {type(reply).__name__}, no object.")
    return reply


def _variable(name: str, variable: str) -> str:
    value = os.environ.get(variable, "").strip()
    if not value:
        raise ConfigError(
            f"{name} names the environment variable {variable}, which is not set.",
            remedy=f"Set {variable}, or name another variable; for a server without keys set {name} to null.",
        )
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ConfigError(
            f"What the environment variable {variable} holds cannot be sent.",
            known="A key is one word of letters, digits and signs.",
            remedy=f"Set {variable} anew, without quotes and spaces.",
        )
    return value


def address(config: OpenAIConfig) -> str:
    """Host and port of another server than OpenAI's; empty for OpenAI's own."""
    parts = urlsplit(config.azure_endpoint or config.base_url or "")
    return parts.netloc.rpartition("@")[2]
