"""The tables, and the states their rows can be in.

One class per table, one file per story: `words` (states, tiers), `organizations`, `accounts`, `rotations`,
`schedules`, `people`, `telling`, `proof`. A
row of one organization can only point at rows of the same organization: the foreign keys are composite, so a
cross-organization match cannot be stored at all.

Rows are built by Rekey alone (SQLModel does not validate table classes); what comes from outside is parsed into
pydantic models or dataclasses first. Times are aware UTC.
"""

from storage.models.accounts import Account, Match, Record, Revision
from storage.models.organizations import Connection, Grant, Organization, Rule, Tenant
from storage.models.people import (
    Approval,
    IgnoreRule,
    Interaction,
    Link,
    Notice,
    Outbox,
    Profile,
    Request,
    RequestRotation,
)
from storage.models.proof import AuditEvent, Fact
from storage.models.rotations import Lane, ProofTry, Rotation, Task
from storage.models.schedules import DirectoryPolicies, DueTime, Exclusion, Postponement, Timetable
from storage.models.telling import Aftershock, Announcement, Letter, Wish
from storage.models.words import (
    SCHEDULE,
    ApprovalState,
    MatchState,
    RequestState,
    RevisionState,
    Role,
    RotationState,
    Status,
    TaskKind,
    TaskState,
    Tell,
    Tier,
    Way,
    new_uid,
    now,
)

__all__ = [
    "SCHEDULE",
    "Account",
    "Aftershock",
    "Announcement",
    "Approval",
    "ApprovalState",
    "AuditEvent",
    "Connection",
    "DirectoryPolicies",
    "DueTime",
    "Exclusion",
    "Fact",
    "Grant",
    "IgnoreRule",
    "Interaction",
    "Lane",
    "Letter",
    "Link",
    "Match",
    "MatchState",
    "Notice",
    "Organization",
    "Outbox",
    "Postponement",
    "Profile",
    "ProofTry",
    "Record",
    "Request",
    "RequestRotation",
    "RequestState",
    "Revision",
    "RevisionState",
    "Role",
    "Rotation",
    "RotationState",
    "Rule",
    "Status",
    "Task",
    "TaskKind",
    "TaskState",
    "Tell",
    "Tenant",
    "Tier",
    "Timetable",
    "Way",
    "Wish",
    "new_uid",
    "now",
]
