"""A message as it is to look: what a notice's picture is, whoever drew it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from blocks.parts import Block


@dataclass(frozen=True, slots=True)
class Drawn:
    """One message. The same rows give the same picture, so that one that did not change is not sent again."""

    text: str
    """What notifications, and clients that show no blocks, say."""
    blocks: Sequence[Block] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """The same for the same picture."""
        return hashlib.sha256(json.dumps([self.text, list(self.blocks)], sort_keys=True).encode()).hexdigest()
