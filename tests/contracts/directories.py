"""The directories the contract runs on: each can be looked at and meddled with as its administrator would."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any, Protocol

from ldap3.core.exceptions import LDAPException
from pydantic import SecretStr

from bot.demo.practice_directory import PracticeDirectory
from bot.demo.practice_domain import PracticeDomain, PracticePolicy
from bot.demo.practice_faults import Fault
from bot.directories.active_directory import ActiveDirectory, ActiveDirectorySettings
from bot.directories.base import Directory
from tests.real import witness
from tests.real.domain import Domain, unique_name
from tests.real.proxy import Proxy

FIRST = "F1rst-of-a-Test!"
"""The password every account begins with."""


@dataclass(frozen=True)
class Who:
    """An account of a test: its id as the port names it, its username, and its name in the real directory."""

    object_id: str
    username: str
    dn: str = ""


class World(Protocol):
    """A directory from the other side."""

    def connect(self) -> Directory:
        """A new connector to it."""

    def person(self, *, shown_as: str | None = None, lockout_threshold: int = 0) -> Who:
        """An ordinary account that the connector may reset."""

    def outsider(self) -> Who:
        """An ordinary account that the connector may not reset."""

    def holds(self, who: Who, password: str) -> bool:
        """Whether this password signs in, asked past Rekey."""

    def resets(self, who: Who, password: str, *, must_change: bool = False) -> None:
        """Somebody else resets the password."""

    def disables(self, who: Who) -> None:
        """Somebody switches the account off."""

    def deletes(self, who: Who) -> None:
        """Somebody deletes the account."""

    def renames(self, who: Who, to: str) -> None:
        """Somebody gives it another username."""

    def locks(self, who: Who) -> None:
        """Somebody tries wrong passwords until it is locked: it needs a lockout threshold."""

    def tries(self, who: Who, password: str) -> None:
        """Somebody signs in with this password, once; a wrong one counts."""

    def is_locked(self, who: Who) -> bool:
        """Whether it is locked now."""

    def makes_administrator(self, who: Who) -> None:
        """Somebody puts it into a privileged group, by way of another group."""

    def makes_service(self, who: Who) -> None:
        """Somebody gives it a service principal name."""

    def losing_the_reply(self, who: Who) -> AbstractContextManager[None]:
        """Within, the next write to this account is done and its answer lost."""

    def losing_the_request(self) -> AbstractContextManager[None]:
        """Within, the next call of a connector that has written before never arrives."""

    def goes_away(self) -> None:
        """No connection comes through any more."""


class SambaWorld:
    """A real domain, reached through a wire of the test's own, by the account rights were delegated to."""

    def __init__(self, domain: Domain, wire: Proxy) -> None:
        self._domain = domain
        self._wire = wire

    def connect(self) -> ActiveDirectory:
        domain = self._domain
        settings = {
            "servers": [{"host": self._wire.host, "port": self._wire.port, "tls_name": domain.tls_name}],
            "ca": domain.ca_file.read_text(),
            "bind_dn": domain.service_dn,
        }
        return ActiveDirectory(ActiveDirectorySettings.parse(settings), SecretStr(domain.service_password))

    def person(self, *, shown_as: str | None = None, lockout_threshold: int = 0) -> Who:
        who = self._create(self._domain.staff, shown_as)
        if lockout_threshold:
            self._domain.create_pso(unique_name("pso"), applies_to=[who.dn], lockout_threshold=lockout_threshold)
        return who

    def outsider(self) -> Who:
        return self._create(f"CN=Users,{self._domain.base_dn}", None)

    def _create(self, ou: str, shown_as: str | None) -> Who:
        username = unique_name("person")
        shown = {"displayName": shown_as} if shown_as else {}
        cn = f"{shown_as} {username}" if shown_as else None
        account = self._domain.create_user(username, FIRST, ou=ou, cn=cn, **shown)
        return Who(str(account.guid), username, account.dn)

    def holds(self, who: Who, password: str) -> bool:
        return witness.signs_in(self._domain, who.dn, password)

    def resets(self, who: Who, password: str, *, must_change: bool = False) -> None:
        self._domain.set_password(who.dn, password, must_change=must_change)

    def disables(self, who: Who) -> None:
        self._domain.modify(who.dn, userAccountControl="514")

    def deletes(self, who: Who) -> None:
        self._domain.delete(who.dn)

    def renames(self, who: Who, to: str) -> None:
        self._domain.modify(who.dn, sAMAccountName=to)

    def locks(self, who: Who) -> None:
        while not self._domain.is_locked(who.dn):
            with suppress(LDAPException):  # refused, and counted
                self._domain.connection(who.dn, "Wr0ng-of-a-Test!")

    def tries(self, who: Who, password: str) -> None:
        with suppress(LDAPException):
            self._domain.connection(who.dn, password).unbind()

    def is_locked(self, who: Who) -> bool:
        return self._domain.is_locked(who.dn)

    def makes_administrator(self, who: Who) -> None:
        between = self._domain.create_group(unique_name("between"), members=[who.dn])
        self._domain.add_member(f"CN=Print Operators,CN=Builtin,{self._domain.base_dn}", between)

    def makes_service(self, who: Who) -> None:
        self._domain.modify(who.dn, servicePrincipalName=f"http/{who.username}.example.test")

    @contextmanager
    def losing_the_reply(self, who: Who) -> Iterator[None]:
        before = self._domain.set_at(who.dn)
        self._wire.lose_reply(lambda: self._domain.set_at(who.dn) != before)
        yield
        assert self._wire.lost.is_set()

    @contextmanager
    def losing_the_request(self) -> Iterator[None]:
        self._wire.lose_request()
        yield
        assert self._wire.lost.is_set()

    def goes_away(self) -> None:
        self._wire.refuse()
        self._wire.cut()


