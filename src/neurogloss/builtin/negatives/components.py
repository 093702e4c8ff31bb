"""What is registered of the negatives."""

from __future__ import annotations

from neurogloss.builtin.negatives.configs import (
    BeginningNegativesConfig,
    DecoderNegativesConfig,
    EmbeddingNegativesConfig,
    NeighbourNegativesConfig,
    RandomNegativesConfig,
)
from neurogloss.plugin.component import Component

COMPONENTS = (
    Component(
        kind="negatives",
        name="random",
        config=RandomNegativesConfig,
        factory="neurogloss.builtin.negatives.random:RandomNegatives",
        summary="random records on which the unit does not fire",
    ),
    Component(
        kind="negatives",
        name="neighbours",
        config=NeighbourNegativesConfig,
        factory="neurogloss.builtin.negatives.neighbours:NeighbourNegatives",
        summary="top records of similar units on which the unit does not fire",
    ),
    Component(
        kind="negatives",
        name="beginnings",
        config=BeginningNegativesConfig,
        factory="neurogloss.builtin.negatives.beginnings:BeginningNegatives",
        summary="texts that fire, cut off right before the unit does",
    ),
    Component(
        kind="negatives",
        name="embedding",
        config=EmbeddingNegativesConfig,
        factory="neurogloss.builtin.negatives.embedding:EmbeddingNegatives",
        summary="texts near those on which the unit fires, and on which it does not",
        parts={"embedder": "embedder"},
    ),
    Component(
        kind="negatives",
        name="decoder",
        config=DecoderNegativesConfig,
        factory="neurogloss.builtin.negatives.decoder:DecoderNegatives",
        summary="top records of units that write nearly the same, on which the unit does not fire",
        needs=("subject",),
        requires=("output_weights",),
    ),
)
