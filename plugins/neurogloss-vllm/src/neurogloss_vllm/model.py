"""The language model `vllm`: a model that vLLM runs in this process."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from neurogloss.errors import PermanentError
from neurogloss.interfaces.language_model import CHOICE_LOGPROBS, GENERATE, JSON_SCHEMA, LanguageModel
from neurogloss.interfaces.token_counting import TokenCounting
from neurogloss.records.requests import ChoiceReply, ChoiceRequest, GenerateReply, GenerateRequest, Request
from neurogloss_vllm.choices import choice_logprobs, whole_text
from neurogloss_vllm.configs import VLLMConfig
from neurogloss_vllm.generation import generation
from neurogloss_vllm.identity import model_identity
from neurogloss_vllm.texts import TextEncoder
from neurogloss_vllm.worker import EngineWorker

_ENVIRONMENT = {"VLLM_LOGGING_LEVEL": "WARNING", "VLLM_LOGGING_STREAM": "ext://sys.stderr", "VLLM_NO_USAGE_STATS": "1"}
"""vLLM's own settings unless the user has set them: standard output is for results, and usage is nobody's business."""
_GIB = 2**30


class VLLMModel(LanguageModel, TokenCounting):
    """A model that vLLM runs in this process.

    The weights are loaded with the first request. Requests join the running batch whenever they come;
    prefixes that they share are computed once.

    Raises:
        ImportError: vLLM is not installed.
        ConfigError: The model is neither a folder nor a hub id.
    """

    def __init__(self, config: VLLMConfig) -> None:
        if find_spec("vllm") is None:
            raise ModuleNotFoundError("vLLM is not installed")
        self._config = config
        self._identity = model_identity(config)
        self._worker = EngineWorker(self._engine)
        self._loading = threading.Lock()
        self._loaded_encoder: TextEncoder | None = None

    @property
    def capabilities(self) -> frozenset[str]:
        """`generate`, `choice_logprobs` and `json_schema`."""
        return frozenset({GENERATE, CHOICE_LOGPROBS, JSON_SCHEMA})

    def identity(self) -> Mapping[str, str]:
        """Provider, model and its revision or content, dtype, quantisation."""
        return self._identity

    async def generate(self, request: GenerateRequest) -> GenerateReply:
        """Generates `request.n` texts, with the model's chat template or, where it has none, as plain text.

        Raises:
            PermanentError: The prompt is too long, vLLM cannot enforce the schema, or the model cannot be loaded.
        """
        reply = await self._worker.ask(generation(await self._encoder(), request))
        assert isinstance(reply, GenerateReply)
        return reply

    async def usable_choices(self, choices: Sequence[str]) -> tuple[str, ...]:
        """Those of `choices` that are single tokens in the model's tokenizer; loads no weights."""
        encoder = await self._encoder()
        return tuple(choice for choice in choices if encoder.choice_token(choice) is not None)

    async def choice_logprobs(self, request: ChoiceRequest) -> ChoiceReply:
        """Tells, at each slot, the log-probability of each choice; none is left out.

        The whole filled text is tokenised as it stands; a slot's distribution is that of the token
        which starts exactly there.

        Raises:
            PermanentError: A choice is no single token, no token starts at a slot, the text is too
                long, or the model cannot be loaded.
        """
        reply = await self._worker.ask(choice_logprobs(await self._encoder(), request, self._config.max_logprobs))
        assert isinstance(reply, ChoiceReply)
        return reply

    async def count_tokens(self, request: Request) -> int:
        """The prompt's tokens, or those up to the last slot; loads no weights.

        Raises:
            PermanentError: The chat template refuses the messages, or no token starts at a slot.
        """
        encoder = await self._encoder()
        if isinstance(request, GenerateRequest):
            return len(encoder.prompt(request.messages))
        if not isinstance(request, ChoiceRequest):
            raise PermanentError("The model tells no log-probabilities of texts, so it counts no tokens for them.")
        fill = request.choices[0] if request.fill is None else request.fill
        return whole_text(encoder, request, fill)[1][-1]

    async def close(self) -> None:
        """Ends the engine and frees its memory; requests that wait fail."""
        await self._worker.close()

    async def _encoder(self) -> TextEncoder:
        if self._loaded_encoder is None:
            return await asyncio.to_thread(self._load_encoder)
        return self._loaded_encoder

    def _load_encoder(self) -> TextEncoder:
        config = self._config
        with self._loading:
            if self._loaded_encoder is not None:
                return self._loaded_encoder
            # Here and not above: transformers does not bear being imported by several threads at once.
            from transformers import AutoTokenizer

            try:
                tokenizer: Any = AutoTokenizer.from_pretrained(
                    config.model, revision=config.revision, trust_remote_code=config.trust_remote_code
                )
            except (OSError, ValueError) as error:
                raise PermanentError(
                    f"The tokenizer of {config.model!r} cannot be loaded.",
                    known=(str(error).strip() or type(error).__name__).splitlines()[0],
                    remedy="Check the name and the revision, or give a local folder.",
                ) from error
            self._loaded_encoder = TextEncoder(tokenizer)
            return self._loaded_encoder

    def _engine(self) -> Any:
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        from vllm import LLM

        config = self._config
        return LLM(
            model=config.model,
            revision=config.revision,
            tokenizer_revision=config.revision,
            trust_remote_code=config.trust_remote_code,
            dtype=config.dtype,
            quantization=config.quantization,
            tensor_parallel_size=config.tensor_parallel_size,
            gpu_memory_utilization=config.gpu_memory_utilization,
            kv_cache_memory_bytes=None if config.kv_cache_gb is None else int(config.kv_cache_gb * _GIB),
            max_model_len=config.max_model_len,
            max_num_batched_tokens=config.max_batch_tokens,
            max_num_seqs=min(256, config.max_batch_tokens),
            max_logprobs=config.max_logprobs,
            enable_prefix_caching=True,
            enforce_eager=config.enforce_eager,
            use_tqdm_on_load=False,
        ).llm_engine
