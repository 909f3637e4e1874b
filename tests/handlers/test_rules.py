"""`/rotate rules`: who may, what is shown live, errors on their field, two editors at once, deleting."""

from typing import Any

from sqlmodel import select

from bot.passwords import PasswordPolicy
from bot.rules import values_of
from storage.connections import connections_of
from storage.models import DirectoryPolicies, Rule
from storage.rules import GLOBAL, rules_by_scope
from tests.handlers.office import Office


def rule_of(office: Office, organization: str | None = None) -> Rule | None:
    scope = office.organization(organization).uid if organization else GLOBAL
    with office.services.database.reading() as session:
        return rules_by_scope(session, [scope]).get(scope)


def until(office: Office, event: str, many: int = 1) -> None:
    office.alice.until(lambda: True if len(office.audit(event)) >= many else None, f"{event} in the trail")


def directory_wants(office: Office, organization: str, **demands: Any) -> None:
    """What the organization's directory showed when it was last read."""
    policy = PasswordPolicy(sources=("The domain's password policy asks for more.",), **demands)
    with office.services.database.writing() as session:
        [(_, connection)] = connections_of(session, "directory", [office.organization(organization).id])
        session.merge(DirectoryPolicies(connection_id=connection.id, policies=[policy.to_json()]))


def test_only_administrators_see_rules_and_an_organizations_channel_is_about_its_own(office: Office) -> None:
    office.tina.types("/rotate rules", in_="#acme")
    office.tina.sees("Ask an administrator", in_="#acme")
    office.alice.types("/rotate rules", in_="#acme")
    office.alice.modal().says("Holds for 2 organizations").says("Give Acme Dental a rule of its own")


def test_an_organization_gets_a_rule_of_its_own_and_a_schedule_and_the_list_says_so(office: Office) -> None:
    office.alice.types("/rotate rules", in_="#acme")
    listed = office.alice.modal()
    listed.press("Give Acme Dental a rule of its own")
    form = office.alice.modal("Edit the rule").says("The rule of Acme Dental")
    form.fill("Fewest characters", "24")
    form.fill("Rotate", "On days of the week")
    form.says("Only within these windows")
    form.fill("On", ["Mon", "Thu"]).fill("Only within these windows", "22:00-04:00")
    form.fill("Which accounts", ["Shared accounts", "Privileged accounts"])
    form.submit()
    until(office, "rule.changed")
    office.alice.modal("Rules").says("Saved.").says("every Monday, Thursday").says("24 characters or more")
    rule = rule_of(office, "acme")
    assert rule is not None
    assert (rule.length, rule.weekdays, rule.windows, rule.scheduled) == (24, ["mon", "thu"], ["22:00-04:00"], True)
    assert rule.tiers == ["shared", "privileged"]


def test_errors_land_on_their_field_and_nothing_is_saved(office: Office) -> None:
    office.alice.types("/rotate rules", in_="#acme")
    office.alice.modal().press("Edit")
    form = office.alice.modal("Edit the rule")
    form.fill("Rotate", "Every so many days")
    form.says("Days after the last rotation")
    form.fill("Only within these windows", "at night").fill("Fewest characters", "7")
    form.submit()
    assert "8 to 127" in form.error("Fewest characters")
    form.fill("Fewest characters", "20").submit()
    assert "no window" in form.error("Only within these windows")
    form.fill("Only within these windows", "22:00-04:00").fill("Days after the last rotation", "500")
    form.submit()
    assert "1 to 365" in form.error("Days after the last rotation")
    assert office.audit("rule.changed") == []


def test_it_is_said_live_which_directory_wants_more_and_the_rule_is_raised_to_it(office: Office) -> None:
    directory_wants(office, "acme", length=30, classes=3)
    directory_wants(office, "globex", length=10)
    office.alice.types("/rotate rules", in_="#acme")
    office.alice.modal().press("Edit")
    form = office.alice.modal("Edit the rule").says("Weaker than what directories want").says("Acme Dental")
    assert "Globex" not in form.text
    form.fill("Fewest characters", "31")
    form.says("At least as strict as 2 directories")
    form.fill("Fewest characters", "12")
    form.says("Weaker than what directories want")
    form.fill("Fewest characters", "7")
    form.says("makes no rule yet")
    form.fill("Fewest characters", "12")
    form.says("Weaker than what directories want").press("Raise the rule to it")
    form.says("Raised to what the directories want")
    assert form.value("Fewest characters") == "30"
    form.submit()
    until(office, "rule.changed")
    rule = rule_of(office)
    assert rule is not None
    assert rule.length == 30


def test_a_directory_nobody_has_read_is_said_not_to_be_known(office: Office) -> None:
    with office.services.database.writing() as session:
        for each in session.exec(select(DirectoryPolicies)).all():
            session.delete(each)
    office.alice.types("/rotate rules", in_="#acme")
    office.alice.modal().press("Edit")
    office.alice.modal("Edit the rule").says("Not known").says("It was not read yet")


def test_of_two_editors_the_second_is_told_and_loses_nothing_typed(office: Office) -> None:
    forms = {}
    for who in (office.alice, office.bob):
        who.types("/rotate rules", in_="#general")
        who.modal().press("Edit")
        forms[who.id] = who.modal("Edit the rule")
    forms[office.alice.id].fill("Fewest characters", "25").submit()
    until(office, "rule.changed")
    bobs = forms[office.bob.id].fill("Fewest characters", "40").fill("Only these symbols", "!#")
    bobs.submit()
    bobs.says("changed this rule since you opened it").says("25 characters or more")
    assert (bobs.value("Fewest characters"), bobs.value("Only these symbols")) == ("40", "!#")
    rule = rule_of(office)
    assert rule is not None
    assert rule.length == 25
    bobs.submit()
    until(office, "rule.changed", 2)
    rule = rule_of(office)
    assert rule is not None
    assert (rule.length, rule.symbols) == (40, "!#")


def test_deleting_says_for_how_many_records_and_puts_them_under_the_rule_for_everybody(office: Office) -> None:
    office.approve_all("acme")
    office.alice.types("/rotate rules", in_="#general")
    listed = office.alice.modal()
    listed.fill("rule.new", "Acme Dental", searching="acme")
    office.alice.modal("Edit the rule").says("The rule of Acme Dental").fill("Fewest characters", "33").submit()
    until(office, "rule.changed")
    listed = office.alice.modal("Rules")
    listed.says("33 characters or more").press("Delete…")
    office.alice.modal("Delete the rule?").says("goes back under the rule for everybody, with 5 records").submit()
    until(office, "rule.deleted")
    office.alice.modal("Rules").says("5 records are concerned")
    assert rule_of(office, "acme") is None


def test_a_forged_form_changes_nothing(office: Office) -> None:
    office.alice.types("/rotate rules", in_="#acme")
    office.alice.modal().press("Edit")
    office.alice.modal("Edit the rule").fill("Fewest characters", "26").submit()
    until(office, "rule.changed")
    forged = office.last("view_submission")
    forged["trigger_id"] = "forged"
    forged["user"]["id"] = office.tina.id
    forged["view"]["private_metadata"] = forged["view"]["private_metadata"].replace(office.alice.id, office.tina.id)
    rule = rule_of(office)
    assert rule is not None
    before = values_of(rule)
    office.deliver(forged)
    after = rule_of(office)
    assert after is not None
    assert values_of(after) == before
    office.alice.until(lambda: True if office.audit("slack.refused") else None, "the refusal in the trail")
