"""Who is in a tenant: users, groups, and the roles they were given."""

import base64
import uuid
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(eq=False)
class User:
    """One user as the tenant keeps it; the password stays out of its repr."""

    id: str
    name: str
    """userPrincipalName"""
    password: str = field(repr=False)
    changed_at: datetime
    created_at: datetime
    display_name: str
    mail: str | None = None
    enabled: bool = True
    must_change: bool = False
    policies: str | None = None
    user_type: str = "Member"
    licenses: tuple[str, ...] = ()
    unit: str | None = None
    """The administrative unit it is in, by id: a role may be given for that alone."""
    restricted: bool = False
    """Whether that unit is one of restricted management: a role for the whole tenant does not reach it."""
    synced: bool = False
    immutable_id: str | None = None
    security_identifier: str | None = None
    sam: str | None = None
    domain: str | None = None
    """The DNS name of the Active Directory domain it comes from."""
    last_synced_at: datetime | None = None
    deleted_at: datetime | None = None
    purged: bool = False
    """Whether it is out of the bin too."""
    sessions_valid_from: datetime | None = None
    times_revoked: int = 0
    touched: int = 0
    """The tenant's number of the last change that a delta has to show."""
    seen_before: datetime | None = None
    """What a lagging read shows instead of `changed_at`."""
    lagging_reads: int = 0
    lagging_until: datetime | None = None

    @property
    def type(self) -> str:
        """What Graph calls its kind."""
        return "#microsoft.graph.user"


@dataclass(eq=False)
class Group:
    """A group with its members and owners."""

    id: str
    display_name: str
    assignable: bool = False
    """Whether roles can be given to it; cannot be changed later."""
    members: list[User] = field(default_factory=list)
    owners: list[User] = field(default_factory=list)

    @property
    def type(self) -> str:
        """What Graph calls its kind."""
        return "#microsoft.graph.group"


@dataclass(frozen=True)
class Assignment:
    """A role given to a principal, for the whole tenant ("/") or for less; eligible ones are not in force."""

    id: str
    role: str
    """The role definition's id."""
    principal: str
    scope: str = "/"
    eligible: bool = False
    partner: str | None = None
    """The tenant the principal is from, when it is a partner's (GDAP)."""


@dataclass(frozen=True)
class Domain:
    """A domain name of the tenant's."""

    name: str
    federated: bool = False
    initial: bool = False


def immutable_id(object_guid: str | uuid.UUID) -> str:
    """What an account's objectGUID (or ms-DS-ConsistencyGuid) becomes in the cloud: its bytes as Windows stores them,
    in base64.
    """
    return base64.b64encode(uuid.UUID(str(object_guid)).bytes_le).decode()
