"""The simulator `finetuned`: a checkpoint tells the level of every token in one pass."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from neurogloss.errors import ConfigError, NeuroglossError
from neurogloss.interfaces.simulator import Simulator
from neurogloss.records.documents import Document
from neurogloss.records.explanations import Explanation, ProseExplanation
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.simulations import Simulation
from neurogloss.records.tokens import TokenSequence
from neurogloss_transformers.configs import FinetunedConfig
from neurogloss_transformers.loading import load_model, load_tokenizer
from neurogloss_transformers.tokenizing import DocumentTokenizer

if TYPE_CHECKING:
    from neurogloss_transformers.local_engine import Engine

_LEVELS = tuple(map(str, range(11)))
_TOKEN, _READ = "\ue000", "\ue001"
"""Stand in a rendered template where a token begins and where its level is read."""
_MARKS = re.compile(f"([{_TOKEN}{_READ}])")


@dataclass(frozen=True)
class Reading:
    """What the model reads for one sequence."""

    token_ids: list[int]
    places: list[int]
    """For each of the sequence's pieces the token at which its level is read."""


class FinetunedSimulator(Simulator):
    """Reads the explanation and the bare tokens once, and at every token a distribution over levels.

    The built-in template and the place of reading are those of the simulators of Choi et al. 2024,
    "Scaling automatic neuron description" (Transluce). It differs from theirs in this: the tokens' texts are
    tokenised one by one, where theirs takes the subject's token ids, so the subject's tokenizer may be
    another; tokens that are parts of one character are read as that character, and share its level;
    no padding precedes the prompt. Tokenizers that put a space of their own before every text
    (SentencePiece without a prefix setting) put it before every token.
    """

    accepts = (ProseExplanation,)

    def __init__(self, config: FinetunedConfig) -> None:
        self.calibration = config.calibration
        self._config = config
        self._template = _template(config.prompt)
        self._lock = threading.Lock()
        self._loaded: tuple[DocumentTokenizer, Engine, list[int]] | None = None

    async def simulate(
        self, explanation: Explanation, sequences: Sequence[TokenSequence]
    ) -> tuple[Simulation | Failure, ...]:
        """Reads all sequences, as many together as `max_batch_tokens` allows; see `Simulator.simulate`.

        Raises:
            SubjectError: The model cannot be loaded.
            ConfigError: The template cannot be rendered, or the model has no levels.
        """
        if not isinstance(explanation, ProseExplanation):
            detail = f"FinetunedSimulator reads ProseExplanation, not {type(explanation).__name__}"
            return (Failure(Reason.MISMATCHED, detail),) * len(sequences)
        return await asyncio.to_thread(self._simulate, " ".join(explanation.text.split()), sequences)

    def reading(self, tokenizer: DocumentTokenizer, explanation: str, pieces: Sequence[str]) -> Reading:
        """What the model reads.

        Raises:
            ConfigError: The template cannot be rendered, or does not read each token once.
        """
        bare = [_MARKS.sub("\ufffd", piece) for piece in pieces]
        try:
            text = self._template.render(
                explanation=_MARKS.sub("\ufffd", explanation), tokens=[_TOKEN + piece for piece in bare], read=_READ
            )
        except TemplateError as error:
            raise ConfigError(f"The template of the simulator cannot be rendered: {error}.") from error
        parts = _MARKS.split(text)
        if (n_read := parts[1::2].count(_READ)) != len(pieces):
            raise ConfigError(
                f"The template of the simulator reads {n_read} levels for {len(pieces)} tokens.",
                remedy="Write {{ read }} once for each of tokens, at the place where its level is read.",
            )
        encoded = tokenizer.tokenize([Document(str(i), part) for i, part in enumerate(parts[::2])])
        ids = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
        places = []
        for segment, mark in zip(encoded, [*parts[1::2], ""], strict=True):
            ids += [self._config.token_map.get(token, token) for token in segment.token_ids.tolist()]
            if mark == _READ:
                places.append(len(ids) - 1)
        ids = [self._config.token_map.get(ids[0], ids[0]), *ids[1:]]
        return Reading(ids, places)

    def _simulate(self, explanation: str, sequences: Sequence[TokenSequence]) -> tuple[Simulation | Failure, ...]:
        with self._lock:
            tokenizer, engine, level_ids = self._model()
            readings = [self.reading(tokenizer, explanation, [p.text for p in s.pieces]) for s in sequences]
            outcomes: list[Simulation | Failure] = [
                Failure(Reason.TOO_FEW_RECORDS, "the sequence has no token to ask about") for _ in sequences
            ]
            asked = [i for i, reading in enumerate(readings) if reading.places]
            try:
                probabilities = _probabilities(engine, [readings[i] for i in asked], level_ids)
            except (NeuroglossError, RuntimeError, IndexError) as error:
                return (Failure(Reason.FAILED, f"{type(error).__name__}: {error}"),) * len(sequences)
            for i, distribution in zip(asked, probabilities, strict=True):
                outcomes[i] = _simulation(sequences[i], distribution)
            return tuple(outcomes)

    def _model(self) -> tuple[DocumentTokenizer, Engine, list[int]]:
        if self._loaded is None:
            from neurogloss_transformers.local_engine import Engine

            config = self._config
            source = config if config.tokenizer is None else replace(config, model=config.tokenizer, revision=None)
            tokenizer = DocumentTokenizer(load_tokenizer(source), config.bos)
            levels = config.level_ids or _level_ids(tokenizer)
            model = load_model(config)
            embeddings: Any = model.get_input_embeddings()
            size = int(embeddings.weight.shape[0])
            if beyond := [token for token in (*levels, *config.token_map.values()) if not 0 <= token < size]:
                raise ConfigError(
                    f"The simulator's model has no token {beyond[0]}.",
                    known=f"Its vocabulary has {size} rows; level_ids and token_map name rows of it.",
                )
            self._loaded = tokenizer, Engine(model, config.max_batch_tokens), levels
        return self._loaded


