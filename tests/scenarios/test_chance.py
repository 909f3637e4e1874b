"""Chance decides what goes wrong, when and where: whatever it was, no password is lost, and asking again mends it."""

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from bot.demo.practice_domain import PracticeDomain, PracticePolicy
from bot.demo.practice_faults import Fault
from storage.database import Database
from storage.models import ProofTry, Record, RotationState, Status, Task, now
from storage.revisions import open_revision, possibly_held
from tests.rotation.world import World

OLD = "Old-pass-0001!"
DIRECTORIES = ("corp", "branch")
OPERATIONS = ("may_rotate", "works", "set_password", "confirm")
FAULTS = [fault for fault in Fault if fault is not Fault.DIES_AFTER]

faults = st.lists(
    st.tuples(st.sampled_from(DIRECTORIES), st.sampled_from(OPERATIONS), st.sampled_from(FAULTS), st.integers(1, 4)),
    max_size=6,
)


class Company:
    """Alice in two directories and Bob in one, on a database of their own."""

    def __init__(self, folder: Path, proved: bool) -> None:
        self.database = Database(f"sqlite:///{folder}/rekey.db")
        self.database.migrate()
        self.world = World.build(self.database, folder)
        policy = PracticePolicy(lockout_threshold=3)
        for name in DIRECTORIES:
            domain = self.world.directory(name, PracticeDomain(name.upper(), f"{name}.test", policy=policy))
            domain.person("alice", OLD if proved else "Nobody-knows-9!")
        self.world.domains["corp"].person("bob", OLD)
        self.alice = self.world.matched("alice", {"corp": "alice", "branch": "alice"})
        self.bob = self.world.matched("bob", {"corp": "bob"})

    def revealed(self, record: Record) -> list[str]:
        with self.database.reading() as session:
            return [
                open_revision(self.world.safe, self.world.organization.uid, record.uid, each).get_secret_value()
                for each in possibly_held(session, record.id)
            ]

    def known(self, *, others: set[str]) -> bool:
        """Whether each password we may have set, and that holds now, is shown to whoever asks."""
        held = [
            (self.alice, self.world.domains["corp"].account("alice").password),
            (self.alice, self.world.domains["branch"].account("alice").password),
            (self.bob, self.world.domains["corp"].account("bob").password),
        ]
        return all(
            password in self.revealed(record) or password in others or _theirs(password) for record, password in held
        )


# Without shrinking: every example is a whole evening.
@settings(
    max_examples=10, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(planned=faults, proved=st.booleans())
def test_whatever_goes_wrong_nothing_is_lost_locked_or_left_open(
    planned: list[tuple[str, str, Fault, int]], proved: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        company = Company(Path(folder), proved)
        world, records = company.world, (company.alice, company.bob)
        others: set[str] = set() if proved else {"Nobody-knows-9!"}
        overtaken = {where for where, call, fault, _ in planned if (call, fault) == ("confirm", Fault.OVERTAKEN)}
        for directory, operation, fault, times in planned:
            world.domains[directory].fails(operation, with_=fault, times=times)
        world.asks(*records)

        for _look in range(7):
            world.drains_once()
            assert company.known(others=others)
        _says_what_is_true(company, others, overtaken_after_proof=overtaken)

        for domain in world.domains.values():
            domain.heals()
            _no_locks(domain)
        _windows_pass(company)
        for _asked in range(2):  # the first may join what is open, and end it
            world.asks(*records)
            world.drains_until_ended(*records)
        for stands in world.status(*records):
            assert stands.status is Status.SUCCESSFUL, stands.reason
        assert all(domain.holds("alice", world.password(company.alice) or "") for domain in world.domains.values())
        assert world.domains["corp"].holds("bob", world.password(company.bob) or "")
        company.database.dispose()


def _says_what_is_true(company: Company, others: set[str], overtaken_after_proof: set[str]) -> None:
    world = company.world
    for record, name, directories in ((company.alice, "alice", DIRECTORIES), (company.bob, "bob", DIRECTORIES[:1])):
        [stands] = world.status(record)
        assert stands.rotation is not None
        held = [world.domains[each].account(name).password for each in directories]
        if stands.status is Status.SUCCESSFUL:
            for directory, password in zip(directories, held, strict=True):
                later = directory in overtaken_after_proof and _theirs(password)  # it was true when it was proved
                assert later or password == world.password(record), stands.reason
        if stands.rotation.state in (RotationState.REFUSED, RotationState.PUT_BACK):
            assert not [each for each in held if each not in {OLD, *others} and not _theirs(each)], stands.reason
        assert stands.reason


def _theirs(password: str) -> bool:
    """Whether somebody else set it (`Fault.OVERTAKEN`)."""
    return password.startswith("Somebody-Else")


def _windows_pass(company: Company) -> None:
    """Two hours later: wrong sign-ins no longer count, and what waited for that is due."""
    for domain in company.world.domains.values():
        domain.clock.passes(timedelta(hours=2))
    with company.database.writing() as session:
        session.execute(update(Task).values(due_at=now()))
        session.execute(update(ProofTry).values(tried_at=now() - timedelta(hours=2)))


def _no_locks(domain: Any) -> None:
    assert not [each.username for each in domain.all_accounts() if domain.is_locked(each)]
