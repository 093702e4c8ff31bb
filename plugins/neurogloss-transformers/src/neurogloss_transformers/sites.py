"""Where a model's MLP neurons are: the input of each layer's MLP output projection."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from neurogloss.errors import SubjectError
from neurogloss.records.units import Site

_TOKEN_MIXERS = re.compile("attn|attention|mixer|mamba|recurrent", re.IGNORECASE)
"""In the name or class of what mixes tokens, and whose linear modules are not an MLP's."""


@dataclass(frozen=True, eq=False)
class MlpSite:
    """A site and the module whose input its activations are."""

    site: Site
    projection: nn.Module


def find_mlp_sites(model: PreTrainedModel, site_paths: Sequence[str] = ()) -> tuple[MlpSite, ...]:
    """The sites `layers.N.mlp` of a model, found in its modules.

    The layers are the longest outermost `ModuleList` of the decoder. In each, the MLP's output
    projection is the linear module outside attention that leads from the intermediate to the hidden
    size, and beside which another leads from the hidden to the intermediate size (or to twice that,
    where gate and up are one). Its input is what comes after the nonlinearity, times the gate's
    product where there is one.

    Args:
        model: May be on the meta device.
        site_paths: Patterns of modules to take instead, `{layer}` standing for the layer.

    Raises:
        SubjectError: A layer has no such projection, or a path leads to none.
    """
    found = _chosen(model, site_paths) if site_paths else _detected(model)
    return tuple(MlpSite(Site(f"layers.{layer}.mlp", width, "mlp", layer), module) for layer, module, width in found)


def _detected(model: PreTrainedModel) -> Iterator[tuple[int, nn.Module, int]]:
    hidden = int(model.config.get_text_config().hidden_size)
    for layer, block in enumerate(blocks(model)):
        projection = _projection(block, hidden)
        experts = any("expert" in name for name, _ in block.named_modules())
        if experts or projection is None:
            raise SubjectError(
                f"Layer {layer} of this {type(model).__name__} has no single MLP output projection.",
                known="It is a mixture of experts." if experts else f"It holds {_linear_names(block)}.",
                remedy="Name the modules whose inputs are the neurons: "
                "site_paths=['model.layers.{layer}.mlp.down_proj'], say.",
            )
        yield layer, *projection


def blocks(model: PreTrainedModel) -> nn.ModuleList:
    """The layers of a model: the longest outermost `ModuleList` of the decoder.

    Raises:
        SubjectError: There is none.
    """
    decoder: nn.Module = model.get_decoder()
    lists = {name: module for name, module in decoder.named_modules() if isinstance(module, nn.ModuleList)}
    outermost = [module for name, module in lists.items() if not any(name.startswith(f"{other}.") for other in lists)]
    if not outermost:
        raise SubjectError(
            f"No layers were found in this {type(model).__name__}.",
            remedy="Name the modules whose inputs are the neurons in site_paths.",
        )
    return max(outermost, key=len)


def _projection(block: nn.Module, hidden: int) -> tuple[nn.Module, int] | None:
    """The last of the widest modules that lead back to the hidden size from where another leads."""
    linear = [
        (name.rpartition(".")[0], module, *widths)
        for name, module in _outside_token_mixers(block)
        if (widths := _widths(module))
    ]
    downs = [
        (width, position, module)
        for position, (parent, module, width, out) in enumerate(linear)
        if out == hidden
        if any(
            other is not module and where == parent and ins == hidden and outs in (width, 2 * width)
            for where, other, ins, outs in linear
        )
    ]
    if not downs:
        return None
    width, _, module = max(downs, key=lambda down: down[:2])
    return module, width


def _outside_token_mixers(module: nn.Module, name: str = "") -> Iterator[tuple[str, nn.Module]]:
    for child_name, child in module.named_children():
        if not _TOKEN_MIXERS.search(child_name) and not _TOKEN_MIXERS.search(type(child).__name__):
            path = f"{name}.{child_name}" if name else child_name
            yield path, child
            yield from _outside_token_mixers(child, path)


def _widths(module: nn.Module) -> tuple[int, int] | None:
    """A linear module's input and output width."""
    if isinstance(module, nn.Linear):
        return module.in_features, module.out_features
    if isinstance(module, Conv1D):
        return module.nx, module.nf
    return None


def _linear_names(module: nn.Module) -> str:
    return ", ".join(name for name, child in module.named_modules() if _widths(child)) or "no linear module"


def _chosen(model: PreTrainedModel, site_paths: Sequence[str]) -> list[tuple[int, nn.Module, int]]:
    linear = {name: (module, widths[0]) for name, module in model.named_modules() if (widths := _widths(module))}
    by_layer: dict[int, tuple[nn.Module, int]] = {}
    for path in site_paths:
        if path.count("{layer}") != 1:
            raise SubjectError(
                f"The site path {path!r} does not say where the layer's number stands.",
                remedy="Write {layer} there: model.layers.{layer}.mlp.down_proj",
            )
        pattern = re.compile(re.escape(path).replace(re.escape("{layer}"), r"(\d+)"))
        layers = {int(match[1]): name for name in linear if (match := pattern.fullmatch(name))}
        if not layers:
            near = difflib.get_close_matches(path.replace("{layer}", "0"), linear, n=3, cutoff=0.3)
            raise SubjectError(
                f"The site path {path!r} leads to no linear module.",
                known=f"There is {', '.join(near or list(linear)[:3])}.",
            )
        if twice := layers.keys() & by_layer.keys():
            raise SubjectError(f"Two site paths lead to layer {min(twice)}.", known=f"One of them is {path!r}.")
        by_layer |= {layer: linear[name] for layer, name in layers.items()}
    return [(layer, *by_layer[layer]) for layer in sorted(by_layer)]
