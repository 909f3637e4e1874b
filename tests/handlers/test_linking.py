"""The same person in two directories, said on the review card by an administrator."""

from bot.matching.suggesting import suggest
from storage.connections import add_connections
from storage.matches import match_rows
from storage.models import Account, Connection, MatchState
from tests.handlers.office import Office
from tests.handlers.test_matches import review


def second_account(office: Office, username: str) -> None:
    """Somebody of that name in another directory of Acme's, which nothing ties to the first."""
    organization = office.organization("acme")
    with office.services.database.writing() as session:
        cloud = Connection(
            organization_id=organization.id, name="cloud", name_key="cloud", side="directory", kind="practice"
        )
        add_connections(session, [cloud])
        session.add(
            Account(
                organization_id=organization.id,
                connection_id=cloud.id,
                object_id="c1",
                username=username,
                username_key=username,
                domain="CLOUD",
            )
        )
        session.flush()
        suggest(session, organization.id)


def states(office: Office) -> list[tuple[str, int | None]]:
    """State and record of everybody of that name."""
    with office.services.database.reading() as session:
        rows = match_rows(session, organization_id=office.organization("acme").id)
        return [(row.match.state, row.match.record_id) for row in rows if row.account.username == "alice.obrien"]


def test_an_administrator_says_on_the_card_that_namesakes_are_one_person(office: Office) -> None:
    second_account(office, "alice.obrien")
    with office.at_work():
        card = review(office, office.alice)
        card.says("may claim it too")
        card.press("Same person as CLOUD\\alice.obrien", confirming="Same person")
        office.alice.until(lambda: {state for state, _ in states(office)} == {MatchState.SUGGESTED}, "both exact")
    first, second = states(office)
    assert first == second
    [line] = office.audit("accounts.linked")
    assert line.result == "ok"


def test_a_technician_is_told_that_it_takes_an_administrator(office: Office) -> None:
    second_account(office, "alice.obrien")
    with office.at_work():
        card = review(office, office.tina)
        card.press("Same person as CLOUD\\alice.obrien", confirming="Same person")
        office.tina.sees("Only an administrator", in_="#acme")
    assert {state for state, _ in states(office)} == {MatchState.SEVERAL}
    assert [line.result for line in office.audit("accounts.linked")] == ["refused"]
