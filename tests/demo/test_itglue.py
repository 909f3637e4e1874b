"""The pretend IT Glue is as strict, and as odd, as what is known of the real one."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from bot.demo.itglue.account import Organization
from bot.demo.itglue.documents import MEDIA_TYPE
from bot.demo.itglue.server import RunningITGlue
from tests.contracts.vaults import API_KEY, emptied, running_itglue

SECRET = "S3cret-of-a-Test!"


@pytest.fixture(scope="module")
def server() -> Iterator[RunningITGlue]:
    with running_itglue() as server:
        yield server


class Client:
    """A client of the API as anybody writes it."""

    def __init__(self, server: RunningITGlue) -> None:
        self.account, self.faults = server.account, server.faults
        self.key = self.account.key(API_KEY)
        self.home: Organization = self.account.organization("Acme Dental")
        self._url = server.url

    def calls(self, method: str, path: str, body: Any = None, **query: object) -> requests.Response:
        """One request, following nothing."""
        headers = {"x-api-key": API_KEY, "Content-Type": MEDIA_TYPE}
        params = {name.replace("__", "[") + "]" if "__" in name else name: str(value) for name, value in query.items()}
        return requests.request(
            method, f"{self._url}{path}", json=body, params=params, headers=headers, allow_redirects=False, timeout=10
        )

    def names(self, path: str = "/passwords", **query: object) -> list[str]:
        """The names a list shows."""
        return [each["attributes"]["name"] for each in self.calls("GET", path, **query).json()["data"]]


@pytest.fixture
def client(server: RunningITGlue) -> Client:
    return Client(emptied(server))


def patch(**attributes: object) -> dict[str, Any]:
    return {"data": {"type": "passwords", "attributes": attributes}}


def test_a_password_is_shown_unless_one_says_no_and_a_list_never_shows_any(client: Client) -> None:
    row = client.account.add(client.home, "Jane", SECRET)
    assert client.calls("GET", f"/passwords/{row.id}").json()["data"]["attributes"]["password"] == SECRET
    hidden = client.calls("GET", f"/passwords/{row.id}", show_password="false").json()
    assert "password" not in hidden["data"]["attributes"]
    assert SECRET not in client.calls("PATCH", f"/passwords/{row.id}", patch(name="Jane D")).text
    assert SECRET not in client.calls("GET", "/passwords", show_password="true").text


def test_a_change_is_sparse_and_a_new_password_is_a_revision(client: Client) -> None:
    row = client.account.add(client.home, "Jane", SECRET, username="jane", notes="kept")
    client.calls("PATCH", f"/passwords/{row.id}", patch(password="An0ther!"))
    client.calls("PATCH", f"/passwords/{row.id}", patch(password="An0ther!"))
    shown = client.calls("GET", f"/passwords/{row.id}", include="recent_versions").json()
    assert (shown["data"]["attributes"]["username"], shown["data"]["attributes"]["notes"]) == ("jane", "kept")
    new, old = [version["id"] for version in shown["included"]]
    for version, password in ((new, "An0ther!"), (old, SECRET)):
        asked = client.calls("GET", f"/passwords/{row.id}", version_id=version).json()
        assert asked["data"]["attributes"]["password"] == password
    assert client.calls("GET", f"/passwords/{row.id}", version_id=1).status_code == 404


def test_filters_are_exact_split_at_commas_and_ignored_beneath_an_organization(client: Client) -> None:
    for name in ("a,b", "a", "b", "ab"):
        client.account.add(client.home, name, archived=name == "ab")
    assert client.names(filter__name="a,b") == ["a", "b"]
    assert client.names(filter__name="a\\,b") == ["a,b"]
    assert client.names(filter__archived="1") == ["ab"]
    assert len(client.names(f"/organizations/{client.home.id}/relationships/passwords", filter__name="a")) == 4
    assert client.calls("GET", "/passwords", filter__username="a").status_code == 422


def test_pages_are_fifty_long_or_a_thousand_at_most_and_sorted_as_asked(client: Client) -> None:
    for number in range(1001):
        client.account.add(client.home, f"{number:04}")
    meta = client.calls("GET", "/passwords", page__size=5000).json()["meta"]
    assert (meta["next-page"], meta["total-pages"], meta["total-count"]) == (2, 2, 1001)
    assert len(client.names()) == 50
    assert client.names(sort="-name", page__number=2, page__size=1000) == ["0000"]


def test_a_type_nobody_knows_makes_a_general_record_without_a_word(client: Client) -> None:
    for kind, embedded in (("Configuration", True), ("configurations", False)):
        wanted = patch(**{"name": "x", "organization-id": client.home.id, "resource-id": 7, "resource-type": kind})
        made = client.calls("POST", "/passwords", wanted).json()["data"]
        assert (made["attributes"]["resource-id"] is not None) is embedded
    without = client.calls("POST", "/passwords", patch(name="x"))
    assert without.json()["errors"][0]["title"] == "Valid organization_id is required"


def test_refusals_look_as_they_do_there(client: Client) -> None:
    row = client.account.add(client.home, "Jane", SECRET)
    assert client.calls("PATCH", f"/passwords/{row.id}/").status_code == 302
    assert client.calls("PATCH", f"/passwords/{row.id}/").headers["Location"].endswith(f"/passwords/{row.id}/")
    assert "<html>" in client.calls("GET", "/password").text
    assert client.calls("GET", "/passwords/1").status_code == 404
    client.key.reads_passwords = False
    bulk = {"data": [{"type": "passwords", "attributes": {"id": row.id, "password": "An0ther!"}}]}
    refused = client.calls("PATCH", "/passwords", bulk)
    assert (refused.status_code, refused.json()["errors"][0]["title"]) == (403, "Cannot PATCH Password in bulk")
    client.key.writes_passwords = False
    assert client.calls("PATCH", f"/passwords/{row.id}", patch(password="x")).status_code == 401
    client.account.addresses = set()
    assert client.calls("GET", "/passwords").json() == {"message": "Forbidden"}
    assert client.account.holds(row) == SECRET


def test_several_are_changed_at_once_by_who_may(client: Client) -> None:
    rows = [client.account.add(client.home, name, SECRET) for name in "ab"]
    entries = [{"type": "passwords", "attributes": {"id": row.id, "password": "An0ther!"}} for row in rows]
    assert client.calls("PATCH", "/passwords", {"data": entries}).status_code == 200
    assert [client.account.holds(row) for row in rows] == ["An0ther!", "An0ther!"]
    assert client.calls("DELETE", f"/passwords/{rows[0].id}").status_code == 200
    assert list(client.account.passwords) == [rows[1].id]


def test_a_deep_link_opens_a_page_and_names_are_no_markup(client: Client) -> None:
    row = client.account.add(client.home, "<b>Jane", SECRET, username="jane")
    address = client.calls("GET", f"/passwords/{row.id}").json()["data"]["attributes"]["resource-url"]
    page = requests.get(address, timeout=10).text
    assert "&lt;b&gt;Jane" in page
    assert "<b>Jane" not in page


def test_the_log_of_requests_holds_neither_key_nor_password(client: Client) -> None:
    row = client.account.add(client.home, "Jane", SECRET)
    client.calls("GET", f"/passwords/{row.id}")
    client.calls("PATCH", f"/passwords/{row.id}", patch(password="An0ther!"))
    said = repr(client.faults.requests)
    assert [(each.method, each.status) for each in client.faults.requests] == [("GET", 200), ("PATCH", 200)]
    assert not any(secret in said for secret in (SECRET, "An0ther!", API_KEY))
