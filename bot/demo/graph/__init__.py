"""A pretend Microsoft: the token endpoint and Graph v1.0 over TLS, for several tenants, as strict as the real ones.

It refuses what Microsoft refuses: every call needs a token whose permissions and roles allow it, links come back
verbatim or not at all, limits are the published ones. It knows nothing of the bot.
"""

from bot.demo.graph.applications import Application, ServicePrincipal
from bot.demo.graph.people import Group, User
from bot.demo.graph.server import GraphStandIn
from bot.demo.graph.tenant import Tenant
from bot.demo.graph.throttling import Limits

__all__ = ["Application", "GraphStandIn", "Group", "Limits", "ServicePrincipal", "Tenant", "User"]
