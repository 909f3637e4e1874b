"""Granular delegated admin privileges (GDAP): what a customer lets a partner's people do in its tenant."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime

from bot.demo.graph.people import Group, User


@dataclass(eq=False)
class Relationship:
    """One customer's agreement with a partner. Roles reach people through the partner's security groups."""

    customer: str
    """The customer's tenant id."""
    customer_name: str
    display_name: str
    created_at: datetime
    ends_at: datetime
    roles: tuple[str, ...]
    """Ids of the role definitions it covers."""
    status: str = "active"
    auto_extend: bool = False
    groups: dict[str, tuple[Group, tuple[str, ...]]] = field(default_factory=dict)
    """Access assignments by their ids: a security group and the roles its members have."""
    id: str = field(default_factory=lambda: f"{uuid.uuid4()}-{uuid.uuid4()}")

    def maps(self, group: Group, *roles: str) -> None:
        """Give a security group of the partner's these roles (ids) of the relationship."""
        if not {*roles} <= {*self.roles}:
            raise ValueError("The relationship does not cover these roles.")
        self.groups[str(uuid.uuid4())] = (group, roles)

    def roles_of(self, user: User, now: datetime) -> frozenset[str]:
        """What one of the partner's people may do at the customer's, by their groups."""
        if self.status != "active" or self.ends_at <= now:
            return frozenset()
        return frozenset(role for group, roles in self.groups.values() if user in group.members for role in roles)
