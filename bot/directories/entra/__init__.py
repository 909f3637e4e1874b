"""Microsoft Entra ID and Microsoft 365 over Graph; the only package that uses msal, and Microsoft's words stay in here.

`Entra` is the connector of one tenant, `EntraSettings` and `EntraCredential` what it needs. Inside: tokens (msal) and
graph (calls, pages, batches), clock and pacing (their time and limits), tenancy (what outlives a connector), roles (who
may reset whom), tiers (who is an administrator), accounts, standing, reading (listings), writing, proof, onboarding
(what a tenant has to grant, and a partner's customers) and diagnostics (what refusals mean).
"""

from bot.directories.entra.connector import Entra
from bot.directories.entra.settings import EntraCredential, EntraSettings

__all__ = ["Entra", "EntraCredential", "EntraSettings"]
