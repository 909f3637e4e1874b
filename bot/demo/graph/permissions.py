"""Microsoft Graph's permissions, by their published ids, and which of them let a call through.

Source: permissions.json and permissions-descriptions.json of github.com/microsoftgraph/microsoft-graph-devx-content,
commit 6cbd6bbd665a, as far as Rekey's calls go.
"""

from collections.abc import Iterable

GRAPH_APP_ID = "00000003-0000-0000-c000-000000000000"

APPLICATION = {
    "User.Read.All": "df021288-bdef-4463-88db-98f22de89214",
    "User.ReadWrite.All": "741f803b-c850-494e-b5df-cde7c675a1ca",
    "User.ReadBasic.All": "97235f07-e226-4f63-ace3-39588e11d3a1",
    "User-PasswordProfile.ReadWrite.All": "cc117bb9-00cf-4eb8-b580-ea2a878fe8f7",
    "User.EnableDisableAccount.All": "3011c876-62b7-4ada-afa2-506cbbecc68c",
    "User.ManageIdentities.All": "c529cfca-c91b-489c-af2b-d92990b66ce6",
    "User.RevokeSessions.All": "77f3a031-c388-4f99-b373-dc68676a979e",
    "Directory.Read.All": "7ab1d382-f21e-4acd-a863-ba3e13f7da61",
    "Directory.ReadWrite.All": "19dbc75e-c2e2-444c-a770-ec69d8559fc7",
    "RoleManagement.Read.All": "c7fbd983-d9aa-4fa7-84b8-17382c103bc4",
    "RoleManagement.Read.Directory": "483bed4a-2ad3-4361-a73b-c83ccdbdc53c",
    "RoleManagement.ReadWrite.Directory": "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8",
    "RoleEligibilitySchedule.Read.Directory": "ff278e11-4a33-4d0c-83d2-d01dc58929a5",
    "Group.Read.All": "5b567255-7703-4780-807c-7be8301ae99b",
    "GroupMember.Read.All": "98830695-27a2-44f7-8c18-0c3ebc9698f6",
    "Application.Read.All": "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30",
    "DelegatedPermissionGrant.ReadWrite.All": "8e8e4742-1d95-4f68-9d56-6ee75648c72a",
    "Organization.Read.All": "498476ce-e0fe-48b0-b801-37ba7e2685c6",
    "Domain.Read.All": "dbb9058a-0e50-45d7-ae91-66909b5d4664",
    "DelegatedAdminRelationship.Read.All": "f6e9e124-4586-492f-adc0-c6f96e4823fd",
    "AuditLog.Read.All": "b0afded3-3588-46d8-8b3d-9842eff778da",
}
"""Application permissions: app role ids."""

DELEGATED = {
    "User.Read": "e1fe6dd8-ba31-4d61-89e7-88639da4683d",
    "User.Read.All": "a154be20-db9c-4678-8ab7-66f6cc099a59",
    "User.ReadWrite.All": "204e0828-b5ca-4ad8-b9f3-f32a958e7cc4",
    "User.ReadBasic.All": "b340eb25-3456-403f-be2f-af7a0d370277",
    "User-PasswordProfile.ReadWrite.All": "56760768-b641-451f-8906-e1b8ab31bca7",
    "User.EnableDisableAccount.All": "f92e74e7-2563-467f-9dd0-902688cb5863",
    "User.ManageIdentities.All": "637d7bec-b31e-4deb-acc9-24275642a2c9",
    "User.RevokeSessions.All": "fc30e98b-8810-4501-81f5-c20a3196387b",
    "Directory.Read.All": "06da0dbc-49e2-44d2-8312-53f166ab848a",
    "Directory.ReadWrite.All": "c5366453-9fb0-48a5-a156-24f0c49a4b84",
    "Directory.AccessAsUser.All": "0e263e50-5827-48a4-b97c-d940288653c7",
    "RoleManagement.Read.All": "48fec646-b2ba-4019-8681-8eb31435aded",
    "RoleManagement.Read.Directory": "741c54c3-0c1e-44a1-818b-3f97ab4e8c83",
    "RoleManagement.ReadWrite.Directory": "d01b97e9-cbc0-49fe-810a-750afd5527a3",
    "RoleEligibilitySchedule.Read.Directory": "eb0788c2-6d4e-4658-8c9e-c0fb8053f03d",
    "Group.Read.All": "5f8c59db-677d-491f-a6b8-5f174b11ec1d",
    "GroupMember.Read.All": "bc024368-1153-4739-b217-4326f2e966d0",
    "Application.Read.All": "c79f8feb-a9db-4090-85f9-90d820caa0eb",
    "DelegatedPermissionGrant.ReadWrite.All": "41ce6ca6-6826-4807-84f1-1c82854f7ee5",
    "Organization.Read.All": "4908d5b9-3fb2-4b1e-9336-1888b7937185",
    "Domain.Read.All": "2f9ee017-59c1-4f1d-9472-bd5529a7b311",
    "OnPremDirectorySynchronization.Read.All": "f6609722-4100-44eb-b747-e6ca0536989d",
    "DelegatedAdminRelationship.Read.All": "0c0064ea-477b-4130-82a5-4c2cc4ff68aa",
    "AuditLog.Read.All": "e4c9e354-4dc5-45b8-9e7c-e1393b0b1a20",
}
"""Delegated permissions: scope ids."""

