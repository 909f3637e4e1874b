"""How a user is shown: which properties exist, which come without being asked for, which only one at a time."""

from collections.abc import Callable, Iterable
from typing import Any

from bot.demo.graph.calls import Call
from bot.demo.graph.clock import stamp
from bot.demo.graph.errors import GraphError, bad_request
from bot.demo.graph.people import User
from bot.demo.graph.permissions import FULL_PROFILES, READ_SIGN_INS

UNASKED = (
    "businessPhones", "displayName", "givenName", "jobTitle", "mail", "mobilePhone", "officeLocation",
    "preferredLanguage", "surname", "userPrincipalName", "id",
)  # fmt: skip
"""What comes without `$select`; everything else only with it."""

_BASIC = frozenset({"displayName", "givenName", "id", "mail", "photo", "surname", "userPrincipalName"})
"""All that User.ReadBasic.All shows."""

ONE_AT_A_TIME = frozenset(
    {
        "aboutMe", "birthday", "hireDate", "interests", "mailboxSettings", "mySite", "pastProjects", "preferredName",
        "responsibilities", "schools", "skills",
    }
)  # fmt: skip
"""Not kept in the main store: not in collections, not tracked by delta."""

_EMPTY = frozenset(
    {
        "ageGroup", "authorizationInfo", "city", "companyName", "consentProvidedForMinor", "country", "creationType",
        "customSecurityAttributes", "department", "employeeHireDate", "employeeId", "employeeLeaveDateTime",
        "employeeOrgData", "employeeType", "externalUserState", "externalUserStateChangeDateTime", "faxNumber",
        "givenName", "identityParentId", "isResourceAccount", "jobTitle", "legalAgeGroupClassification", "mobilePhone",
        "officeLocation", "onPremisesDistinguishedName", "onPremisesExtensionAttributes", "passwordProfile",
        "postalCode", "preferredDataLocation", "preferredLanguage", "print", "securityIdentifier", "showInAddressList",
        "signInActivity", "state", "streetAddress", "surname", "usageLocation",
    }
)  # fmt: skip
"""Published properties that nobody in the pretend tenants has a value for."""

_LISTS = frozenset(
    {
        "assignedPlans", "businessPhones", "imAddresses", "licenseAssignmentStates", "onPremisesProvisioningErrors",
        "otherMails", "provisionedPlans", "proxyAddresses", "serviceProvisioningErrors",
    }
)  # fmt: skip

_FILLED: dict[str, Callable[[User], Any]] = {
    "id": lambda user: user.id,
    "userPrincipalName": lambda user: user.name,
    "displayName": lambda user: user.display_name,
    "mail": lambda user: user.mail,
    "mailNickname": lambda user: user.name.partition("@")[0],
    "accountEnabled": lambda user: user.enabled,
    "userType": lambda user: user.user_type,
    "createdDateTime": lambda user: stamp(user.created_at),
    "deletedDateTime": lambda user: stamp(user.deleted_at),
    "passwordPolicies": lambda user: user.policies,
    "assignedLicenses": lambda user: [{"disabledPlans": [], "skuId": sku} for sku in user.licenses],
    "identities": lambda user: [
        {
            "signInType": "userPrincipalName",
            "issuer": user.name.partition("@")[2],
            "issuerAssignedId": user.name,
        }
    ],
    "isManagementRestricted": lambda user: user.restricted or None,
    "onPremisesSyncEnabled": lambda user: user.synced or None,
    "onPremisesImmutableId": lambda user: user.immutable_id,
    "onPremisesSamAccountName": lambda user: user.sam,
    "onPremisesDomainName": lambda user: user.domain,
    "onPremisesUserPrincipalName": lambda user: user.name if user.synced else None,
    "onPremisesSecurityIdentifier": lambda user: user.security_identifier,
    "onPremisesLastSyncDateTime": lambda user: stamp(user.last_synced_at),
    "signInSessionsValidFromDateTime": lambda user: stamp(user.sessions_valid_from or user.created_at),
    "lastPasswordChangeDateTime": lambda user: stamp(user.changed_at),
}


def selected(call: Call, *, collection: bool, unasked: Iterable[str] = UNASKED) -> tuple[str, ...]:
    """The properties a call asks for; GraphError for one that does not exist, or not in this place."""
    if "$select" not in call.query:
        return tuple(unasked)
    asked = tuple(name.strip() for name in call.query["$select"].split(","))
    for name in asked:
        if name in ONE_AT_A_TIME and collection:
            raise GraphError(501, "NotImplemented", f"The property '{name}' is not supported within a collection.")
        if name not in _FILLED and name not in _EMPTY | _LISTS | ONE_AT_A_TIME:
            raise no_such_property(name)
    if "signInActivity" in asked and not call.may(READ_SIGN_INS):
        raise GraphError(403, "Authentication_MSGraphPermissionMissing", "AuditLog.Read.All is missing.")
    return asked


def no_such_property(name: str) -> GraphError:
    """The user type has none of that name."""
    return bad_request(
        "Parsing OData Select and Expand failed: Could not find a property named "
        f"'{name}' on type 'microsoft.graph.user'.",
        "BadRequest",
    )


def drawer(call: Call, names: Iterable[str]) -> Callable[[User], dict[str, Any]]:
    """What shows these properties of a user, as far as the caller may know them; the password never."""
    full = call.may(FULL_PROFILES)
    seen = [name for name in names if full or name in _BASIC]
    return lambda user: {name: _value(call, user, name) for name in seen}


def value(user: User, name: str) -> Any:
    """One property, as `$filter` compares it."""
    return _FILLED[name](user) if name in _FILLED else [] if name in _LISTS else None


def _value(call: Call, user: User, name: str) -> Any:
    if name == "lastPasswordChangeDateTime" and user.seen_before is not None:
        if user.lagging_reads > 0:
            user.lagging_reads -= 1
            return stamp(user.seen_before)
        if user.lagging_until is not None and call.now < user.lagging_until:
            return stamp(user.seen_before)
    return value(user, name)
