"""What is registered of the corpora."""

from __future__ import annotations

from neurogloss.builtin.corpora.configs import BundledConfig, FilesConfig, SyntheticCorpusConfig
from neurogloss.plugin.component import Component

COMPONENTS = (
    Component(
        kind="corpus",
        name="bundled",
        config=BundledConfig,
        factory="neurogloss.builtin.corpora.bundled:BundledCorpus",
        summary="the short documents in a dozen registers that come with neurogloss",
    ),
    Component(
        kind="corpus",
        name="files",
        config=FilesConfig,
        factory="neurogloss.builtin.corpora.files:FilesCorpus",
        summary="your own text and JSON Lines files",
    ),
    Component(
        kind="corpus",
        name="synthetic",
        config=SyntheticCorpusConfig,
        factory="neurogloss.builtin.corpora.generated:SyntheticCorpus",
        summary="generated documents in which every unit of the synthetic subject fires; or puzzles",
    ),
)
