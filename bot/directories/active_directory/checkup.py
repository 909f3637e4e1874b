"""`check`: what a technician would want to know before trusting this connection, in words, changing nothing."""

import ssl
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

from bot.directories.active_directory import accounts, policy, rights
from bot.directories.active_directory.diagnostics import RESET_RIGHT
from bot.directories.active_directory.entries import Entry
from bot.directories.active_directory.privileged import Privileged, privileged_accounts
from bot.directories.active_directory.session import Session
from bot.directories.active_directory.sessions import Sessions
from bot.directories.active_directory.settings import Server
from bot.directories.base import Finding, Level
from bot.errors import OutsideError, SignInRefused

_SAMPLE = 100
"""Accounts whose permissions are looked at."""
_SKEW = timedelta(minutes=5)
"""What Kerberos tolerates between two clocks."""
_SOON = timedelta(days=14)
_DELEGATE = (
    f"Grant the connector's account “{RESET_RIGHT}” and write access to lockoutTime on the units with the accounts "
    "to rotate: Active Directory Users and Computers, Delegate Control, “Reset user passwords and force change…”."
)


def findings(sessions: Sessions) -> list[Finding]:
    """See `Directory.check`."""
    found: list[Finding] = []
    looked_into = False
    servers = sessions.settings.servers
    for number, server in enumerate(servers, start=1):
        try:
            session = sessions.open(server)
        except SignInRefused as error:
            found.append(Finding.problem(error))
            if number < len(servers):
                rest = ", ".join(each.name for each in servers[number:])
                found.append(Finding(Level.WARNING, f"Not tried, so as not to lock the connector's account: {rest}."))
            break
        except OutsideError as error:
            found.append(Finding.problem(error))
            continue
        try:
            found += _about_server(session)
            if not looked_into:
                found += _about_domain(session, servers)
                looked_into = True
        except OutsideError as error:
            found.append(Finding.problem(error))
        finally:
            session.close()
    return found


def _about_server(session: Session) -> Iterator[Finding]:
    certificate = session.wire.certificate()
    until = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
    what = f"{session.name} proved who it is (its certificate holds until {until:%-d %B %Y}) and let us sign in."
    yield Finding(Level.OK, what)
    if until - datetime.now(UTC) < _SOON:
        yield Finding(
            Level.WARNING,
            f"The certificate of {session.name} ends on {until:%-d %B %Y}.",
            "Renew it before then: without it no password can be set.",
            "certificate-ends-soon",
        )
    if session.read_only:
        yield Finding(
            Level.WARNING,
            f"{session.name} is a read-only domain controller: passwords are set elsewhere.",
            "List a writable domain controller too.",
            "read-only-server",
        )
    skew = session.now() - datetime.now(UTC)
    if abs(skew) > _SKEW:
        direction = "ahead of" if skew > timedelta() else "behind"
        yield Finding(
            Level.WARNING,
            f"The clock of {session.name} is {abs(skew) // timedelta(minutes=1)} minutes {direction} this machine's.",
            "Synchronize both (w32tm /resync, NTP). Rekey goes by the domain's clock; Kerberos and people would not.",
            "clock",
        )


def _about_domain(session: Session, servers: Sequence[Server]) -> Iterator[Finding]:
    yield from _pdc(session, servers)
    yield from _own_account(session)
    yield from _reset_right(session)
    if policy.would_show(session):
        rules = policy.domain_rules(session)
        complexity = "with complexity" if rules.complexity else "without complexity"
        yield Finding(Level.OK, f"The domain asks for at least {rules.length} characters, {complexity}.")
    else:
        yield Finding(
            Level.WARNING,
            "The connector's account may not see fine-grained password policies, so strict ones are assumed.",
            f"Let it read CN=Password Settings Container,CN=System,{session.base}, this object and all below.",
            "right-read-policies",
        )


def _pdc(session: Session, servers: Sequence[Server]) -> Iterator[Finding]:
    owner = session.head.text("fSMORoleOwner") or ""
    if session.is_pdc or not owner:
        return
    holder = session.read(owner.partition(",")[2], ("dNSHostName",))
    host = holder.text("dNSHostName") if holder else None
    if host and host.lower() not in {server.expected_name.lower() for server in servers}:
        yield Finding(
            Level.WARNING,
            f"{host} hears of every password change first (PDC emulator), and is not one of the connection's servers.",
            "List it too: when another controller goes away right after a change, it is the one to ask.",
            "pdc-not-listed",
        )


def _own_account(session: Session) -> Iterator[Finding]:
    ours = "".join(f"(objectSid={sid})" for sid in session.tokens)
    for own in session.find(f"(&(objectClass=user)(|{ours}))", ("msDS-UserPasswordExpiryTimeComputed",)):
        ends = own.moment("msDS-UserPasswordExpiryTimeComputed")
        if ends and ends - session.now() < _SOON:
            yield Finding(
                Level.WARNING,
                f"The password of the connector's own account expires on {ends:%-d %B %Y}.",
                "Set “Password never expires” for it, or give it a new password and that to the connection.",
                "own-password-expires",
            )


def _reset_right(session: Session) -> Iterator[Finding]:
    """Judged by the permission lists of some ordinary accounts: trying it would change one."""
    wanted = (*accounts.LISTED, "nTSecurityDescriptor")
    found = session.find(accounts.SIGN_INS, wanted, controls=(rights.DACL,))
    administrators = privileged_accounts(session)
    sample = list(islice((entry for entry in found if _ordinary(session, entry, administrators)), _SAMPLE))
    if not sample:
        yield Finding(Level.WARNING, "The domain shows no account that could be rotated.", "", "no-accounts")
        return
    answers = [rights.may_reset(entry, session.tokens) for entry in sample]
    allowed, unknown = answers.count(True), answers.count(None)
    if allowed == len(sample):
        yield Finding(Level.OK, f"We may reset passwords ({RESET_RIGHT}): all of {len(sample)} accounts looked at.")
        return
    if unknown == len(sample):
        yield Finding(
            Level.WARNING,
            "The accounts' permissions are not shown to us, so whether we may reset passwords is not known.",
            "Grant the connector's account “Read permissions” on those accounts, or try one.",
            "right-unknown",
        )
        return
    lacking = [entry for entry, answer in zip(sample, answers, strict=True) if not answer]
    units = sorted({accounts.unit_of(entry.dn) or "the domain" for entry in lacking})
    where = ", ".join(units[:5]) + (" and others" if len(units) > 5 else "")
    yield Finding(
        Level.WARNING if allowed else Level.PROBLEM,
        f"The connector's account lacks the right “{RESET_RIGHT}” for {len(lacking)} of {len(sample)} accounts looked "
        f"at, in: {where}.",
        _DELEGATE,
        "right-reset",
    )


def _ordinary(session: Session, entry: Entry, administrators: Privileged) -> bool:
    """Neither an administrator's (Windows protects those from delegation) nor one that is never rotated."""
    return accounts.guard_of(entry, session.tokens) is None and not administrators.has(entry)
