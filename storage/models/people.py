"""People in Slack: how they prove themselves, what they are told, what they asked for, and who else must agree."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from storage.models.words import Way, new_uid, now


class Profile(SQLModel, table=True):
    """What Rekey keeps about one operator besides their roles."""

    __tablename__ = "profiles"

    operator: str = Field(primary_key=True)
    """Their key: the Slack user id."""
    step_up: str | None = None
    """The TOTP secret, sealed with the operator's key as associated data; None until they enrolled."""
    step_up_used: int = 0
    """The last TOTP time step accepted: no code works twice."""
    step_up_failures: int = 0
    step_up_blocked_until: datetime | None = None
    enrolment: str | None = None
    """SHA-256 of the one-time enrolment code."""
    enrolment_until: datetime | None = None
    digest_by: str = Way.MESSAGE
    """How they want the daily digest: `Way`."""
    digest_hour: int = 8
    """At this hour of their day."""
    timezone: str | None = None
    """Theirs, as Slack said when they last kept their settings; None: that of the organizations they see."""
    digested_at: datetime | None = None
    """Up to when they were told, or there was nothing to tell."""


class Request(SQLModel, table=True):
    """One piece of work a person asked for in Slack: a preview first, then one card from start to end."""

    __tablename__ = "requests"

    id: int = Field(default=None, primary_key=True)  # None until flushed
    uid: str = Field(default_factory=new_uid, unique=True)
    organization_id: int = Field(foreign_key="organizations.id")
    requested_by: str
    by_name: bool
    sign_out: bool = False
    """Sign everybody out everywhere whose password it changes, whatever the rule says, where a directory can."""
    record_ids: list[int] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    restores: int | None = None
    """The earlier revision that is to be brought back; None: new passwords."""
    vault_only: bool = False
    """Only the vault is to get it."""
    plan: str
    """SHA-256 of what the preview showed: records, accounts, tiers, verdicts. What is confirmed is what was seen."""
    state: str
    """`RequestState`."""
    reason: str = ""
    """Why it was cancelled or ended without anything being done: sentences for people."""
    version: int = 1
    """Grows with everything somebody decides about it: a click on an older card changes nothing."""
    changed_by: str | None = None
    """Who decided last."""
    created_at: datetime = Field(default_factory=now)
    confirmed_at: datetime | None = None
    ended_at: datetime | None = None


class RequestRotation(SQLModel, table=True):
    """Which rotations a request asked for or joined."""

    __tablename__ = "request_rotations"
    __table_args__ = (Index("ix_request_rotations_rotation", "rotation_id"),)

    request_id: int = Field(foreign_key="requests.id", primary_key=True)
    rotation_id: int = Field(foreign_key="rotations.id", primary_key=True)
    approval_id: int | None = Field(default=None, foreign_key="approvals.id")
    """Under which a second administrator agreed to it, where that was asked for."""
    agreed: list[int] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    """The accounts they saw as privileged or break-glass: only these may be written on their word."""


class Approval(SQLModel, table=True):
    """Something that a second administrator must agree to; never the one who asked."""

    __tablename__ = "approvals"

    id: int = Field(default=None, primary_key=True)  # None until flushed
    organization_id: int = Field(foreign_key="organizations.id")
    what: str
    """`rotate`, `reveal`: an action of its own; or `ceiling`: more in an hour than one person may."""
    request_id: int | None = Field(default=None, foreign_key="requests.id")
    record_id: int | None = Field(default=None, foreign_key="records.id")
    requested_by: str
    plan: str
    """What it is bound to: when the plan is another by then, it counts for nothing."""
    state: str
    """`ApprovalState`."""
    expires_at: datetime
    reminded_at: datetime | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    created_at: datetime = Field(default_factory=now)


