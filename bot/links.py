"""One-time links into Rekey's own pages: made in Slack for one operator, opened in their browser.

The token is 256 random bits and stands in the URL's fragment, which browsers send to nobody: no server, proxy or
preview robot sees it. The page sends it in the body of a POST; the database keeps its SHA-256. A link opens once and
for minutes only, and whoever opens it proves besides, by their authenticator, that they are the operator it was made
for (see `bot.step_up`).
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import SecretStr
from sqlmodel import Session

from bot.audit import Trail
from bot.permissions import Operator, operator_named
from bot.settings import Settings
from bot.step_up import check
from storage.links import add_link, find_link, forget_links
from storage.models import Link, Organization, now
from storage.sealing import KeyRing

REVEAL = "reveal"
CREDENTIAL = "credential"
LIFETIMES = {REVEAL: timedelta(minutes=5), CREDENTIAL: timedelta(minutes=30)}
"""By purpose. Somebody who enters a credential may have to look for it first."""
_REFUSED = {REVEAL: "reveal.refused", CREDENTIAL: "credential.refused"}
"""The audit event of a link that was not honoured."""
_KEPT = timedelta(days=7)
"""How long a link that is over is remembered, to say that it is."""


@dataclass(frozen=True, slots=True)
class Made:
    """A link to hand to its operator, and to nobody else."""

    address: SecretStr
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a page shows nothing, in a sentence; whether the same link may be tried again with another code."""

    reason: str
    again: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """A link that holds, and the operator it was made for with the roles they hold now."""

    link: Link
    operator: Operator
    organization: Organization


def make(
    session: Session,
    settings: Settings,
    operator: Operator,
    organization_id: int,
    purpose: str,
    *,
    record_id: int | None = None,
    approval_id: int | None = None,
    draft: dict[str, Any] | None = None,
) -> Made:
    """Make a link for this operator. Whoever calls has asked `permissions`, and keeps an audit line."""
    token = secrets.token_urlsafe(32)
    at = now()
    forget_links(session, at - _KEPT)
    link = add_link(
        session,
        Link(
            token=_hash(token),
            purpose=purpose,
            operator=operator.key,
            organization_id=organization_id,
            record_id=record_id,
            approval_id=approval_id,
            draft=draft,
            created_at=at,
            expires_at=at + LIFETIMES[purpose],
        ),
    )
    return Made(SecretStr(f"{settings.pages_url}/{purpose}#{token}"), link.expires_at)


def follow(
    session: Session, trail: Trail, settings: Settings, token: SecretStr, purpose: str, source: str
) -> Opened | Refusal:
    """The link behind a token. Uses nothing up: `storage.links.use_link` does, once everything else holds.

    A token that is nobody's, used or expired is refused and audited; the caller must commit.
    """
    link = find_link(session, _hash(token.get_secret_value()), purpose)
    if link is None:
        reason = "This link is not one of Rekey's, or it was made more than a week ago. Nothing was shown."
        trail.append(session, event=_REFUSED[purpose], operator="unknown", source=source, result="no such link")
        return Refusal(f"{reason} Ask for a new one in Slack.")
    organization = session.get_one(Organization, link.organization_id)
    operator = operator_named(session, link.operator, source, settings.administrators)
    over = None
    if link.used_at is not None:
        over = (
            f"This link was used on {link.used_at:%Y-%m-%d at %H:%M} UTC, and each works once. Nothing was shown. If "
            "that was not you, tell an administrator now; otherwise ask for a new one in Slack."
        )
    elif link.expires_at <= now():
        over = "This link is over: each lasts a few minutes only. Nothing was shown. Ask for a new one in Slack."
    if over is not None:
        refuse(session, trail, Opened(link, operator, organization), over)
        return Refusal(over)
    return Opened(link, operator, organization)


def step_up(session: Session, trail: Trail, keys: KeyRing, settings: Settings, opened: Opened, code: str) -> str | None:
    """Why the code does not do, or None: it does, or the settings ask for none. The caller must commit either way."""
    if not settings.step_up:
        return None
    decision = check(session, trail, keys, opened.operator, code)
    return None if decision.allowed else decision.reason


def refuse(session: Session, trail: Trail, opened: Opened, reason: str) -> None:
    """Write down that a link was not honoured."""
    trail.append(
        session,
        event=_REFUSED[opened.link.purpose],
        operator=opened.operator.key,
        source=opened.operator.source,
        organization=opened.organization,
        subject=f"link {opened.link.id}",
        result="refused",
        details={"reason": reason, "record": opened.link.record_id},
    )


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
