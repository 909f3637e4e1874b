"""What people are told beside the cards: how each wants it, the letters that go out, and what follows a rotation."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from storage.models.words import Tell, Way, new_uid, now, same_organization


class Wish(SQLModel, table=True):
    """How one operator wants results: those of an organization, whoever asked, or (organization None) those of what
    they asked for themselves wherever they said nothing else.
    """

    __tablename__ = "wishes"
    __table_args__ = (
        UniqueConstraint("operator", "organization_id"),
        Index("one_wish_for_everywhere", "operator", unique=True,
              sqlite_where=text("organization_id IS NULL"), postgresql_where=text("organization_id IS NULL")),
    )  # fmt: skip

    id: int = Field(default=None, primary_key=True)  # None until flushed
    operator: str
    organization_id: int | None = Field(default=None, foreign_key="organizations.id")
    way: str = Way.MESSAGE
    """`Way`: by direct message, by e-mail, both or not at all."""
    tell: str = Tell.ALL
    """`Tell`: every result, or failures only."""


class Letter(SQLModel, table=True):
    """An e-mail to one operator: written from the rows when it is sent, to the address Slack knows then."""

    __tablename__ = "letters"
    __table_args__ = (
        Index("ix_letters_owed", "due_at", sqlite_where=text("ended_at IS NULL"),
              postgresql_where=text("ended_at IS NULL")),
        Index("one_letter_per_piece_of_work", "kind", "subject", "operator", unique=True,
              sqlite_where=text("ended_at IS NULL"), postgresql_where=text("ended_at IS NULL")),
    )  # fmt: skip

    id: int = Field(default=None, primary_key=True)  # None until flushed
    uid: str = Field(default_factory=new_uid, unique=True)
    """Its Message-ID begins with it, whenever and however often it is sent."""
    organization_id: int | None = Field(default=None, foreign_key="organizations.id")
    kind: str
    """What it is about, named as notices are: `result`, `digest` …"""
    subject: int = 0
    operator: str
    view: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    """What of it is told: a span of time; never a secret."""
    due_at: datetime = Field(default_factory=now)
    """When it may be tried next."""
    tries: int = 0
    """Failures in a row."""
    trouble: str = ""
    """Why it could not be sent so far, or never will be: a sentence for people."""
    sending_at: datetime | None = None
    """Set before it is handed over. Found on a later try, nobody knows whether the server has it."""
    created_at: datetime = Field(default_factory=now)
    ended_at: datetime | None = None
    """It was sent, or never can be (`trouble` says why)."""


class Announcement(SQLModel, table=True):
    """Somebody was told beforehand what a schedule rotates on one day in one organization: once."""

    __tablename__ = "announcements"
    __table_args__ = (
        UniqueConstraint("organization_id", "day"),
        Index("ix_announcements_open", "begins_at", sqlite_where=text("ended_at IS NULL"),
              postgresql_where=text("ended_at IS NULL")),
    )  # fmt: skip

    id: int = Field(default=None, primary_key=True)  # None until flushed
    organization_id: int = Field(foreign_key="organizations.id")
    day: str
    """The organization's local day on which it begins, `2026-11-22`."""
    due_day: str
    """What falls due up to and including this local day is meant."""
    begins_at: datetime
    version: int = 1
    """Grows with everything somebody decides about it."""
    skipped: bool = False
    decided_by: str | None = None
    """Who skipped it, or put it off, last."""
    decided_at: datetime | None = None
    created_at: datetime = Field(default_factory=now)
    ended_at: datetime | None = None
    """It began, was skipped, or became part of another day's."""


class Aftershock(SQLModel, table=True):
    """What a directory showed of an account, in the hour after its rotation, that should have ended with it."""

    __tablename__ = "aftershocks"
    __table_args__ = (
        UniqueConstraint("rotation_id", "account_id"),
        same_organization("rotations", "rotation_id"),
        same_organization("accounts", "account_id"),
        same_organization("connections", "connection_id"),
    )

    id: int = Field(default=None, primary_key=True)  # None until flushed
    organization_id: int
    rotation_id: int
    account_id: int
    connection_id: int
    bad: int = 0
    """Wrong passwords that counted at once, the most that was seen."""
    bad_at: datetime | None = None
    """The latest wrong password, by the directory's own clock."""
    locked_at: datetime | None = None
    """Since when it is locked, by the directory's own clock; None while it is not."""
    silent: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    """Servers that could not be asked: each keeps its own count."""
    seen_at: datetime = Field(default_factory=now)
    """When we looked last."""
    unlock_asked_by: str | None = None
    unlocked_at: datetime | None = None
    unlock_reason: str = ""
    """Why it could not be unlocked: sentences for people."""
