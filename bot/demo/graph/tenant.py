"""One tenant: who is in it, and what their passwords are.

Whoever drives it (a test, the demo) builds it here and looks from inside; connectors come through the wire. Every
method takes the lock that the server's calls take too.
"""

import threading
import uuid
from datetime import timedelta
from typing import Any

from bot.demo.graph.clock import Clock
from bot.demo.graph.errors import FEDERATED, NOT_COMPLEX, ON_PREMISES_MASTERED, bad_request
from bot.demo.graph.grants import AT_ONCE, Grants
from bot.demo.graph.partners import Relationship
from bot.demo.graph.people import Domain, User, immutable_id
from bot.demo.graph.policy import complies

_THREE_MONTHS = timedelta(days=90)


class Tenant(Grants):
    """A customer's tenant, or the partner's own."""

    def __init__(self, clock: Clock, lock: threading.RLock, tenant_id: str, name: str, display_name: str) -> None:
        super().__init__(clock, lock, tenant_id)
        self.display_name = display_name
        self.domains = [Domain(name)]
        self.users: dict[str, User] = {}
        self.relationships: list[Relationship] = []
        """GDAP relationships in which this tenant is the partner."""
        self.license = "P2"
        """`P2` has PIM, `P1` role-assignable groups, `Free` neither."""
        self.banned_words: tuple[str, ...] = ()
        self.synced = False
        """Whether an Active Directory is synchronized into it at all."""
        self.password_hash_sync = True
        self.password_writeback = False
        self.synced_patch = "refused"
        """What a PATCH of a synced user's password does: `refused` (400), or `split`: 204, and two passwords."""
        self.delta_tracks_password_changes = False
        """Whether a password change alone makes a user appear in a delta: Microsoft does not say."""
        self.empty_pages = False
        """Whether a listing begins with a page on which nobody is, and a link to the next."""
        self.delta_repeats = False
        """Whether a delta names what has changed twice, and somebody who has not changed."""
        self.applications_need_role = False
        """Whether an application needs a directory role even for ordinary users, as Microsoft's older text has it."""
        self.lag_reads = 0
        """How many reads after a password change still show the time before it."""
        self.lag = AT_ONCE
        """For how long after a password change reads still show the time before it."""
        self.size: int | None = None
        """How many users the limits are reckoned for; None is as many as there are."""
        self.changes = 0
        self._by_name: dict[str, User] = {}

    # ---- who is there --------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Its default domain name."""
        return self.domains[0].name

    def domain(self, name: str, *, federated: bool = False, initial: bool = False) -> Domain:
        """Give the tenant one more domain name."""
        with self.lock:
            self.domains.append(Domain(name, federated, initial))
            return self.domains[-1]

    def user(
        self,
        name: str,
        password: str = "First-Password-2019!",  # noqa: S107 - it guards nothing
        *,
        set_ago: timedelta = _THREE_MONTHS,
        display_name: str | None = None,
        id: str | None = None,
        **details: Any,
    ) -> User:
        """Create a user, as it has been for a while; a `name` without a domain is in the default one. `details` are
        fields of `User`.
        """
        with self.lock:
            full = name if "@" in name else f"{name}@{self.name}"
            now = self.clock.now()
            user = User(
                id=id or str(uuid.uuid5(uuid.UUID(self.id), full.casefold())),
                name=full,
                password=password,
                changed_at=now - set_ago,
                created_at=now - set_ago - timedelta(days=1),
                display_name=display_name or full.partition("@")[0].replace(".", " ").title(),
                **{"mail": full, **details},
            )
            self.users[user.id] = user
            self._by_name[full.casefold()] = user
            self.touch(user)
            return user

    def synced_user(
        self, name: str, password: str, *, object_guid: str, ad_domain: str, sam: str, **details: Any
    ) -> User:
        """Create a user that comes from an Active Directory account, linked to it by its objectGUID."""
        self.synced = True
        return self.user(
            name,
            password,
            synced=True,
            immutable_id=immutable_id(object_guid),
            domain=ad_domain,
            sam=sam,
            last_synced_at=self.clock.now(),
            policies="DisablePasswordExpiration",
            **details,
        )

    def find(self, user: str) -> User | None:
        """The user with this id or userPrincipalName, unless deleted."""
        found = self.users.get(user.lower()) or self._by_name.get(user.casefold())
        return None if found is None or found.deleted_at else found

    def the(self, name: str) -> User:
        """The user of that name, with or without the domain; KeyError when there is none."""
        with self.lock:
            found = self.find(name if "@" in name else f"{name}@{self.name}")
        if found is None:
            raise KeyError(name)
        return found

    def renames(self, user: User, to: str) -> None:
        """Give a user another userPrincipalName; the id stays."""
        with self.lock:
            del self._by_name[user.name.casefold()]
            user.name = to if "@" in to else f"{to}@{self.name}"
            self._by_name[user.name.casefold()] = user
            self.touch(user)

    def deletes(self, user: User, *, purged: bool = False) -> None:
        """Put a user into the bin, from which it is gone for good once `purged`."""
        with self.lock:
            user.deleted_at, user.purged = self.clock.now(), purged
            self.touch(user)

    def restores(self, user: User) -> None:
        """Take a user out of the bin again."""
        with self.lock:
            user.deleted_at = None
            self.touch(user)

    def touch(self, user: User) -> None:
        """Note that a delta has to show this user again."""
        self.changes += 1
        user.touched = self.changes

    # ---- passwords -----------------------------------------------------------------------------------------------

    def signs_in(self, user: User, password: str) -> bool:
        """Whether the cloud would let somebody in with this: the present password of an enabled user."""
        with self.lock:
            return user.deleted_at is None and user.enabled and user.password == password

    def resets(self, user: User, password: str) -> None:
        """Somebody else resets the password, in the portal."""
        with self.lock:
            self.take(user, password)

    def synchronizes(self, user: User, password: str) -> None:
        """Password hash sync: what was set in Active Directory arrives, whatever the cloud's own rules say."""
        with self.lock:
            if not (user.synced and self.password_hash_sync):
                raise ValueError(f"{user.name} does not get its password from Active Directory.")
            user.last_synced_at = self.clock.now()
            self._keep(user, password)

    def take_patched(self, user: User, password: str) -> None:
        """A PATCH of passwordProfile; GraphError when the tenant refuses it."""
        if user.synced and self.synced_patch == "refused":
            raise bad_request(ON_PREMISES_MASTERED)
        if any(domain.federated and user.name.casefold().endswith(f"@{domain.name}") for domain in self.domains):
            raise bad_request(FEDERATED)
        self.take(user, password)

    def take(self, user: User, password: str) -> None:
        """Make this the user's password; GraphError when it is too weak."""
        names = [*user.name.partition("@")[0].replace("_", ".").split("."), *user.display_name.split()]
        if not complies(password, banned=self.banned_words, names=[*names, self.name.partition(".")[0]]):
            raise bad_request(NOT_COMPLEX)
        self._keep(user, password)

    def _keep(self, user: User, password: str) -> None:
        now = self.clock.now()
        user.seen_before, user.lagging_reads, user.lagging_until = user.changed_at, self.lag_reads, now + self.lag
        user.password, user.changed_at, user.must_change = password, now, False
        if self.delta_tracks_password_changes:
            self.touch(user)
