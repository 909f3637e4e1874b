"""The vault's tests live in the same world as the matching ones."""

from tests.matching.conftest import database, kept, safe, world

__all__ = ["database", "kept", "safe", "world"]
