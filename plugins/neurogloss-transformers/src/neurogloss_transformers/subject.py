"""The subject `transformers`: any Hugging Face causal model, read at its MLP neurons."""

from __future__ import annotations

import difflib
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from neurogloss.errors import SubjectError
from neurogloss.interfaces.output_weights import OutputTokens, OutputWeights
from neurogloss.interfaces.subject import SubjectModel
from neurogloss.records.documents import Document
from neurogloss.records.tokens import Batch, Tokenized
from neurogloss.records.units import Site, UnitId
from neurogloss_transformers.configs import TransformersSubjectConfig
from neurogloss_transformers.freed_memory import keep_freed_memory, return_free_memory
from neurogloss_transformers.host_reduction import HostReduction
from neurogloss_transformers.loading import empty_model, load_model, load_tokenizer, model_identity
from neurogloss_transformers.reductions import reduction_on
from neurogloss_transformers.room import Room
from neurogloss_transformers.tokenizing import DocumentTokenizer

if TYPE_CHECKING:  # a run that is whole already must not wait for torch
    import torch
    from torch import nn
    from transformers import PreTrainedModel

    from neurogloss.reducers.counted_batch import CountedBatch
    from neurogloss.reducers.unit_reducer import UnitReducer
    from neurogloss_transformers.output_side import OutputSide


_BETWEEN_RETURNS = 8
"""Batches of a collection after which memory that is free is given back."""


class _AllRead(Exception):
    """Ends a forward pass once every wanted site was read."""


