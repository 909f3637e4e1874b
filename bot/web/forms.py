"""What a page posts, and how often what does not hold may be tried."""

import json
from collections import deque
from collections.abc import Mapping
from time import monotonic
from typing import Self

from pydantic import SecretStr

from bot.errors import BadInput


class Form:
    """What a page posted: texts by name. Its repr says nothing."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fields = fields

    @classmethod
    def read(cls, body: bytes) -> Self:
        """`BadInput` for anything but a JSON object of texts."""
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict) or not all(isinstance(each, str) for each in fields.values()):
            raise BadInput("This page sent something Rekey cannot read. Nothing was done. Open the link again.")
        return cls(fields)

    def text(self, name: str) -> str:
        """What was typed there; empty when nothing was."""
        return self._fields.get(name, "")

    def secret(self, name: str) -> SecretStr:
        """The same, kept out of every repr."""
        return SecretStr(self._fields.get(name, ""))

    def others(self, *names: str) -> Mapping[str, SecretStr]:
        """Everything but these, kept out of every repr."""
        return {name: SecretStr(text) for name, text in self._fields.items() if name not in names}


class Guesses:
    """How often what does not hold was tried lately, by address: a flood fills neither the trail nor the disk."""

    _MOST = 30
    _SECONDS = 60.0
    _ADDRESSES = 10_000

    def __init__(self) -> None:
        self._tried: dict[str, deque[float]] = {}

    def count(self, who: str) -> None:
        """One more."""
        if len(self._tried) >= self._ADDRESSES and who not in self._tried:
            self._tried.pop(next(iter(self._tried)))
        self._tried.setdefault(who, deque(maxlen=self._MOST)).append(monotonic())

    def too_many(self, who: str) -> bool:
        """Whether this address has to wait."""
        tried = self._tried.get(who)
        return tried is not None and len(tried) == self._MOST and tried[0] > monotonic() - self._SECONDS
