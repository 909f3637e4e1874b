"""What a backup promises: one consistent copy of every table for either database, and nothing runs unasked after."""

import errno
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from pydantic import SecretStr
from sqlmodel import Session, select

from bot.audit import Trail
from bot.backup import backup, restore
from bot.errors import BadInput, KeyProblem, SealBroken, StorageError
from bot.permissions import Operator
from storage.backup import changed_later, read_table, table_names, thaw
from storage.database import Database
from storage.facts import check_fingerprint
from storage.models import (
    Account,
    Aftershock,
    Announcement,
    Approval,
    ApprovalState,
    Connection,
    DirectoryPolicies,
    DueTime,
    Exclusion,
    Grant,
    IgnoreRule,
    Interaction,
    Lane,
    Letter,
    Link,
    Match,
    MatchState,
    Notice,
    Organization,
    Outbox,
    Postponement,
    Profile,
    ProofTry,
    Record,
    Request,
    RequestRotation,
    RequestState,
    Revision,
    RevisionState,
    Role,
    Rotation,
    RotationState,
    Rule,
    Status,
    Task,
    TaskKind,
    TaskState,
    Tenant,
    Timetable,
    Wish,
)
from storage.revisions import Safe, find_revision, open_revision, promote
from storage.sealing import KeyRing, new_key_line
from tests.storage.databases import KINDS, migrated_database
from tests.storage.worlds import AT, add_password, new_place, new_record, new_safe

OPERATOR = Operator("cli:test", "command line", {None: Role.ADMINISTRATOR})
CHANGED_BY_RESTORE = {"lanes", "rotations", "tasks", "audit_events"}


@pytest.fixture
def safe(tmp_path: Path) -> Safe:
    return new_safe(tmp_path)[0]


@pytest.fixture
def trail(safe: Safe) -> Trail:
    return Trail(safe.keys, safe.escrow.directory)


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    (tmp_path / "source").mkdir()
    with migrated_database(request.param, request, tmp_path / "source") as database:
        yield database


