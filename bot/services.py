"""What a handler, page, job or command may ask for: built once, in `bot.app`, and handed down."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from pydantic import SecretStr

from bot.audit import Trail
from bot.connections import DirectoryFactory
from bot.directories.base import Directory
from bot.lanes import Lanes
from bot.settings import Settings
from bot.vaults.base import Vault
from storage.database import Database
from storage.models import Connection
from storage.revisions import Safe


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that works together, ready to use. Safe to share between threads."""

    settings: Settings
    database: Database
    safe: Safe
    trail: Trail
    open_directory: Callable[[Connection], Directory]
    """A stored directory connection → its live connector; raises as `bot.connections.open_directory` does."""
    connect: Callable[[Connection, SecretStr], Directory]
    """The same with a credential that need not be the stored one; raises as `bot.connections.connect` does."""
    open_vault: Callable[[Connection], Vault]
    """A stored connection to a vault outside → its live connector; raises as `bot.connections.open_vault` does."""
    extra_kinds: Mapping[str, DirectoryFactory]
    """Directory kinds beyond the vendors': the practice directory, in the demo."""

    def lanes(self) -> Lanes:
        """What it takes to drain any lane, with the settings' limits."""
        return Lanes(
            database=self.database,
            safe=self.safe,
            trail=self.trail,
            open_directory=self.open_directory,
            open_vault=self.open_vault,
            connect=self.connect,
            lease=timedelta(seconds=self.settings.lease_seconds),
            longest_pause=timedelta(seconds=self.settings.backoff_cap_seconds),
            administrators=self.settings.administrators,
            second_administrator=self.settings.second_administrator,
        )