def _probabilities(engine: Engine, readings: Sequence[Reading], level_ids: Sequence[int]) -> list[np.ndarray]:
    """For each reading the probabilities of the levels among themselves, float64 [place level]."""
    import torch

    # The engine is asked for what predicts a token, so there is one more after the last that is read.
    sequences = [[*reading.token_ids, reading.token_ids[-1]] for reading in readings]
    slots = [[place + 1 for place in reading.places] for reading in readings]
    found: list[np.ndarray] = [np.zeros((0, len(level_ids)))] * len(readings)
    with torch.inference_mode():
        for batch in engine.plan(sequences, slots):
            members = batch.members
            logits, _ = engine.logits_at([sequences[i] for i in members], [slots[i] for i in members], batch.n_prefix)
            for i, of_one in zip(members, logits, strict=True):
                found[i] = of_one[:, list(level_ids)].double().softmax(-1).cpu().numpy()
    return found


def _simulation(sequence: TokenSequence, distribution: np.ndarray) -> Simulation:
    top = distribution.shape[1] - 1
    expected = sequence.per_token(distribution @ np.arange(top + 1))
    columns = [sequence.per_token(column) for column in distribution.T]
    return Simulation(sequence.id, expected, top, np.stack(columns, axis=1))


def _level_ids(tokenizer: DocumentTokenizer) -> list[int]:
    encoded = tokenizer.tokenize([Document(level, level) for level in _LEVELS])
    single = [int(each.token_ids[0]) for each in encoded if len(each.token_ids) == 1]
    if len(single) < 10 or any(len(each.token_ids) != 1 for each in encoded[:10]):
        raise ConfigError(
            "The digits 0 to 9 are not single tokens of the simulator's tokenizer.",
            remedy="Name the rows of the vocabulary that stand for the levels: simulator.level_ids=[...]",
        )
    return single


def _template(path: str | None) -> Template:
    builtin = resources.files(__package__) / "finetuned.jinja"
    try:
        source = Path(path).expanduser().read_text(encoding="utf-8") if path else builtin.read_text(encoding="utf-8")
        return SandboxedEnvironment(undefined=StrictUndefined, autoescape=False).from_string(source)
    except (OSError, UnicodeDecodeError, TemplateError) as error:
        raise ConfigError(
            f"The template of the simulator cannot be read from {path}.", known=str(error), remedy="Correct the file."
        ) from error
