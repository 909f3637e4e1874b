"""Organizations, accounts and records are found by id or by exact name, whatever its case; ambiguity is told."""

import pytest
from sqlmodel import Session

from bot.errors import RowNotFound
from storage.accounts import get_account
from storage.database import Database
from storage.models import Account, Connection, Organization, now
from storage.names import fold
from storage.organizations import get_organization, organizations
from storage.records import get_record, new_record
from tests.storage.worlds import Place, new_place


def new_account(session: Session, directory: Connection, username: str, domain: str, upn: str | None = None) -> Account:
    account = Account(
        organization_id=directory.organization_id,
        connection_id=directory.id,
        object_id=f"{domain}-{username}",
        username=username,
        username_key=fold(username),
        domain=domain,
        upn=upn,
        upn_key=upn and fold(upn),
    )
    session.add(account)
    session.flush()
    return account


def new_directory(session: Session, place: Place, name: str, *domain_names: str) -> Connection:
    directory = Connection(
        organization_id=place.organization.id,
        name=name,
        name_key=name,
        side="directory",
        kind="active-directory",
        domain_names=list(domain_names),
    )
    session.add(directory)
    session.flush()
    return directory


def test_an_organization_is_found_by_id_or_name(database: Database) -> None:
    with database.writing() as session:
        acme, other = new_place(session).organization, new_place(session, "Birch Law").organization
        assert get_organization(session, "ACME  dental") is acme
        assert get_organization(session, other.id) is get_organization(session, str(other.id)) is other
        assert organizations(session) == [acme, other]
        with pytest.raises(RowNotFound, match="no organization 'Acme'"):
            get_organization(session, "Acme")
        session.add(Organization(name=str(acme.id), name_key=str(acme.id)))
        session.flush()
        with pytest.raises(RowNotFound, match=rf"{acme.id} \(Acme Dental\), .*by its id"):
            get_organization(session, str(acme.id))


def test_an_account_is_found_by_any_way_to_write_its_username(database: Database) -> None:
    with database.writing() as session:
        place = new_place(session)
        corp = new_directory(session, place, "corp", "corp", "corp.example.test")
        lab = new_directory(session, place, "lab")
        jane = new_account(session, corp, "Jane", "CORP", "j.doe@acme.example")
        twin = new_account(session, lab, "jane", "LAB")
        found = {
            asked: get_account(session, place.organization.id, asked)
            for asked in ("corp\\JANE", "jane@corp.example.test", "J.Doe@acme.example", str(jane.id))
        }
        assert set(map(id, found.values())) == {id(jane)}
        assert get_account(session, place.organization.id, "LAB\\jane") is twin
        with pytest.raises(RowNotFound, match=r"fits 2 accounts: .*CORP\\Jane.*LAB\\jane"):
            get_account(session, place.organization.id, "jane")
        with pytest.raises(RowNotFound):
            get_account(session, place.organization.id, "OTHER\\jane")
        twin.removed_at = now()
        session.flush()
        assert get_account(session, place.organization.id, "jane") is jane
        assert get_account(session, place.organization.id, twin.id) is twin


def test_a_record_is_found_in_its_own_organization_only(database: Database) -> None:
    with database.writing() as session:
        acme, other = new_place(session), new_place(session, "Birch Law")
        mine = new_record(acme.organization.id, acme.vault.id, "Jane Doe", "CORP\\jane")
        session.add_all([mine, new_record(other.organization.id, other.vault.id, "Jane Doe", "jane")])
        session.flush()
        assert get_record(session, acme.organization.id, "jane doe") is mine
        assert mine.username_key == "jane"
        with pytest.raises(RowNotFound):
            get_record(session, other.organization.id, mine.id)
        session.add(new_record(acme.organization.id, acme.vault.id, "JANE DOE", "janed"))
        session.flush()
        with pytest.raises(RowNotFound, match=rf"fits 2 records: {mine.id} "):
            get_record(session, acme.organization.id, "Jane Doe")