@pytest.fixture
def sqlite(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with migrated_database("sqlite", request, tmp_path) as database:
        yield database


@pytest.fixture
def other(request: pytest.FixtureRequest, database: Database, tmp_path: Path) -> Iterator[Database]:
    """An empty database of the other kind."""
    (tmp_path / "target").mkdir()
    kind = "postgresql" if database.is_sqlite else "sqlite"
    with migrated_database(kind, request, tmp_path / "target") as other:
        yield other


def fill(database: Database, safe: Safe, trail: Trail) -> tuple[str, str, int]:
    """A row in every table, a rotation under way; the organization's and record's uids, and the directory's id."""
    with database.writing() as session:
        check_fingerprint(session, safe.keys)
        place = new_place(session, "Zähne & Söhne “Acme”")
        organization_id = place.organization.id or 0
        directory = Connection(
            organization_id=organization_id, name="ad", name_key="ad", side="directory", kind="active-directory",
            settings={"servers": [{"host": "127.0.1.11", "port": 636}]},
            credential=safe.keys.seal(SecretStr("pw-bind"), ("connection", "ad")), domain_names=["corp"], synced_at=AT,
        )  # fmt: skip
        session.add_all([directory, Rule(scope="global"), Grant(operator="U1", role="administrator")])
        session.flush()
        directory_id = directory.id or 0
        session.add(Lane(connection_id=directory_id, owner="host 1 1", token=7, lease_until=AT, wanted=True))
        record = new_record(session, place, "desk")
        first = add_password(session, safe, place, record, "pw-first")
        account = Account(
            organization_id=organization_id, connection_id=directory_id, object_id="guid", username="desk",
            username_key="desk", password_set_at=AT, proved_revision_id=first.id, proved_set_at=AT,
        )  # fmt: skip
        session.add(account)
        session.flush()
        pending = add_password(session, safe, place, record, "pw-second", RevisionState.PENDING)
        rotation = Rotation(
            organization_id=organization_id, record_id=record.id or 0, state=RotationState.ROTATING,
            requested_by="cli:test", revision_id=pending.id,
        )  # fmt: skip
        session.add(rotation)
        session.flush()
        session.add_all(
            [
                Match(
                    organization_id=organization_id, account_id=account.id or 0, record_id=record.id,
                    state=MatchState.APPROVED,
                ),
                Task(
                    organization_id=organization_id, connection_id=directory_id, kind=TaskKind.ROTATE,
                    state=TaskState.APPLYING, rotation_id=rotation.id, account_id=account.id, policy={"length": 12},
                ),
                ProofTry(account_id=account.id or 0, tried_at=AT),
            ]
        )  # fmt: skip
        add_slack(session, safe, rotation, account)
        add_schedule(session, rotation, account)
        add_telling(session, rotation, account)
        trail.append(session, event="rotation.requested", operator="U1", source="test", organization=place.organization)
        return place.organization.uid, record.uid, directory_id


def add_schedule(session: Session, rotation: Rotation, account: Account) -> None:
    """A row in every table about schedules."""
    home, record = rotation.organization_id, rotation.record_id
    session.add_all(
        [
            DueTime(organization_id=home, record_id=record, day="2026-11-22", due_at=AT, taken_at=AT),
            Postponement(organization_id=home, record_id=record, day="2026-11-22", until=AT, created_by="U1"),
            Exclusion(organization_id=home, record_id=record, created_by="U1"),
            Timetable(organization_id=home, look_at=AT, since=AT, cadence="every 30", timezone="Europe/Zürich"),
            DirectoryPolicies(
                connection_id=account.connection_id, policies=[{"length": 12}], trouble="Größe unbekannt."
            ),
        ]
    )


def add_telling(session: Session, rotation: Rotation, account: Account) -> None:
    """A row in every table about who is told what."""
    home = rotation.organization_id
    session.add_all(
        [
            Wish(operator="U1"),
            Wish(operator="U1", organization_id=home, way="both", tell="failures"),
            Letter(organization_id=home, kind="result", operator="U1", view={"since": "ä"}, due_at=AT, sending_at=AT),
            Announcement(organization_id=home, day="2026-11-23", due_day="2026-11-22", begins_at=AT),
            Aftershock(
                organization_id=home, rotation_id=rotation.id, account_id=account.id,
                connection_id=account.connection_id, bad=3, bad_at=AT, locked_at=AT, silent=["dc2"],
            ),
        ]
    )  # fmt: skip


def add_slack(session: Session, safe: Safe, rotation: Rotation, account: Account) -> None:
    """A row in every table about people in Slack: U1 asked for this rotation, and U2 agreed."""
    home = rotation.organization_id
    request = Request(
        organization_id=home, requested_by="U1", by_name=True, record_ids=[rotation.record_id], plan="seen",
        state=RequestState.UNDER_WAY, confirmed_at=AT,
    )  # fmt: skip
    session.add(request)
    session.flush()
    approval = Approval(
        organization_id=home, what="rotate", request_id=request.id, requested_by="U1", plan="seen",
        state=ApprovalState.APPROVED, expires_at=AT, decided_by="U2", decided_at=AT,
    )  # fmt: skip
    session.add(approval)
    session.flush()
    session.add_all(
        [
            Profile(operator="U1", step_up=safe.keys.seal(SecretStr("totp"), ("step-up", "U1")), digest_hour=6),
            RequestRotation(
                request_id=request.id, rotation_id=rotation.id, approval_id=approval.id, agreed=[account.id]
            ),
            Link(
                token="0" * 64, purpose="credential", operator="U1", organization_id=home, draft={"name": "Größe"},
                expires_at=AT,
            ),
            Tenant(
                connection_id=account.connection_id, tenant_id="6f0c1d1e", name="Größe", name_key="größe",
                skipped_at=AT, skipped_by="U1",
            ),
            IgnoreRule(organization_id=home, ou="OU=Leavers", ou_key="ou=leavers", created_by="U1"),
            Notice(organization_id=home, kind="rotation", subject=request.id, address="C1", ts="1.2", view={"page": 1}),
            Outbox(name="slack", owner="host 1 1", token=7, lease_until=AT),
            Interaction(key="trigger"),
        ]
    )  # fmt: skip


def contents(database: Database) -> dict[str, list[dict[str, Any]]]:
    with database.reading() as session:
        return {name: list(read_table(session, name)) for name in table_names()}


def test_a_backup_of_one_database_restores_into_the_other_kind(
    database: Database, other: Database, safe: Safe, trail: Trail, tmp_path: Path
) -> None:
    organization_uid, record_uid, _ = fill(database, safe, trail)
    before = contents(database)
    assert [name for name, rows in before.items() if not rows] == []
    made = backup(database, safe.keys, trail, OPERATOR, tmp_path / "rekey.backup")
    restored = restore(other, safe.keys, trail, OPERATOR, tmp_path / "rekey.backup")
    assert restored == made
    after = contents(other)
    before["facts"] = [fact for fact in before["facts"] if fact["name"] != "recovery-key"]  # there may be another there
    for name in set(before) - CHANGED_BY_RESTORE:
        assert after[name] == before[name], name
    assert after["audit_events"][0] == before["audit_events"][0]
    with other.writing() as session:
        record = session.exec(select(Record)).one()
        revision = find_revision(session, record.id or 0, RevisionState.PENDING)
        assert revision is not None
        assert open_revision(safe, organization_uid, record_uid, revision).get_secret_value() == "pw-second"
        assert trail.verify(session).problems == ()
        session.add(Organization(name="New", name_key="new"))  # ids go on behind the restored ones
        check_fingerprint(session, safe.keys)


def test_after_a_restore_no_lane_runs_and_what_was_under_way_asks_a_person(
    database: Database, other: Database, safe: Safe, trail: Trail, tmp_path: Path
) -> None:
    _, _, directory_id = fill(database, safe, trail)
    backup(database, safe.keys, trail, OPERATOR, tmp_path / "rekey.backup")
    restore(other, safe.keys, trail, OPERATOR, tmp_path / "rekey.backup")
    with other.writing() as session:
        lane = session.get_one(Lane, directory_id)
        rotation = session.exec(select(Rotation)).one()
        task = session.exec(select(Task)).one()
        assert "rekey doctor" in (lane.frozen_reason or "")
        assert (lane.owner, lane.lease_until, lane.token) == (None, None, 7)
        assert (rotation.state, rotation.status) == (RotationState.STUCK, Status.FAILED)
        assert "Every password it knew is kept" in rotation.reason
        assert task.state == TaskState.UNKNOWN
        assert task.ended_at == rotation.ended_at is not None
        thaw(session, directory_id)
        session.refresh(lane)
        assert (lane.frozen_reason, lane.wanted) == (None, True)


def test_a_backup_is_ours_alone_and_holds_neither_key_nor_password(
    sqlite: Database, safe: Safe, trail: Trail, tmp_path: Path
) -> None:
    fill(sqlite, safe, trail)
    path = tmp_path / "rekey.backup"
    backup(sqlite, safe.keys, trail, OPERATOR, path)
    assert path.stat().st_mode & 0o777 == 0o600
    key = (tmp_path / "key").read_text().split(":")[1].strip()
    with ZipFile(path) as archive:
        everything = b"".join(archive.read(name) for name in archive.namelist())
    for secret in (key, "pw-first", "pw-second", "pw-bind"):
        assert secret.encode() not in everything


def test_a_backup_is_one_moment_although_others_write_meanwhile(
    database: Database, safe: Safe, trail: Trail, tmp_path: Path
) -> None:
    stop = False

    def add(session: Session, name: str) -> None:
        organization = Organization(name=name, name_key=name)
        session.add(organization)
        trail.append(session, event="organization.added", operator="U1", source="test", organization=organization)

    def keep_writing() -> int:
        number = 0
        while not stop:
            with database.writing() as session:
                add(session, f"organization {number}")
            number += 1
        return number

    with ThreadPoolExecutor() as pool:
        writer = pool.submit(keep_writing)
        try:
            manifests = [backup(database, safe.keys, trail, OPERATOR, tmp_path / f"{n}.backup") for n in range(4)]
        finally:
            stop = True
        assert writer.result() > 0
    for earlier, manifest in enumerate(manifests):
        assert manifest.rows["organizations"] == manifest.rows["audit_events"] - earlier
        with ZipFile(tmp_path / f"{earlier}.backup") as archive:
            assert archive.read("organizations.jsonl").count(b"\n") == manifest.rows["organizations"]


def test_a_backup_is_never_mixed_into_another_database(
    database: Database, safe: Safe, trail: Trail, tmp_path: Path
) -> None:
    fill(database, safe, trail)
    path = tmp_path / "rekey.backup"
    backup(database, safe.keys, trail, OPERATOR, path)
    before = contents(database)
    with pytest.raises(BadInput, match=r"not empty \(there are .*organizations.*Nothing was restored"):
        restore(database, safe.keys, trail, OPERATOR, path)
    assert contents(database) == before


def rewritten(path: Path, **members: bytes) -> None:
    """The same backup with some members replaced."""
    with ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with ZipFile(path, "w") as archive:
        for name, data in (content | {f"{name}.jsonl": data for name, data in members.items()}).items():
            archive.writestr(name, data)


@pytest.fixture
def backed_up(sqlite: Database, safe: Safe, trail: Trail, tmp_path: Path) -> tuple[Database, Path]:
    """A backup, and an empty database to restore it into."""
    fill(sqlite, safe, trail)
    path = tmp_path / "rekey.backup"
    backup(sqlite, safe.keys, trail, OPERATOR, path)
    empty = Database(f"sqlite:///{tmp_path}/empty.db")
    empty.migrate()
    return empty, path


def test_an_edited_backup_is_refused(backed_up: tuple[Database, Path], safe: Safe, trail: Trail) -> None:
    empty, path = backed_up
    with ZipFile(path) as archive:
        grants = archive.read("grants.jsonl")
    rewritten(path, grants=grants.replace(b"U1", b"U2"))
    with pytest.raises(SealBroken, match="was edited"):
        restore(empty, safe.keys, trail, OPERATOR, path)
    assert contents(empty)["organizations"] == []


def test_a_backup_whose_manifest_was_edited_is_refused(
    backed_up: tuple[Database, Path], safe: Safe, trail: Trail
) -> None:
    empty, path = backed_up
    with ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(content["manifest.json"])
    manifest["made_at"] = AT.isoformat()
    content["manifest.json"] = json.dumps(manifest).encode()
    with ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    with pytest.raises(SealBroken, match="was edited"):
        restore(empty, safe.keys, trail, OPERATOR, path)


def test_a_backup_made_with_another_key_names_it(backed_up: tuple[Database, Path], safe: Safe, trail: Trail) -> None:
    empty, path = backed_up
    with pytest.raises(KeyProblem, match=f"'{safe.keys.active_id}' is needed"):
        restore(empty, KeyRing.parse(new_key_line()), trail, OPERATOR, path)


@pytest.mark.parametrize("content", [b"", b"no zip", None])
def test_what_is_no_backup_is_refused(
    backed_up: tuple[Database, Path], safe: Safe, trail: Trail, content: bytes | None, tmp_path: Path
) -> None:
    path = tmp_path / "other.file"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInput, match="Nothing was restored"):
        restore(backed_up[0], safe.keys, trail, OPERATOR, path)


