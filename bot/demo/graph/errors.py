"""What Graph and the token endpoint answer when they refuse: codes and sentences as published or seen in the field."""

from collections.abc import Mapping
from dataclasses import dataclass, field

INSUFFICIENT = "Insufficient privileges to complete the operation."
ON_PREMISES_MASTERED = (
    "Unable to update the specified properties for on-premises mastered Directory Sync objects or objects currently "
    "undergoing migration."
)
FEDERATED = "The password of a federated user cannot be updated."
"""Microsoft says that it is refused, not in which words."""
NOT_COMPLEX = (
    "The specified password does not comply with password complexity requirements. Please provide a different password."
)


@dataclass
class GraphError(Exception):
    """Graph says no: an HTTP status, a code to branch on and a message that may change."""

    status: int
    code: str
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class TokenError(Exception):
    """The token endpoint says no: `error` is what OAuth knows, `number` is the AADSTS code."""

    status: int
    error: str
    number: int
    message: str
    suberror: str | None = None


class HungUp(Exception):
    """The caller is to see its connection closed without an answer."""


def denied() -> GraphError:
    """The one answer for a missing permission, a missing role and a protected target alike."""
    return GraphError(403, "Authorization_RequestDenied", INSUFFICIENT)


def not_found(what: str) -> GraphError:
    """There is no such object, or it is not this caller's to know."""
    message = f"Resource '{what}' does not exist or one of its queried reference-property objects are not present."
    return GraphError(404, "Request_ResourceNotFound", message)


def bad_request(message: str, code: str = "Request_BadRequest") -> GraphError:
    """The request itself is wrong."""
    return GraphError(400, code, message)
