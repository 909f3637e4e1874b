"""Nothing secret ever reaches Slack: an evening's work, and then everything the pretend Slack received is searched."""

import base64
import json
from collections.abc import Iterator
from urllib.parse import quote

from sqlmodel import select

import handlers
from storage.models import Organization, Record, Revision
from storage.revisions import open_revision
from tests.handlers.office import Office


def forms_of(secret: str) -> Iterator[str]:
    """How a secret may look on the wire: as it is, escaped, encoded."""
    yield secret
    yield json.dumps(secret)[1:-1]
    yield json.dumps(json.dumps(secret))[3:-3]
    yield quote(secret, safe="")
    yield secret.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for encoding in ("utf-8", "utf-16-le"):
        yield secret.encode(encoding).hex()
        for lead in range(3):  # base64 of a longer text that holds it, wherever it starts
            whole = base64.b64encode(b"\0" * lead + secret.encode(encoding)).decode()
            yield whole[4 if lead else 0 : -4]


def every_password(office: Office) -> set[str]:
    """Those of the beginning, those the directories hold, and every revision in the vault."""
    found = set(office.passwords)
    for domain in office.domains.values():
        found |= {account.password for account in domain.all_accounts()}
    with office.services.database.reading() as session:
        rows = session.exec(
            select(Revision, Record, Organization)
            .join(Record, Record.id == Revision.record_id)  # type: ignore[arg-type]
            .join(Organization, Organization.id == Record.organization_id)  # type: ignore[arg-type]
        )
        for revision, record, organization in rows:
            found.add(open_revision(office.services.safe, organization.uid, record.uid, revision).get_secret_value())
    return found


def leaked(office: Office, secrets: set[str]) -> list[str]:
    """The forms of these that the pretend Slack saw."""
    seen = office.everything_slack_saw()
    return [form for secret in secrets for form in forms_of(secret) if form in seen]


def test_an_evenings_work_tells_slack_no_password_no_key_and_no_token(office: Office) -> None:
    office.approve_all("acme")
    with office.at_work():
        office.tina.types("/rotate all", in_="#acme")
        office.tina.modal().says("would get a new password").submit()
        office.tina.sees("Rotated 3 of 4 passwords", in_="#acme")
        office.tina.sees("Rotated 3 of 4 passwords", in_="@rekey")
        for word in (word.name for each in handlers.SLICES for word in getattr(each, "WORDS", ())):
            office.alice.types(f"/rotate {word} Alice O'Brien", in_="#acme")
        office.tina.opens_home()
        office.alice.opens_home().says("Recent results")

    settings, secrets = office.services.settings, every_password(office)
    assert len(secrets) == len(office.passwords) + 3
    secrets |= set(settings.key_file.read_text("utf-8").split())
    secrets |= {line.partition(":")[2] for line in settings.key_file.read_text("utf-8").split()}
    for token in (settings.slack_bot_token, settings.slack_app_token, settings.slack_signing_secret):
        assert token is not None
        secrets.add(token.get_secret_value())
    assert leaked(office, secrets) == []


def test_the_search_itself_finds_what_leaks(office: Office) -> None:
    # Whoever types a password into a command tells Slack; Rekey cannot help it, and the search has to see it.
    office.alice.types("/rotate now Old-ACME-00-Pa55!", in_="#acme")
    office.alice.sees("No record is called", in_="#acme")
    assert leaked(office, {"Old-ACME-00-Pa55!"})
    encoded = base64.b64encode(b"x" + b"Old-ACME-00-Pa55!" + b"yz").decode()
    assert [form for form in forms_of("Old-ACME-00-Pa55!") if form in encoded]