def test_half_a_backup_is_refused(backed_up: tuple[Database, Path], safe: Safe, trail: Trail) -> None:
    empty, path = backed_up
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(BadInput, match="only a part of one"):
        restore(empty, safe.keys, trail, OPERATOR, path)


def test_a_failed_backup_leaves_the_earlier_one_and_nothing_else(
    sqlite: Database, safe: Safe, trail: Trail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(sqlite, safe, trail)
    path = tmp_path / "backups" / "rekey.backup"
    path.parent.mkdir()
    backup(sqlite, safe.keys, trail, OPERATOR, path)
    earlier = path.read_bytes()

    def disk_full(_session: Session, _name: str) -> Iterator[dict[str, Any]]:
        yield {"id": 1}
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("bot.backup.read_table", disk_full)
    with pytest.raises(StorageError, match=r"No space left.*No backup was made"):
        backup(sqlite, safe.keys, trail, OPERATOR, path)
    assert path.read_bytes() == earlier
    assert list(path.parent.iterdir()) == [path]


def changed_since(database: Database, connection_id: int, set_at: datetime | None) -> list[tuple[str, str]]:
    with database.reading() as session:
        found = changed_later(session, connection_id, {"guid": set_at, "somebody else": AT})
    return [(each.account.username, each.record.name) for each in found]


def test_an_account_changed_after_our_last_proof_is_listed(database: Database, safe: Safe, trail: Trail) -> None:
    _, _, directory_id = fill(database, safe, trail)
    assert changed_since(database, directory_id, AT) == []
    assert changed_since(database, directory_id, AT + timedelta(hours=3)) == [("desk", "desk")]
    assert changed_since(database, directory_id, None) == [("desk", "desk")]


def test_an_account_never_proved_is_listed_when_it_changed_since_the_backup(
    database: Database, safe: Safe, trail: Trail
) -> None:
    _, _, directory_id = fill(database, safe, trail)
    with database.writing() as session:
        account = session.exec(select(Account)).one()
        account.proved_revision_id = account.proved_set_at = None
        session.add(account)
    assert changed_since(database, directory_id, AT) == []
    assert changed_since(database, directory_id, AT + timedelta(hours=3)) == [("desk", "desk")]


def test_a_change_explained_by_a_recovered_revision_is_not_listed(database: Database, safe: Safe, trail: Trail) -> None:
    """The database is yesterday's; today's rotation came back from the escrow file with the time of its proof."""
    _, _, directory_id = fill(database, safe, trail)
    with database.writing() as session:
        pending = session.exec(select(Revision).where(Revision.state == RevisionState.PENDING)).one()
        promote(session, [pending], AT + timedelta(hours=3, seconds=2))
    assert changed_since(database, directory_id, AT + timedelta(hours=3)) == []
    assert changed_since(database, directory_id, AT + timedelta(hours=4)) == [("desk", "desk")]