class Link(SQLModel, table=True):
    """A one-time link into Rekey's own pages; the token itself is never stored."""

    __tablename__ = "links"

    id: int = Field(default=None, primary_key=True)  # None until flushed
    token: str = Field(unique=True)
    """SHA-256 of the token."""
    purpose: str
    """`reveal` or `credential`."""
    operator: str
    organization_id: int = Field(foreign_key="organizations.id")
    record_id: int | None = Field(default=None, foreign_key="records.id")
    approval_id: int | None = Field(default=None, foreign_key="approvals.id")
    draft: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))
    """For `credential`: the connection to be, without its credential."""
    created_at: datetime = Field(default_factory=now)
    expires_at: datetime
    used_at: datetime | None = None


class IgnoreRule(SQLModel, table=True):
    """Accounts that are never suggested again: everybody below an OU."""

    __tablename__ = "ignore_rules"
    __table_args__ = (UniqueConstraint("organization_id", "ou_key"),)

    id: int = Field(default=None, primary_key=True)  # None until flushed
    organization_id: int = Field(foreign_key="organizations.id")
    ou: str
    ou_key: str
    created_by: str
    created_at: datetime = Field(default_factory=now)


class Notice(SQLModel, table=True):
    """A message Rekey keeps true: drawn from the rows when it is sent, edited in place when they change."""

    __tablename__ = "notices"
    __table_args__ = (
        Index("ix_notices_owed", "due_at", sqlite_where=text("wanted > sent"), postgresql_where=text("wanted > sent")),
        Index("ix_notices_subject", "kind", "subject"),
        Index("ix_notices_address", "address", "posting_at"),
        Index("ix_notices_message", "channel", "ts"),
        Index("one_card_per_piece_of_work", "kind", "subject", "address", unique=True,
              sqlite_where=text("ended_at IS NULL"), postgresql_where=text("ended_at IS NULL")),
    )  # fmt: skip

    id: int = Field(default=None, primary_key=True)  # None until flushed
    uid: str = Field(default_factory=new_uid, unique=True)
    """Sent along as message metadata: after a crash the message is found again by it, not posted twice."""
    organization_id: int | None = Field(default=None, foreign_key="organizations.id")
    kind: str
    """Which picture: `match_review`, `rotation`, `result`, `approval` …"""
    subject: int = 0
    """The row it shows (a request, an approval …)."""
    address: str
    """Where it goes: a channel id, or a user id for a DM."""
    channel: str | None = None
    """Where Slack put it: the channel, or the DM's channel."""
    ts: str | None = None
    posting_at: datetime | None = None
    """Set before the first post. Without a `ts` beside it, nobody knows whether Slack has the message: look first."""
    view: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    """What of it is shown: the page, a filter; never a secret."""
    wanted: int = 1
    """Grows whenever what it shows may have changed."""
    sent: int = 0
    """What of `wanted` Slack has: less than that is owed."""
    shown: str = ""
    """SHA-256 of the picture Slack has: the same one is not sent again."""
    due_at: datetime = Field(default_factory=now)
    """When it may be sent next."""
    tries: int = 0
    """Failures in a row."""
    trouble: str = ""
    """Why it cannot be delivered at the moment, or ever: a sentence for people."""
    withdrawn: bool = False
    """Take it away: another one stands in its place."""
    created_at: datetime = Field(default_factory=now)
    ended_at: datetime | None = None
    """Nothing will change on it any more; its last state may still be owed."""


class Outbox(SQLModel, table=True):
    """Whose turn it is to talk to Slack, and why nobody does."""

    __tablename__ = "outboxes"

    name: str = Field(primary_key=True)
    """`slack`."""
    owner: str | None = None
    """`host pid start-time` of the process that empties it."""
    token: int = 0
    """Grows with every new owner, as a lane's does."""
    lease_until: datetime | None = None
    backoff_until: datetime | None = None
    failures: int = 0
    failure_reason: str = ""


class Interaction(SQLModel, table=True):
    """Something a person did in Slack that was taken up already: the same delivery does nothing twice."""

    __tablename__ = "interactions"

    key: str = Field(primary_key=True)
    at: datetime = Field(default_factory=now)
