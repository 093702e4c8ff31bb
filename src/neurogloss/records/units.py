"""Sites and units: what is explained."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from neurogloss.errors import SubjectError

Polarity = Literal["+", "-"]

_UNIT = re.compile(r"(?P<site>[^/\s]+)/(?P<index>\d+)(?P<polarity>[+-]?)")
_LAYER = re.compile(r"layers\.(\d+)(\.|$)")


@dataclass(frozen=True, order=True)
class Site:
    """A named place in the subject where activations are read."""

    name: str
    """Such as `layers.5.mlp`."""
    n_units: int
    """How many scalars the site has at each token."""
    kind: str = "mlp"
    """What the scalars are: `mlp`, `resid_post`, `sae`, ..."""
    layer: int | None = None
    """The layer, where the site belongs to one; used to stratify and to plot."""


@dataclass(frozen=True, order=True)
class UnitId:
    """One scalar at a site, with the sign under which it is explained."""

    site: str
    index: int
    polarity: Polarity = "+"

    @classmethod
    def parse(cls, text: str) -> UnitId:
        """Reads `layers.5.mlp/1234` or, for the negative side, `layers.5.mlp/1234-`.

        Raises:
            SubjectError: The text is no unit name.
        """
        match = _UNIT.fullmatch(text)
        if match is None:
            raise SubjectError(
                f"{text!r} is not the name of a unit.",
                known="A unit is SITE/INDEX, with a trailing - for its negative polarity.",
                remedy="For example: layers.5.mlp/1234 or layers.5.mlp/1234-",
            )
        polarity: Polarity = "-" if match["polarity"] == "-" else "+"
        return cls(match["site"], int(match["index"]), polarity)

    @property
    def sign(self) -> int:
        """+1 or -1: what an activation is multiplied by before anything else sees it."""
        return -1 if self.polarity == "-" else 1

    @property
    def layer(self) -> int | None:
        """The layer that the name of the site tells, such as 5 of `layers.5.mlp`."""
        match = _LAYER.match(self.site)
        return int(match[1]) if match else None

    def __str__(self) -> str:
        return f"{self.site}/{self.index}{'-' if self.polarity == '-' else ''}"
