"""A session: the connector's own account signed in to one controller, and what that controller says about itself."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.directories.active_directory import diagnostics
from bot.directories.active_directory.entries import Entry, sid_text
from bot.directories.active_directory.wire import Result, Wire
from bot.errors import Unreachable

ANY = "(objectClass=*)"
_NO_SUCH_OBJECT = 32
_READ_ONLY_CONTROLLER = "1.2.840.113556.1.4.1920"
_ROOT = (
    "defaultNamingContext", "configurationNamingContext", "dsServiceName", "currentTime", "supportedCapabilities",
    "domainFunctionality", "tokenGroups",
)  # fmt: skip
_HEAD = (
    "objectSid", "fSMORoleOwner", "minPwdLength", "pwdProperties", "minPwdAge", "lockoutThreshold",
    "lockOutObservationWindow",
)  # fmt: skip


@dataclass(slots=True)
class Session:
    """A signed-in connection and the domain it leads to."""

    wire: Wire
    base: str
    """The domain's own name: `DC=corp,DC=example,DC=test`."""
    configuration: str
    service: str
    """The controller's directory service, by which the domain names who emulates the PDC."""
    functionality: int
    read_only: bool
    tokens: frozenset[str]
    """The SIDs we act under: our own account's and those of its groups."""
    head: Entry
    """The domain's own entry: its policy, and who emulates the PDC."""
    said_at: datetime
    """The controller's clock when the connection was made."""
    kept: dict[str, Any] = field(default_factory=dict)
    """What was read over this session and holds for its life: fine-grained policies by name."""

    @property
    def name(self) -> str:
        """The server's name as people know it."""
        return self.wire.server.name

    @property
    def is_pdc(self) -> bool:
        """Whether password changes made elsewhere arrive here first."""
        return (self.head.text("fSMORoleOwner") or "").lower() == self.service.lower()

    def fresh(self) -> bool:
        """Still worth using."""
        return self.wire.fresh()

    def close(self) -> None:
        """Hang up; never fails."""
        self.wire.close()

    def now(self) -> datetime:
        """The controller's own clock: what it said on connecting, and the time since."""
        return self.said_at + timedelta(seconds=time.monotonic() - self.wire.opened)

    def read(self, base: str, attributes: Sequence[str]) -> Entry | None:
        """One entry by its name or `<GUID=…>`; None when it is not there or not shown to us."""
        result, entries, _ = self.wire.search(base, ANY, "BASE", attributes)
        if result["result"] == _NO_SUCH_OBJECT:
            return None
        self._expect(result)
        return entries[0] if entries else None

    def find(
        self, criteria: str, attributes: Sequence[str], base: str | None = None, controls: Sequence[Any] = ()
    ) -> Iterator[Entry]:
        """Every entry at or below `base` (the domain) that meets the criteria, page by page."""
        cookie: bytes | None = None
        while True:
            result, entries, cookie = self.wire.search(
                base or self.base, criteria, "SUBTREE", attributes, controls, paged=True, cookie=cookie
            )
            if result["result"] == _NO_SUCH_OBJECT:
                return
            self._expect(result)
            yield from entries
            if not cookie:
                return

    def _expect(self, result: Result) -> None:
        if result["result"] != 0:
            raise diagnostics.read_refused(self.name, result)


def introduce(wire: Wire) -> Session:
    """The session of a wire that has just been signed in; `Unreachable` when no domain controller is at its end."""
    _, roots, _ = wire.search("", ANY, "BASE", _ROOT)
    root = roots[0] if roots else Entry("", {})
    base, said = root.text("defaultNamingContext"), root.text("currentTime")
    heads = wire.search(base, ANY, "BASE", _HEAD)[1] if base and said else []
    if not base or not said or not heads:
        raise Unreachable(
            f"{wire.server.name} speaks LDAP but does not present itself as a domain controller.",
            cause="not-a-domain-controller",
            mend="Check the host and port: an Active Directory domain controller is needed.",
        )
    now = datetime.strptime(said[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    return Session(
        wire=wire,
        base=base,
        configuration=root.text("configurationNamingContext") or "",
        service=root.text("dsServiceName") or "",
        functionality=root.integer("domainFunctionality"),
        read_only=_READ_ONLY_CONTROLLER in root.texts("supportedCapabilities"),
        tokens=frozenset(sid_text(raw) for raw in root.all("tokenGroups")),
        head=heads[0],
        said_at=now - timedelta(seconds=time.monotonic() - wire.opened),
    )
