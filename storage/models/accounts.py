"""Sign-ins, the password records of the vault, every version of their passwords, and which goes with which."""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from storage.models.words import Tier, new_uid, now, same_organization


class Account(SQLModel, table=True):
    """A sign-in in a directory, by its immutable id."""

    __tablename__ = "accounts"
    __table_args__ = (
        UniqueConstraint("connection_id", "object_id"),
        UniqueConstraint("organization_id", "id"),
        same_organization("connections", "connection_id"),
        Index("ix_accounts_username", "organization_id", "username_key"),
        Index("ix_accounts_upn", "organization_id", "upn_key"),
        Index("ix_accounts_mail", "organization_id", "mail_key"),
        Index("ix_accounts_person", "organization_id", "person"),
        Index("ix_accounts_immutable_id", "organization_id", "immutable_id"),
        Index("ix_accounts_sid", "organization_id", "sid"),
        Index(
            "ix_accounts_present",
            "connection_id",
            sqlite_where=text("removed_at IS NULL"),
            postgresql_where=text("removed_at IS NULL"),
        ),
    )

    id: int = Field(default=None, primary_key=True)  # None until flushed
    organization_id: int
    connection_id: int
    object_id: str
    username: str
    username_key: str
    domain: str = ""
    """The NetBIOS or tenant name people know the directory by; shown before the username."""
    upn: str | None = None
    upn_key: str | None = None
    mail: str | None = None
    mail_key: str | None = None
    """Like the other keys, the whole of it as `storage.usernames.fold` compares it: what a record's username may be."""
    display_name: str | None = None
    ou: str | None = None
    enabled: bool = True
    locked: bool = False
    password_set_at: datetime | None = None
    directory_tier: str = Tier.PERSON
    """What the directory itself says: privileged, service or person."""
    tier: str = Tier.PERSON
    """What holds: the directory's word and the organization's marks together."""
    guard: str | None = None
    """Why this account is never rotated, in a sentence; None when it may be."""
    guard_status: str | None = None
    """The word people see for that guard; None is `Not Permitted`."""
    immutable_id: str | None = None
    """What Entra Connect calls the person: the same for an AD account and for what it becomes in the cloud."""
    sid: str | None = None
    """The AD account's security identifier, which its cloud account keeps."""
    synced: bool = False
    """A cloud account whose password is set in its Active Directory, never here."""
    person: str | None = None
    """Accounts of an organization with the same one are one person's: by the directories' ids, or by `linked_by`."""
    linked_by: str | None = None
    """The operator who said whose account this is; None while the directories say it themselves."""
    is_connector: bool = False
    """Rekey itself signs in with it."""
    removed_at: datetime | None = None
    proved_revision_id: int | None = None
    """The revision this directory was last proved to take for this account."""
    proved_set_at: datetime | None = None
    """The directory's own set-time at that proof."""
    first_seen_at: datetime = Field(default_factory=now)


class Record(SQLModel, table=True):
    """One entry of a vault: everything but its password, which lives in revisions."""

    __tablename__ = "records"
    __table_args__ = (
        UniqueConstraint("organization_id", "id"),
        same_organization("connections", "connection_id"),
        Index("ix_records_username", "organization_id", "username_key"),
        Index("ix_records_name", "organization_id", "name_key"),
        Index("one_record_per_entry", "connection_id", "external_id", unique=True),
    )

    id: int = Field(default=None, primary_key=True)  # None until flushed
    uid: str = Field(default_factory=new_uid, unique=True)
    organization_id: int
    connection_id: int
    name: str
    name_key: str
    username: str = ""
    username_key: str = ""
    """The bare username, lower case, without its qualifier: what matching looks up."""
    url: str | None = None
    notes: str | None = None
    category: str | None = None
    external_id: str | None = None
    """The vault's own id of it; None in the embedded vault, and for one that is still to be made in its vault."""
    embedded_in: str | None = None
    """What it is embedded in there, such as a device; None for a record that stands on its own."""
    link: str | None = None
    """Its page in the vault, for people."""
    guard: str | None = None
    """Why its password is never written, in a sentence (vaulted); None when it may be."""
    restricted: bool = False
    """Its vault shows it to chosen people only, so here it counts as privileged."""
    password_updated_at: datetime | None = None
    """When its vault says its password last changed, by the vault's own clock; as last seen."""
    kept_password_at: datetime | None = None
    """The same for the password Rekey last wrote or kept: another time there now means somebody else's password."""
    archived_at: datetime | None = None
    """When it was found archived, deleted or moved away in its vault."""
    created_at: datetime = Field(default_factory=now)


class Revision(SQLModel, table=True):
    """One version of a record's password, sealed."""

    __tablename__ = "revisions"
    __table_args__ = (
        same_organization("records", "record_id"),
        Index("ix_revisions_record", "record_id", "state"),
        Index(
            "one_current_revision",
            "record_id",
            unique=True,
            sqlite_where=text("state = 'current'"),
            postgresql_where=text("state = 'current'"),
        ),
        Index(
            "one_pending_revision",
            "record_id",
            unique=True,
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
    )

    id: int = Field(default=None, primary_key=True)  # None until flushed
    uid: str = Field(default_factory=new_uid, unique=True)
    organization_id: int
    record_id: int
    state: str
    sealed: str
    origin: str
    """`imported`, `generated`, `recovered` …: where the password came from."""
    rotation_id: int | None = None
    created_at: datetime = Field(default_factory=now)
    created_by: str = ""
    proved_at: datetime | None = None
    recorded_at: datetime | None = None
    """When its vault outside was proved to hold it; None while it never was, and in the embedded vault."""
    unsure: bool = False
    """Some write of it went unanswered: a directory may hold it though that was never proved, even once discarded."""


class Match(SQLModel, table=True):
    """Account ↔ record, one row per account."""

    __tablename__ = "matches"
    __table_args__ = (
        same_organization("accounts", "account_id"),
        same_organization("records", "record_id"),
        Index("ix_matches_record", "record_id"),
        Index("ix_matches_state", "organization_id", "state"),
    )

    id: int = Field(default=None, primary_key=True)  # None until flushed
    organization_id: int
    account_id: int = Field(unique=True)
    record_id: int | None = None
    state: str
    decided_by: str | None = None
    decided_at: datetime | None = None
    version: int = 1
