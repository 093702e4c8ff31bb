"""Forward passes over a shared prefix whose keys and values are computed once."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicLayer

from neurogloss_transformers.local_batches import Batch, plan_batches, shared_length
from neurogloss_transformers.local_cache import (
    Layers,
    PrefixLayer,
    PrefixStore,
    cache_of,
    has_plain_cache,
    layers_of,
)
from neurogloss_transformers.room import Room

if TYPE_CHECKING:
    from transformers import DynamicCache, PreTrainedModel

KEPT_PER_BATCH_TOKEN = 4
"""A token whose keys and values are kept needs less memory than one that goes through the model."""
SMALL_BATCH = 1024
"""A batch of so many tokens keeps the machine busy, so that a larger one may not be had by padding."""
MAX_PADDING = 1.08
"""How many times its real tokens a batch that is not small may hold with padding."""
MAX_LOGITS = 2**26
"""How many logits are held at once."""

_log = logging.getLogger(__name__)


class Engine:
    """A causal model that is asked for next-token logits.

    Where the model's keys and values can be shared among rows, a prefix is computed once; any other
    model (recurrent layers, positions that depend on the length) computes every sequence whole.
    """

    def __init__(self, model: PreTrainedModel, max_batch_tokens: int) -> None:
        self._model = model
        self._head = model.get_output_embeddings()
        self.device = model.device
        self._room = Room(f"the language model {model.config.name_or_path}", max_batch_tokens)
        self._takes_positions = "position_ids" in inspect.signature(model.forward).parameters
        config = model.config.get_text_config(decoder=True)
        self.context: int | None = getattr(config, "max_position_embeddings", None)
        """How many tokens the model can read, where it is bounded."""
        self._max_slots = max(1, MAX_LOGITS // config.vocab_size)
        self._store = PrefixStore()
        self.shares_prefixes = True
        """Whether prefixes are computed once."""
        self.shares_prefixes = has_plain_cache(model) and self._sharing_changes_nothing(config.vocab_size)
        if not self.shares_prefixes:
            _log.warning("%s: prefixes cannot be shared, so every sequence is computed whole", type(model).__name__)

    def plan(self, sequences: Sequence[list[int]], slots: Sequence[Sequence[int]]) -> list[Batch]:
        """Batches for `logits_at`; `slots` are the predicted tokens' indices of each sequence."""

        def fits(n_prefix: int, members: Sequence[int]) -> bool:
            n_tokens = len(members) * (len(sequences[members[0]]) - n_prefix)
            n_real = sum(len(sequences[index]) - n_prefix for index in members)
            n_slots = sum(len(slots[index]) for index in members)
            is_wasteful = n_tokens > SMALL_BATCH and n_tokens > MAX_PADDING * n_real
            return n_tokens <= self._room.most and n_slots <= self._max_slots and not is_wasteful

        return self._planned(sequences, [places[0] - 1 for places in slots], fits)

    def plan_rows(self, sequences: Sequence[list[int]], extra: int) -> list[Batch]:
        """Batches for `rows`; each sequence grows by at most `extra` tokens."""

        def fits(n_prefix: int, members: Sequence[int]) -> bool:
            longest = len(sequences[members[0]])
            n_tokens, n_kept = len(members) * (longest - n_prefix), len(members) * (longest + extra)
            return n_tokens <= self._room.most and n_kept <= KEPT_PER_BATCH_TOKEN * self._room.most

        return self._planned(sequences, [len(sequence) - 1 for sequence in sequences], fits)

    def _planned(self, sequences: Sequence[list[int]], limits: Sequence[int], fits: Any) -> list[Batch]:
        if self.shares_prefixes:
            return plan_batches(sequences, limits, fits)
        return [Batch(0, (index,)) for index in sorted(range(len(sequences)), key=lambda index: sequences[index])]

    def logits_at(
        self, sequences: Sequence[list[int]], slots: Sequence[Sequence[int]], n_prefix: int
    ) -> tuple[list[Tensor], list[int]]:
        """The logits that predict the tokens at `slots`, for one batch.

        Returns:
            Per sequence float32 [slot vocab], and how many of its tokens were not computed for it.
        """
        layers, cached = self._prefix(sequences[0], n_prefix, len(sequences))
        suffixes = [sequence[n_prefix:] for sequence in sequences]
        starts = [n_prefix] * len(suffixes)
        cache = cache_of(layers, PrefixLayer) if self.shares_prefixes else None
        logits = self.forward(suffixes, starts, _asked(slots, starts), cache)
        return list(logits.split([len(places) for places in slots])), cached

    def rows(self, sequences: Sequence[list[int]], n_prefix: int) -> tuple[Rows, list[int]]:
        """Rows that begin with the first sequence's prefix, and how many tokens of each were not computed for it."""
        if not self.shares_prefixes:
            return WholeRows(self), [0] * len(sequences)
        layers, cached = self._prefix(sequences[0], n_prefix, len(sequences))
        return CachedRows(self, layers, [sequence[:n_prefix] for sequence in sequences]), cached

    def _prefix(self, sequence: list[int], n_prefix: int, n_rows: int) -> tuple[Layers, list[int]]:
        """Keys and values of the first tokens of a sequence, from the store as far as it holds them."""
        tokens = sequence[:n_prefix]
        n_stored, layers = self._store.longest(tokens)
        for start in range(n_stored, n_prefix, self._room.most):
            cache = cache_of(layers, DynamicLayer)
            part = tokens[start : start + self._room.most]
            self.forward([part], [start], ([0], [len(part) - 1]), cache)
            layers = layers_of(cache)
        if n_stored < n_prefix:
            self._store.add(tokens, layers)
        return layers, [n_stored, *[n_prefix] * (n_rows - 1)]

    def forward(
        self,
        segments: Sequence[Sequence[int]],
        starts: Sequence[int],
        at: tuple[Sequence[int], Sequence[int]],
        cache: DynamicCache | None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """One pass.

        Args:
            segments: The new tokens of each row; shorter ones are padded on the right, where causal
                attention keeps the padding from being seen.
            starts: The position of each segment's first token.
            at: Rows and columns of the new tokens whose next token is asked for.
            cache: Keys and values of what stands before; grows, if it keeps them.
            mask: [row pos], false where the cache holds padding.

        Returns:
            float32 [asked vocab].
        """
        width = max(map(len, segments))
        tokens = torch.tensor([[*segment, *[0] * (width - len(segment))] for segment in segments], device=self.device)
        inputs: dict[str, Any] = {"input_ids": tokens, "attention_mask": mask, "use_cache": cache is not None}
        if cache is not None:
            inputs["past_key_values"] = cache
        if self._takes_positions:
            positions = torch.tensor(starts, device=self.device)[:, None] + torch.arange(width, device=self.device)
            inputs["position_ids"] = positions.clamp(max=self.context - 1) if self.context else positions
        rows, columns = (torch.tensor(places, device=self.device) for places in at)
        selected = False

        def select(_head: object, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            # Every architecture does its own after the head (scaling, soft caps), so the head is fed less
            # instead of being called from here.
            nonlocal selected
            selected = True
            return (arguments[0][rows, columns][None], *arguments[1:])

        handle = self._head.register_forward_pre_hook(select) if self._head is not None else None
        try:
            logits = self._model(**inputs).logits
        except Exception as error:
            self._room.shrink(error, len(segments), width)
            raise
        finally:
            if handle is not None:
                handle.remove()
        chosen: Tensor = logits[0] if selected else logits[rows, columns]
        return chosen.float()

    def _sharing_changes_nothing(self, n_vocabulary: int) -> bool:
        """Tries on a few tokens whether the model answers the same with and without a shared prefix."""
        tokens = [(7 * index + 3) % n_vocabulary for index in range(16)]
        long, short = tokens[:12], tokens[:6] + tokens[12:14]
        tolerance = 1e-3 if self._model.dtype == torch.float32 else 0.5
        try:
            layers, _ = self._prefix(long, 6, 1)
            cached, whole = CachedRows(self, layers, [tokens[:6], tokens[:6]]), WholeRows(self)
            for cut in (7, 10, 12):
                targets = [long[:cut], short[:cut]]
                slots = [[7, len(target)] for target in targets]
                expected = torch.cat(whole.advance(targets, slots)).log_softmax(-1)
                for found in (cached.advance(targets, slots), self.logits_at(targets, slots, 6)[0]):
                    if not torch.allclose(torch.cat(found).log_softmax(-1), expected, rtol=0, atol=tolerance):
                        return False
        except Exception as error:  # any way in which an unknown architecture may refuse a shared cache
            _log.debug("sharing a prefix failed", exc_info=error)
            return False
        return True


class Rows:
    """Token sequences that grow, each at its own pace."""

    def advance(self, targets: Sequence[list[int]], slots: Sequence[Sequence[int]]) -> list[Tensor]:
        """Brings each row to its target.

        A target need not begin with what the row holds: what differs is computed anew.

        Returns:
            Per row float32 [slot vocab], the logits that predict the tokens at its `slots`, which are
            indices into its target or, for what follows it, its length.
        """
        raise NotImplementedError

    def keep(self, rows: Sequence[int]) -> None:
        """Drops all other rows."""
        raise NotImplementedError


class WholeRows(Rows):
    """Rows that are computed whole each time: right for any architecture."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def advance(self, targets: Sequence[list[int]], slots: Sequence[Sequence[int]]) -> list[Tensor]:
        return [
            self._engine.forward([target], [0], ([0] * len(places), [place - 1 for place in places]), None)
            for target, places in zip(targets, slots, strict=True)
        ]

    def keep(self, rows: Sequence[int]) -> None:
        """There is nothing to drop."""


class CachedRows(Rows):
    """Rows with a common cache, in which each row's tokens end at the last place.

    Padding stands on the left, never between tokens, so that distances in the cache are distances in
    the text, as sliding windows need it.
    """

    def __init__(self, engine: Engine, layers: Layers, tokens: Sequence[list[int]]) -> None:
        n_rows = len(tokens)
        self._engine = engine
        self._layers = [(keys.expand(n_rows, -1, -1, -1), values.expand(n_rows, -1, -1, -1)) for keys, values in layers]
        self._tokens = list(tokens)
        self._starts = [0] * n_rows

    def advance(self, targets: Sequence[list[int]], slots: Sequence[Sequence[int]]) -> list[Tensor]:
        held = [
            min(shared_length(have, want), places[0] - 1)
            for have, want, places in zip(self._tokens, targets, slots, strict=True)
        ]
        width = max(held)
        self._align(held, width)
        segments = [target[n:] for target, n in zip(targets, held, strict=True)]
        cache = cache_of(self._layers, DynamicLayer)
        self._layers = []  # the cache replaces them layer by layer, so that they are not in memory twice
        mask = self._mask(width + max(map(len, segments)))
        logits = self._engine.forward(segments, held, _asked(slots, held), cache, mask)
        self._layers = layers_of(cache)
        self._tokens = [list(target) for target in targets]
        return list(logits.split([len(places) for places in slots]))

    def keep(self, rows: Sequence[int]) -> None:
        self._tokens = [self._tokens[row] for row in rows]
        self._starts = [self._starts[row] for row in rows]
        self._layers = [(keys[list(rows)], values[list(rows)]) for keys, values in self._layers]

    def _align(self, held: Sequence[int], width: int) -> None:
        """Moves each row's first `held` tokens so that they end at place `width`."""
        shifts = [start + n - width for start, n in zip(self._starts, held, strict=True)]
        self._starts = [width - n for n in held]
        if width == 0:
            self._layers = []
        elif len(set(shifts)) == 1:
            kept = slice(shifts[0], shifts[0] + width)
            self._layers = [(keys[:, :, kept], values[:, :, kept]) for keys, values in self._layers]
        else:
            device = self._engine.device
            places = torch.tensor(shifts, device=device)[:, None] + torch.arange(width, device=device)
            index = (torch.arange(len(held), device=device)[:, None], places.clamp(min=0))
            self._layers = [
                tuple(states.transpose(1, 2)[index].transpose(1, 2) for states in layer)  # type: ignore[misc]
                for layer in self._layers
            ]

    def _mask(self, length: int) -> Tensor | None:
        if not any(self._starts):
            return None
        device = self._engine.device
        return torch.arange(length, device=device) >= torch.tensor(self._starts, device=device)[:, None]


def _asked(slots: Sequence[Sequence[int]], starts: Sequence[int]) -> tuple[list[int], list[int]]:
    """Rows and columns, in segments that begin at `starts`, of the tokens before the slots."""
    rows = [row for row, places in enumerate(slots) for _ in places]
    columns = [place - 1 - start for places, start in zip(slots, starts, strict=True) for place in places]
    return rows, columns