class TransformersSubject(SubjectModel, OutputWeights):
    """A causal model whose units are its MLP neurons, at the sites `layers.N.mlp`.

    An activation is the input of the MLP's output projection: what comes after the nonlinearity,
    the gate's product included. In float32, padding, batch size and order change a value by at most
    1e-5 of the largest in its sequence. The weights are loaded at the first call of `activations`,
    and nothing is computed beyond the last site that is wanted.
    """

    def __init__(self, config: TransformersSubjectConfig) -> None:
        self._config = config
        self._running = threading.Lock()
        self._room = Room(f"the subject {config.model}")

    def identity(self) -> Mapping[str, str]:
        config = self._config
        return {
            **model_identity(config),
            "dtype": config.dtype,
            "attention": config.attention or "default",
            "bos": config.bos.value,
            "site_paths": " ".join(config.site_paths),
        }

    def sites(self) -> tuple[Site, ...]:
        return tuple(self._sites.values())

    @property
    def bos_token_id(self) -> int | None:
        return self._documents.bos_token_id

    def tokenize(self, documents: Sequence[Document]) -> list[Tokenized]:
        return self._documents.tokenize(documents)

    def activations(self, batch: Batch, wanted: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        import torch

        if not wanted:
            return {}
        for name, indices in wanted.items():
            self._check(name, indices)
        read: dict[str, dict[int, np.ndarray]] = {name: {} for name in wanted}

        def run(first: int, end: int) -> None:
            def take(name: str, activations: torch.Tensor) -> None:
                read[name][first] = activations.to("cpu", torch.float32).numpy()

            self._run(batch.rows(first, end), wanted, take)

        # Hooks are on the model, so two threads must not run it at once.
        with self._running, torch.inference_mode():
            self._room.run_in_parts(len(batch.token_ids), batch.token_ids.shape[1], run)
        return {name: _joined(parts) for name, parts in read.items()}

    def collect(self, batches: Iterable[Batch], reducer: UnitReducer) -> None:
        import torch

        wanted = reducer.wanted
        for name, indices in wanted.items():
            self._check(name, indices)
        keep_freed_memory()
        reduction = reduction_on({weights.device for weights in self._model.parameters()}, reducer)
        with torch.inference_mode():
            for number, batch in enumerate(batches, start=1):
                with self._running:
                    self._reduce(batch, reducer, reduction)
                if number % _BETWEEN_RETURNS == 0:
                    reduction.check()
                    return_free_memory()
            reduction.finish()

    def _reduce(self, batch: Batch, reducer: UnitReducer, reduction: HostReduction) -> None:
        @cache
        def counted(first: int, end: int) -> CountedBatch:
            return reducer.counted(batch.rows(first, end))

        taken = dict.fromkeys(reducer.wanted, 0)

        def run(first: int, end: int) -> None:
            def take(name: str, activations: torch.Tensor) -> None:
                start = max(first, taken[name])  # rows before it were taken by a part that ran out of memory later on
                if start < end:
                    reduction.add(name, counted(start, end), activations[start - first :])
                    taken[name] = end

            counted(first, end)  # now, while a device is still at the batch before
            self._run(batch.rows(first, end), reducer.wanted, take)

        self._room.run_in_parts(len(batch.token_ids), batch.token_ids.shape[1], run)

    def output_directions(self, site: str, indices: np.ndarray) -> np.ndarray:
        import torch

        self._check(site, indices)
        with torch.inference_mode():
            return self._output.directions(self._projections[site], indices).cpu().numpy()

    def output_tokens(self, unit: UnitId, n: int) -> OutputTokens:
        import torch

        indices = np.array([unit.index])
        self._check(unit.site, indices)
        with torch.inference_mode():
            direction = self._output.directions(self._projections[unit.site], indices)[0]
            logits = unit.sign * self._output.logits(direction).cpu().numpy()
        texts = self._documents.texts()
        ids = np.array([i for i in sorted(texts) if i < len(logits)])
        falling = ids[np.argsort(-logits[ids], kind="stable")]
        rising = ids[np.argsort(logits[ids], kind="stable")]
        promoted, suppressed = (
            tuple((texts[int(i)], float(logits[i])) for i in ranked[:n]) for ranked in (falling, rising)
        )
        return OutputTokens(promoted, suppressed)

    def _run(self, batch: Batch, wanted: Mapping[str, np.ndarray], take: Callable[[str, torch.Tensor], None]) -> None:
        """Runs the model up to the last wanted site, and hands over each site's activations [seq pos unit]."""
        from neurogloss_transformers.moving import to_device

        self._check_length(batch.token_ids.shape[1])
        device = self._model.device
        unread = set(wanted)

        def read(module: nn.Module, inputs: tuple[Any, ...], name: str) -> None:
            # Some models put sequences and positions into one dimension before their MLP.
            take(name, _columns(inputs[0], wanted[name]).reshape(*batch.token_ids.shape, len(wanted[name])))
            unread.discard(name)
            if not unread:
                raise _AllRead

        handles = [self._projections[name].register_forward_pre_hook(partial(read, name=name)) for name in wanted]
        try:
            # The base model has no output head.
            self._model.base_model(
                input_ids=to_device(batch.token_ids, device),
                attention_mask=None if batch.attended.all() else to_device(batch.attended, device).long(),
                use_cache=False,
            )
        except _AllRead:
            return
        finally:
            for handle in handles:
                handle.remove()
        raise SubjectError(f"The model did not pass through {', '.join(sorted(unread))}.")

    @cached_property
    def _documents(self) -> DocumentTokenizer:
        return DocumentTokenizer(load_tokenizer(self._config), self._config.bos)

    @cached_property
    def _model(self) -> PreTrainedModel:
        return load_model(self._config)

    @cached_property
    def _output(self) -> OutputSide:
        from neurogloss_transformers.output_side import OutputSide

        return OutputSide(self._model)

    @cached_property
    def _sites(self) -> dict[str, Site]:
        from neurogloss_transformers.sites import find_mlp_sites

        found = find_mlp_sites(empty_model(self._config), self._config.site_paths)
        return {located.site.name: located.site for located in found}

    @cached_property
    def _projections(self) -> dict[str, nn.Module]:
        from neurogloss_transformers.sites import find_mlp_sites

        found = find_mlp_sites(self._model, self._config.site_paths)
        return {located.site.name: located.projection for located in found}

    def _check(self, name: str, indices: np.ndarray) -> None:
        site = self._sites.get(name)
        names = list(self._sites)
        if site is None:
            near = difflib.get_close_matches(name, names, n=1)
            raise SubjectError(
                f"The subject has no site {name!r}.",
                known=f"Its sites are {names[0]} to {names[-1]}.",
                remedy=f"Did you mean {near[0]}?" if near else "",
            )
        outside = indices[(indices < 0) | (indices >= site.n_units)]
        if len(outside):
            raise SubjectError(
                f"The site {name} has no unit {outside[0]}.", known=f"Its units are 0 to {site.n_units - 1}."
            )

    def _check_length(self, length: int) -> None:
        limit = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        if limit and length > limit:
            raise SubjectError(
                f"A sequence has {length} tokens, and the model reads at most {limit}.",
                remedy=f"Collect with sequence_length={limit} or less.",
            )


def _joined(parts: Mapping[int, np.ndarray]) -> np.ndarray:
    """Parts of a batch, by their first rows, as one array; not copied where there is one."""
    ordered = [parts[first] for first in sorted(parts)]
    return ordered[0] if len(ordered) == 1 else np.concatenate(ordered)


def _columns(activations: torch.Tensor, indices: np.ndarray) -> torch.Tensor:
    """The activations [... unit] of some units; not copied where these are all units, in order."""
    from neurogloss_transformers.moving import to_device

    if np.array_equal(indices, np.arange(activations.shape[-1])):
        return activations
    return activations.index_select(-1, to_device(np.asarray(indices, dtype=np.int64), activations.device))
