"""From MLP neurons to the vocabulary: the norms and the unembedding that what they write passes through."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from neurogloss.errors import SubjectError
from neurogloss_transformers.sites import blocks

_AFTER_MLP = re.compile(r"post_?(feedforward|mlp|ffn|ff)_?(layer)?_?norm", re.IGNORECASE)
"""In the name of a norm between an MLP and the residual stream (Gemma 2, OLMo 2, GLM-4)."""
_BEFORE_LAYERS = re.compile("embed", re.IGNORECASE)
"""In the name of a norm that comes before the layers (BLOOM)."""


class OutputSide:
    """The weights between the MLP neurons of a model and its logits, found in its modules.

    A norm counts with its gain alone: its scale depends on the text. A constant that multiplies all
    logits or all that a layer adds (Cohere, Granite) is left out, and so is the capping of logits.

    Raises:
        SubjectError: The unembedding is missing, or does not fit the residual stream.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self._blocks = blocks(model)
        decoder: nn.Module = model.get_decoder()
        outside = list(_outside(decoder, self._blocks))
        norms = [module for name, module in outside if _is_norm(module) and not _BEFORE_LAYERS.search(name)]
        self._final_norm = norms[-1] if norms else None
        unembedding = model.get_output_embeddings()
        if not isinstance(getattr(unembedding, "weight", None), Tensor):
            raise SubjectError(f"This {type(model).__name__} has no unembedding, so its units write no tokens.")
        self._unembedding: Tensor = unembedding.weight
        self._width = int(model.config.get_text_config().hidden_size)
        self._narrowing = self._projection_before(outside)

    def directions(self, projection: nn.Module, indices: np.ndarray) -> Tensor:
        """float32 [unit d]: what the units that a projection reads add to the residual stream, each at 1."""
        weight = getattr(projection, "weight", None)
        assert isinstance(weight, Tensor)
        # nn.Linear holds [out in], Conv1D [in out].
        rows = weight.T if isinstance(projection, nn.Linear) else weight
        chosen = rows[torch.from_numpy(np.asarray(indices, dtype=np.int64)).to(weight.device)].float()
        block = next(block for block in self._blocks if any(module is projection for module in block.modules()))
        after = [module for name, module in block.named_modules() if _AFTER_MLP.search(name) and _is_norm(module)]
        return chosen * _gain(after[-1], self._width) if after else chosen

    def logits(self, direction: Tensor) -> Tensor:
        """float32 [token]: how a direction [d] of the residual stream moves each token's logit."""
        seen = direction if self._final_norm is None else direction * _gain(self._final_norm, self._width)
        narrowed = seen if self._narrowing is None else self._narrowing.float() @ seen
        return self._unembedding.float() @ narrowed

    def _projection_before(self, outside: list[tuple[str, nn.Module]]) -> Tensor | None:
        """The weight [e d] of what leads from the stream to a narrower unembedding (small OPT models)."""
        e = self._unembedding.shape[1]
        if e == self._width:
            return None
        for _, module in outside:
            if isinstance(module, nn.Linear) and (module.in_features, module.out_features) == (self._width, e):
                return module.weight
        raise SubjectError(
            f"The unembedding reads {e} numbers, the residual stream has {self._width}, and nothing leads there."
        )


def _outside(module: nn.Module, layers: nn.ModuleList, name: str = "") -> Iterator[tuple[str, nn.Module]]:
    for child_name, child in module.named_children():
        if child is not layers:
            path = f"{name}.{child_name}" if name else child_name
            yield path, child
            yield from _outside(child, layers, path)


def _is_norm(module: nn.Module) -> bool:
    return "norm" in type(module).__name__.lower() and isinstance(getattr(module, "weight", None), Tensor)


def _gain(norm: nn.Module, width: int) -> Tensor:
    """A norm's gain [d], float32: what it multiplies each number by, whichever way its weight says so.

    Read off by what the norm makes of numbers of mean 0 and length 1: some hold the gain, some the
    gain minus 1, and biases cancel out.
    """
    weight = norm.weight
    assert isinstance(weight, Tensor)
    probe = torch.ones(width, device=weight.device, dtype=weight.dtype)
    probe[1::2] = -1
    gain: Tensor = ((norm(probe) - norm(-probe)) / 2 * probe).float()
    return gain
