"""Promises of the practice server: killing whoever writes leaves a domain as it was, or as it became."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from bot.demo.practice_directory import PracticeDirectory
from bot.demo.practice_domain import PracticeDomain
from bot.demo.practice_faults import Fault, Hold
from bot.demo.practice_server import PracticeServer, practice_kind
from bot.directories.base import Directory, Verdict
from bot.errors import NotFound, RightMissing, Throttled, Unreachable
from storage.models import Connection

OLD, NEW = "Old-Password-1", "New-Secret-22"

WRITER = """
import sys
from pydantic import SecretStr
from bot.demo.practice_server import RemotePracticeDirectory
socket, account, password = sys.argv[1:]
RemotePracticeDirectory(socket, "ad").set_password(account, SecretStr(password))
"""


@pytest.fixture
def domain() -> PracticeDomain:
    domain = PracticeDomain()
    domain.person("alice", password=OLD, display_name="Alice")
    return domain


@pytest.fixture
def server(domain: PracticeDomain) -> Iterator[PracticeServer]:
    with PracticeServer({"ad": domain}) as server:
        yield server


def connected(server: PracticeServer) -> Directory:
    stored = Connection(organization_id=1, name="ad", name_key="ad", side="directory", kind="practice")
    return practice_kind(server.socket)(stored)


@pytest.mark.parametrize("taken", [True, False])
def test_a_writer_killed_inside_its_call_leaves_the_old_password_or_the_new_one(
    domain: PracticeDomain, server: PracticeServer, taken: bool
) -> None:
    alice = domain.account("alice").object_id
    hold = Hold(taken=taken)
    domain.fails("set_password", with_=hold)
    with connected(server) as directory:
        before = directory.may_rotate(alice)
        writer = subprocess.Popen([sys.executable, "-c", WRITER, server.socket, alice, NEW])
        assert hold.reached.wait(30)
        writer.kill()
        assert writer.wait(30) < 0
        assert domain.holds("alice", OLD), "it was killed before the domain did anything"
        hold.let_go.set()
        assert hold.over.wait(30)
        proof = directory.confirm(
            alice, SecretStr(NEW), before.password_set_at, None, times_set_before=before.times_set
        )
    assert proof.verdict is (Verdict.TAKEN if taken else Verdict.NOT_TAKEN)
    assert domain.holds("alice", NEW if taken else OLD)


def test_every_call_is_answered_as_the_domain_itself_would(domain: PracticeDomain, server: PracticeServer) -> None:
    alice, here = domain.account("alice").object_id, PracticeDirectory(domain)
    with connected(server) as there:
        assert there.check() == here.check()
        ours, theirs = there.accounts(None), here.accounts(None)
        assert (list(ours.accounts), ours.cursor, ours.complete) == (list(theirs.accounts), theirs.cursor, True)
        assert there.may_rotate(alice) == here.may_rotate(alice)
        assert there.works(alice, SecretStr(OLD)) == here.works(alice, SecretStr(OLD))
        since = there.may_rotate(alice).password_set_at
        taken_by = there.set_password(alice, SecretStr(NEW))
        proofs = [each.confirm(alice, SecretStr(NEW), since, taken_by) for each in (there, here)]
        assert proofs[0] == proofs[1]
        assert proofs[0].verdict is Verdict.TAKEN
        domain.locks("alice")
        there.unlock(alice)
    assert domain.signs_in("alice", NEW)


def test_errors_arrive_with_everything_they_say(domain: PracticeDomain, server: PracticeServer) -> None:
    alice = domain.account("alice").object_id
    with connected(server) as directory:
        domain.fails("set_password", with_=Fault.THROTTLED)
        with pytest.raises(Throttled, match=r"^dc1\.acme\.test is too busy") as busy:
            directory.set_password(alice, SecretStr(NEW))
        assert busy.value.retry_after == 0.05
        domain.fails("set_password", with_=Fault.RIGHT_MISSING)
        with pytest.raises(RightMissing) as missing:
            directory.set_password(alice, SecretStr(NEW))
        assert missing.value.cause == "right-reset"
        assert "Reset Password" in missing.value.mend
        with pytest.raises(NotFound):
            directory.may_rotate("nobody")
        assert directory.set_password(alice, SecretStr(NEW)) == "dc1.acme.test"
    assert domain.holds("alice", NEW)


def test_a_domain_that_is_not_served_any_more_is_unreachable_and_nothing_was_sent(domain: PracticeDomain) -> None:
    alice = domain.account("alice").object_id
    with PracticeServer({"ad": domain}) as server:
        directory = connected(server)
    with directory, pytest.raises(Unreachable):
        directory.set_password(alice, SecretStr(NEW))
    assert domain.count("set_password") == 0
