"""What may be done in a tenant: roles given to people, groups and applications, and what applications were granted."""

import threading
import uuid
from collections.abc import Iterable
from datetime import timedelta

from bot.demo.graph.applications import Application, ServicePrincipal
from bot.demo.graph.clock import Clock
from bot.demo.graph.people import Assignment, Group, User
from bot.demo.graph.permissions import APPLICATION, DELEGATED, GRAPH_APP_ID, LEAST_PRIVILEGE
from bot.demo.graph.roles import role_id

Principal = User | Group | ServicePrincipal

AT_ONCE = timedelta()


class Grants:
    """The part of a tenant that says what everybody may. Roles are given by name."""

    def __init__(self, clock: Clock, lock: threading.RLock, tenant_id: str) -> None:
        self.clock = clock
        self.lock = lock
        self.id = tenant_id
        self.groups: dict[str, Group] = {}
        self.assignments: list[Assignment] = []
        self.principals: dict[str, ServicePrincipal] = {}
        self.activated_roles: set[str] = set()
        self._principal(GRAPH_APP_ID, "Microsoft Graph", tenant_id, AT_ONCE)

    def group(
        self, name: str, *, assignable: bool = False, members: Iterable[User] = (), owners: Iterable[User] = ()
    ) -> Group:
        """Create a group; only an `assignable` one can be given roles."""
        with self.lock:
            made = Group(str(uuid.uuid4()), name, assignable, list(members), list(owners))
            self.groups[made.id] = made
            return made

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
        return frozenset(one.role for one in self._in_force(principal))

    def roles_over(self, principal: User | ServicePrincipal, user: User) -> frozenset[str]:
        """The ids of the roles it may use on this user: for the whole tenant, or for the unit the user is in."""
        scopes = {f"/administrativeUnits/{user.unit}"} | (set() if user.restricted else {"/"})
        return frozenset(one.role for one in self._in_force(principal) if one.scope in scopes)

    def _in_force(self, principal: User | ServicePrincipal) -> list[Assignment]:
        holders = {principal.id} | {group.id for group in self.groups.values() if principal in group.members}
        return [one for one in self.assignments if one.principal in holders and not one.eligible]

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
        usable_in: timedelta = AT_ONCE,
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
        self, application: Application, *, role: str | None = "User Administrator", usable_in: timedelta = AT_ONCE
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
