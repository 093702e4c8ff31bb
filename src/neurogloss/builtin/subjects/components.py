"""What is registered of the subjects."""

from __future__ import annotations

from neurogloss.builtin.subjects.configs import SyntheticConfig
from neurogloss.plugin.component import Component

COMPONENTS = (
    Component(
        kind="subject",
        name="synthetic",
        config=SyntheticConfig,
        factory="neurogloss.builtin.subjects.synthetic:SyntheticSubject",
        summary="no model: units that follow written rules, with their true explanations",
    ),
)