class PracticeWorld:
    """The pretend domain that the tour and most tests use."""

    def __init__(self) -> None:
        self._domain = PracticeDomain()

    def connect(self) -> PracticeDirectory:
        return PracticeDirectory(self._domain)

    def person(self, *, shown_as: str | None = None, lockout_threshold: int = 0) -> Who:
        return self._create(display_name=shown_as, policy=PracticePolicy(lockout_threshold=lockout_threshold))

    def outsider(self) -> Who:
        return self._create(resettable=False)

    def _create(self, **details: Any) -> Who:
        username = unique_name("person")
        account = self._domain.person(username, FIRST, **details)
        return Who(account.object_id, username)

    def holds(self, who: Who, password: str) -> bool:
        return self._domain.holds(who.username, password)

    def resets(self, who: Who, password: str, *, must_change: bool = False) -> None:
        self._domain.resets(who.username, password)
        self._domain.account(who.username).must_change = must_change

    def disables(self, who: Who) -> None:
        account = self._domain.account(who.username)
        account.enabled = False
        self._domain.touched(account)

    def deletes(self, who: Who) -> None:
        self._domain.deletes(who.username)

    def renames(self, who: Who, to: str) -> None:
        self._domain.renames(who.username, to)

    def locks(self, who: Who) -> None:
        self._domain.locks(who.username)

    def tries(self, who: Who, password: str) -> None:
        self._domain.signs_in(who.username, password)

    def is_locked(self, who: Who) -> bool:
        return self._domain.is_locked(self._domain.account(who.username))

    def makes_administrator(self, who: Who) -> None:
        account = self._domain.account(who.username)
        account.groups = (unique_name("between"),)
        self._domain.group(account.groups[0], inside="Domain Admins")
        self._domain.touched(account)

    def makes_service(self, who: Who) -> None:
        account = self._domain.account(who.username)
        account.spns = (f"http/{who.username}.example.test",)
        self._domain.touched(account)

    def losing_the_reply(self, who: Who) -> AbstractContextManager[None]:
        self._domain.fails("set_password", with_=Fault.LOST_AFTER, account=who.username)
        return nullcontext()

    def losing_the_request(self) -> AbstractContextManager[None]:
        self._domain.fails("set_password", with_=Fault.LOST_BEFORE)
        return nullcontext()

    def goes_away(self) -> None:
        self._domain.goes_away()