LEAST_PRIVILEGE = (
    "User-PasswordProfile.ReadWrite.All",
    "User.Read.All",
    "User.RevokeSessions.All",
    "RoleManagement.Read.Directory",
    "RoleEligibilitySchedule.Read.Directory",
    "GroupMember.Read.All",
    "Application.Read.All",
    "Organization.Read.All",
    "Domain.Read.All",
)
"""Application permissions with which everything Rekey does is possible, one by one."""

VENDOR_LIST = (
    "Directory.AccessAsUser.All",
    "Directory.ReadWrite.All",
    "User.EnableDisableAccount.All",
    "User.ManageIdentities.All",
    "User.ReadWrite.All",
)
"""Delegated permissions that the field has been asked for until now."""


class Needs:
    """Any one of these permissions lets a call through; what may differ between application and delegated callers."""

    def __init__(self, either: str = "", *, application: str = "", delegated: str = "") -> None:
        self._application = frozenset(f"{either} {application}".split())
        self._delegated = frozenset(f"{either} {delegated}".split())

    def met_by(self, permissions: Iterable[str], *, delegated: bool) -> bool:
        """Whether a caller with these permissions gets through."""
        return not (self._delegated if delegated else self._application).isdisjoint(permissions)


READ_USERS = Needs("User.Read.All User.ReadWrite.All User.ReadBasic.All Directory.Read.All Directory.ReadWrite.All")
READ_CHANGES = Needs("User.Read.All User.ReadWrite.All Directory.Read.All Directory.ReadWrite.All")
FULL_PROFILES = READ_CHANGES
WRITE_USERS = Needs(
    "User.ReadWrite.All Directory.ReadWrite.All User-PasswordProfile.ReadWrite.All User.EnableDisableAccount.All "
    "User.ManageIdentities.All",
    delegated="Directory.AccessAsUser.All",
)
WRITE_PROFILES = Needs("User.ReadWrite.All Directory.ReadWrite.All")
SET_PASSWORDS = Needs("User-PasswordProfile.ReadWrite.All", delegated="Directory.AccessAsUser.All")
SET_PASSWORDS_BY_ROLE = Needs(application="Directory.ReadWrite.All")
"""How applications did it before a permission of its own existed: only with a directory role on top."""
REVOKE_SESSIONS = Needs("User.RevokeSessions.All User.ReadWrite.All Directory.ReadWrite.All")
READ_ROLES = Needs(
    "RoleManagement.Read.Directory RoleManagement.ReadWrite.Directory Directory.Read.All Directory.ReadWrite.All",
    delegated="RoleManagement.Read.All",
)
READ_ELIGIBLE = Needs(
    "RoleEligibilitySchedule.Read.Directory RoleManagement.Read.All RoleManagement.Read.Directory "
    "RoleManagement.ReadWrite.Directory"
)
READ_GROUPS = Needs("Group.Read.All GroupMember.Read.All Directory.Read.All Directory.ReadWrite.All")
READ_GROUP_MEMBERS = Needs("Group.Read.All GroupMember.Read.All Directory.Read.All")
READ_APPLICATIONS = Needs("Application.Read.All Directory.Read.All Directory.ReadWrite.All")
READ_GRANTS = Needs("Directory.Read.All Directory.ReadWrite.All DelegatedPermissionGrant.ReadWrite.All")
READ_ORGANIZATION = Needs(
    "Organization.Read.All Directory.Read.All Directory.ReadWrite.All User.Read.All", delegated="User.Read"
)
READ_DOMAINS = Needs("Domain.Read.All Directory.Read.All")
READ_SYNCHRONIZATION = Needs(delegated="OnPremDirectorySynchronization.Read.All")
READ_PARTNERSHIPS = Needs("DelegatedAdminRelationship.Read.All")
READ_CONTRACTS = Needs("Directory.Read.All Directory.ReadWrite.All")
READ_SIGN_INS = Needs("AuditLog.Read.All")
