"""The directories the contract runs on: each can be looked at and meddled with as its administrator would."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

from ldap3.core.exceptions import LDAPException
from pydantic import SecretStr

from bot.demo.graph import GraphStandIn, User
from bot.demo.graph.faults import LostReply, LostRequest
from bot.demo.practice_directory import PracticeDirectory
from bot.demo.practice_domain import PracticeDomain, PracticePolicy
from bot.demo.practice_faults import Fault
from bot.directories.active_directory import ActiveDirectory, ActiveDirectorySettings
from bot.directories.base import Directory
from bot.directories.entra import Entra, EntraCredential, EntraSettings
from bot.errors import AdminNotPermitted, Refused, RightMissing
from storage.models import Tier
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

    ours: SecretStr
    """A password it takes, with a character that is not every directory's."""
    signs_in: bool
    """Whether passwords are proved by signing in; otherwise the set-time alone tells."""
    service_tier: Tier
    """What `makes_service` makes of an account."""

    @property
    def lacking(self) -> tuple[type[Refused], str]:
        """What it means to be an outsider, and the words in which the mend names what is missing."""

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

    def passes(self, time: timedelta) -> None:
        """So much time goes by, where a directory's answers depend on it and it need not be waited for."""

    def warms_up(self, directory: Directory, who: Who) -> None:
        """The connection that writes go through is made, and nothing is changed."""


class SambaWorld:
    """A real domain, reached through a wire of the test's own, by the account rights were delegated to."""

    ours = SecretStr("0urs-of-a-Test!é")
    signs_in = True
    service_tier = Tier.SERVICE
    lacking = (RightMissing, "Reset Password")

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

    def passes(self, time: timedelta) -> None:
        pass

    def warms_up(self, directory: Directory, who: Who) -> None:
        directory.unlock(who.object_id)


class PracticeWorld:
    """The pretend domain that the tour and most tests use."""

    ours = SecretStr("0urs-of-a-Test!é")
    signs_in = True
    service_tier = Tier.SERVICE
    lacking = (RightMissing, "Reset Password")

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

    def passes(self, time: timedelta) -> None:
        pass

    def warms_up(self, directory: Directory, who: Who) -> None:
        directory.unlock(who.object_id)


class EntraWorld:
    """A tenant of the pretend Microsoft, reached through a wire of the test's own, by an app with the least rights."""

    ours = SecretStr("0urs-of-a-Test! ~")
    signs_in = False
    service_tier = Tier.PERSON
    """Entra has no accounts for services that have a password."""
    lacking = (AdminNotPermitted, "administrative unit")

    def __init__(self, graph: GraphStandIn, wire: Proxy) -> None:
        self.graph = graph
        self._wire = wire
        graph.login = graph.graph = f"https://{wire.host}:{wire.port}"
        self.tenant = graph.tenant("corp.example")
        self.app = graph.application(self.tenant)
        self.tenant.connects(self.app)
        self._secret = self.app.secret()
        self._passed = 0.0

    def tries(self, who: Who, password: str) -> None:
        """Nobody signs in here: a password is proved by its set-time."""

    def connect(self) -> Entra:
        place = {"login": self.graph.login, "graph": self.graph.graph, "ca": Path(self.graph.ca_file).read_text()}
        settings = EntraSettings.parse({"tenant_id": self.tenant.id, "client_id": self.app.client_id, "cloud": place})
        credential = EntraCredential(client_secret=SecretStr(self._secret))
        return Entra(settings, credential, passing=lambda: monotonic() + self._passed, wait=self._wait)

    def _wait(self, seconds: float) -> None:
        self._passed += seconds

    def passes(self, time: timedelta) -> None:
        self._wait(time.total_seconds())
        self.graph.clock.passes(time)

    def person(self, *, shown_as: str | None = None, lockout_threshold: int = 0) -> Who:  # noqa: ARG002
        return self._create(display_name=shown_as)

    def outsider(self) -> Who:
        return self._create(restricted=True)

    def _create(self, **details: Any) -> Who:
        user = self.tenant.user(unique_name("person"), FIRST, **details)
        return Who(user.id, user.name.partition("@")[0])

    def _user(self, who: Who) -> User:
        return self.tenant.users[who.object_id]

    def holds(self, who: Who, password: str) -> bool:
        return self.tenant.signs_in(self._user(who), password)

    def resets(self, who: Who, password: str, *, must_change: bool = False) -> None:
        self.tenant.resets(self._user(who), password)
        self._user(who).must_change = must_change

    def disables(self, who: Who) -> None:
        self._user(who).enabled = False
        self.tenant.touch(self._user(who))

    def deletes(self, who: Who) -> None:
        self.tenant.deletes(self._user(who))

    def renames(self, who: Who, to: str) -> None:
        self.tenant.renames(self._user(who), to)

    def locks(self, who: Who) -> None:
        raise NotImplementedError("Nobody can see a lockout of Entra's, and nobody can lift it.")

    def is_locked(self, who: Who) -> bool:
        raise NotImplementedError("Nobody can see a lockout of Entra's, and nobody can lift it.")

    def makes_administrator(self, who: Who) -> None:
        between = self.tenant.group(unique_name("between"), assignable=True, members=[self._user(who)])
        self.tenant.assign("Helpdesk Administrator", between)

    def makes_service(self, who: Who) -> None:
        pass

    def losing_the_reply(self, who: Who) -> AbstractContextManager[None]:
        self.graph.fails("PATCH /users/{id}", LostReply(), user=self._user(who))
        return nullcontext()

    def losing_the_request(self) -> AbstractContextManager[None]:
        self.graph.fails("PATCH /users/{id}", LostRequest())
        return nullcontext()

    def goes_away(self) -> None:
        self._wire.refuse()
        self._wire.cut()

    def warms_up(self, directory: Directory, who: Who) -> None:
        directory.may_rotate(who.object_id)
