"""A small tenant with Rekey's application in it, and a caller that speaks plain HTTP: what the tests of the stand-in
use instead of the connector, so that they hold whatever the connector does.
"""

from collections.abc import Mapping
from typing import Any

import requests

from bot.demo.graph import Application, GraphStandIn, Tenant

NEW = "Xk9$wortlich-Zebra"


class Caller:
    """Somebody with a token."""

    def __init__(self, graph: GraphStandIn, token: str) -> None:
        self.graph = graph
        self.token = token
        self.http = requests.Session()
        self.http.verify, self.http.trust_env = graph.ca_file, False

    def __call__(
        self, method: str, path: str, json: Any = None, headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        where = path if path.startswith("https://") else f"{self.graph.graph}/v1.0{path}"
        sent = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        return self.http.request(method, where, json=json, headers=sent, timeout=10)

    def close(self) -> None:
        self.http.close()

    def everything(self, path: str) -> list[dict[str, Any]]:
        """All pages of a listing."""
        found, ahead = [], path
        while ahead:
            page = self("GET", ahead).json()
            found += page["value"]
            ahead = page.get("@odata.nextLink", "")
        return found


def ask_token(graph: GraphStandIn, tenant: Tenant | str, **form: str) -> requests.Response:
    """One request to the token endpoint, as it answers."""
    name = tenant if isinstance(tenant, str) else tenant.id
    whole = {"grant_type": "client_credentials", "scope": f"{graph.graph}/.default", **form}
    with requests.Session() as http:
        http.verify, http.trust_env = graph.ca_file, False
        return http.post(f"{graph.login}/{name}/oauth2/v2.0/token", data=whole, timeout=10)


def sign_in(graph: GraphStandIn, tenant: Tenant, application: Application) -> str:
    """An access token for the application in that tenant."""
    secret = application.secrets[0].value if application.secrets else application.secret()
    answer = ask_token(graph, tenant, client_id=application.client_id, client_secret=secret)
    token: str = answer.json()["access_token"]
    return token


def profile(password: str = NEW) -> dict[str, Any]:
    """What sets a password."""
    return {"passwordProfile": {"password": password, "forceChangePasswordNextSignIn": False}}
