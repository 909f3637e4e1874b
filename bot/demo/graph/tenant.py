"""One tenant: who is in it, what they may, and what their passwords are.

Whoever drives it (a test, the demo) builds it here and looks from inside; connectors come through the wire. Roles are
given by name. Every method takes the lock that the server's calls take too.
"""

import threading
import uuid
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from bot.demo.graph.applications import Application, ServicePrincipal
from bot.demo.graph.clock import Clock
from bot.demo.graph.errors import NOT_COMPLEX, ON_PREMISES_MASTERED, bad_request
from bot.demo.graph.partners import Relationship
from bot.demo.graph.people import Assignment, Domain, Group, User, immutable_id
from bot.demo.graph.permissions import APPLICATION, DELEGATED, GRAPH_APP_ID, LEAST_PRIVILEGE
from bot.demo.graph.policy import complies
from bot.demo.graph.roles import role_id

Principal = User | Group | ServicePrincipal

_THREE_MONTHS = timedelta(days=90)
_AT_ONCE = timedelta()


class Tenant:
    """A customer's tenant, or the partner's own."""

    def __init__(self, clock: Clock, lock: threading.RLock, tenant_id: str, name: str, display_name: str) -> None:
        self.clock = clock
        self.lock = lock
        self.id = tenant_id
        self.display_name = display_name
        self.domains = [Domain(name)]
        self.users: dict[str, User] = {}
        self.groups: dict[str, Group] = {}
        self.assignments: list[Assignment] = []
        self.principals: dict[str, ServicePrincipal] = {}
        self.activated_roles: set[str] = set()
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
        self.delta_repeats = False
        """Whether a delta names what has changed twice, and somebody who has not changed."""
        self.applications_need_role = False
        """Whether an application needs a directory role even for ordinary users, as Microsoft's older text has it."""
        self.lag_reads = 0
        """How many reads after a password change still show the time before it."""
        self.lag = _AT_ONCE
        """For how long after a password change reads still show the time before it."""
        self.size: int | None = None
        """How many users the limits are reckoned for; None is as many as there are."""
        self.changes = 0
        self._by_name: dict[str, User] = {}
        self._graph_principal = self._principal(GRAPH_APP_ID, "Microsoft Graph", self.id, _AT_ONCE)

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

    def group(
        self, name: str, *, assignable: bool = False, members: Iterable[User] = (), owners: Iterable[User] = ()
    ) -> Group:
        """Create a group; only an `assignable` one can be given roles."""
        with self.lock:
            made = Group(str(uuid.uuid4()), name, assignable, list(members), list(owners))
            self.groups[made.id] = made
            return made

    def touch(self, user: User) -> None:
        """Note that a delta has to show this user again."""
        self.changes += 1
        user.touched = self.changes

    # ---- what they may -------------------------------------------------------------------------------------------

    def assign(
        self, role: str, principal: Principal, *, scope: str = "/", eligible: bool = False, partner: str | None = None
    ) -> Assignment:
        """Give a role, by its name, to a user, a role-assignable group or an application."""
        with self.lock:
            if isinstance(principal, Group) and not principal.assignable and partner is None:
                raise ValueError(f"Roles cannot be given to {principal.display_name}.")
            made = Assignment(str(uuid.uuid4()), role_id(role), principal.id, scope, eligible, partner)
            self.assignments.append(made)
            self.activated_roles.add(made.role)
            return made

    def takes_away(self, role: str, principal: Principal) -> None:
        """Take a role away again."""
        with self.lock:
            gone = (role_id(role), principal.id)
            self.assignments = [one for one in self.assignments if (one.role, one.principal) != gone]

    def roles_of(self, principal: User | ServicePrincipal) -> frozenset[str]:
        """The ids of the roles in force for it, for whichever scope, direct or through its groups."""
        holders = {principal.id} | {group.id for group in self.groups.values() if principal in group.members}
        return frozenset(one.role for one in self.assignments if one.principal in holders and not one.eligible)

    def roles_everywhere(self, principal: User | ServicePrincipal) -> frozenset[str]:
        """The ids of the roles it may use on the whole tenant."""
        holders = {principal.id} | {group.id for group in self.groups.values() if principal in group.members}
        return frozenset(
            one.role for one in self.assignments if one.principal in holders and not one.eligible and one.scope == "/"
        )

    def in_assignable_group(self, user: User) -> bool:
        """Whether it is a member or an owner of a role-assignable group."""
        return any(
            group.assignable and (user in group.members or user in group.owners) for group in self.groups.values()
        )

    def consent(
        self,
        application: Application,
        *permissions: str,
        delegated: Iterable[str] = (),
        usable_in: timedelta = _AT_ONCE,
    ) -> ServicePrincipal:
        """Grant an application these application permissions and these delegated ones; Graph hears of a new one only
        after `usable_in`.
        """
        with self.lock:
            unknown = ({*permissions} - {*APPLICATION}) | ({*delegated} - {*DELEGATED})
            if unknown:
                raise ValueError(f"Microsoft Graph has no such permission, or not of this kind: {sorted(unknown)}")
            found = self.principal_of(application.client_id)
            made = found or self._principal(
                application.client_id, application.display_name, application.home, usable_in
            )
            made.application.update(permissions)
            made.delegated.update(delegated)
            return made

    def connects(
        self, application: Application, *, role: str | None = "User Administrator", usable_in: timedelta = _AT_ONCE
    ) -> ServicePrincipal:
        """Consent to all that Rekey needs, and give the application a role."""
        made = self.consent(application, *LEAST_PRIVILEGE, usable_in=usable_in)
        if role is not None:
            self.assign(role, made)
        return made

    def withdraws(self, application: Application, *permissions: str) -> None:
        """Take permissions away again; without any named, the application is removed from the tenant."""
        with self.lock:
            principal = self.principal_of(application.client_id)
            if principal is None:
                raise KeyError(application.display_name)
            principal.application.difference_update(permissions)
            principal.delegated.difference_update(permissions)
            if not permissions:
                del self.principals[principal.id]

    def principal_of(self, client_id: str) -> ServicePrincipal | None:
        """The application as this tenant knows it."""
        return next((one for one in self.principals.values() if one.client_id == client_id.lower()), None)

    def _principal(self, client_id: str, display_name: str, home: str, usable_in: timedelta) -> ServicePrincipal:
        now = self.clock.now()
        made = ServicePrincipal(str(uuid.uuid4()), client_id, display_name, home, now, now + usable_in)
        self.principals[made.id] = made
        return made

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
