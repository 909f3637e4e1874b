"""What Slack shows of the cloud: a box to sign people out, what trails behind a rotation, who does not follow."""

from dataclasses import replace

from blocks import cloud, previews, rotations
from bot.rotation.pending import CloudPending
from bot.rotation.planning import Intent
from bot.rotation.progress import Cause, Mend, Progress
from storage.models import Request, Status
from tests.blocks.test_rotations import drafted, is_fit, organization, planned

EVIL = "Mo <!channel> <@U0EVIL1> \u202eXYZ"


def test_the_box_is_offered_only_where_it_would_do_something_that_the_rule_does_not() -> None:
    def view(sign_out: bool | None) -> str:
        shown = [replace(each, sign_out=sign_out) for each in planned(2, "Ann", Intent.ROTATE)]
        drawn = previews.preview(drafted(shown), {"operator": "U0ALICE"})
        is_fit(drawn)
        return str(drawn)

    assert ["Sign out everywhere" in view(each) for each in (None, True, False)] == [False, False, True]


def test_what_was_ticked_is_read_from_the_view() -> None:
    box = {
        "rotation.sign_out": {"rotation.sign_out": {"type": "checkboxes", "selected_options": [{"value": "sign_out"}]}}
    }
    assert previews.wants_sign_out({"state": {"values": box}})
    assert not previews.wants_sign_out({"state": {"values": {}}})
    assert not previews.wants_sign_out({})


def test_the_card_says_what_else_is_true_of_what_was_rotated() -> None:
    request = Request(id=7, organization_id=1, requested_by="U0ALICE", by_name=False, plan="", state="ended")
    besides = (f"3 wait for {EVIL}: cloud pending.", "2 could not be signed out of northwind: no permission.")
    stands = Progress(request, organization(), total=5, successful=5, besides=besides)
    for drawn in (rotations.card(stands), rotations.result(stands)):
        is_fit(drawn)
        assert "cloud pending" in str(drawn.blocks)
        assert "could not be signed out" in str(drawn.blocks)


def test_a_cloud_that_does_not_follow_is_one_card_however_many_accounts() -> None:
    drawn = cloud.not_followed(CloudPending(1, EVIL, 12_345, (f"ACME\\{EVIL}",) * 5))
    is_fit(drawn)
    said = str(drawn.blocks)
    assert "12,345 accounts" in said
    assert "password hash synchronization" in said
    assert "Nothing was reset again" in said


def test_the_link_that_mends_a_cause_is_whole() -> None:
    guid = "6f0c1d1e-0000-4000-8000-000000000001"
    link = f"https://login.microsoftonline.com/{guid}/adminconsent?client_id={guid}"
    mend = f"Add User-PasswordProfile.ReadWrite.All to the app registration, and let an administrator consent: {link}"
    request = Request(id=7, organization_id=1, requested_by="U0ALICE", by_name=False, plan="", state="ended")
    cause = Cause(3, 40, Status.MULTI_TENANT_NOT_PERMITTED, "Consent is gone.", mend, Mend.DOCTOR, ("Ann",))
    drawn = rotations.card(Progress(request, organization(), total=40, failed=40, causes=(cause,)))
    is_fit(drawn)
    assert link in str(drawn.blocks)
