"""Whatever happens to an organization's channel, its administrators hear of it, and nothing that was for it is lost."""

from bot.demo.slack.workspace import Channel
from storage.models import Notice
from storage.notices import post, undelivered
from tests.handlers.office import Office


def acme(office: Office) -> Channel:
    return office.running.slack.workspace.channels[str(office.organization("acme").channel)]


def test_archived_it_is_said_at_once_and_said_again_when_it_is_over(office: Office) -> None:
    slack = office.running.slack
    with office.at_work():
        office.call(lambda: slack.archive(acme(office), office.bob.id))
        office.alice.sees("The channel was archived", in_="@rekey")
        office.bob.sees("/rotate setup", in_="@rekey")
        office.call(lambda: slack.unarchive(acme(office), office.bob.id))
        office.alice.sees("Rekey can post in", in_="@rekey")
    office.tina.does_not_see("Rekey can post in", in_="@rekey")  # a technician


def test_taken_out_of_the_channel_rekey_keeps_what_was_for_it_until_it_is_back(office: Office) -> None:
    slack, bot = office.running.slack, office.running.app.bot_user_id
    organization = office.organization("acme")
    with office.at_work():
        office.call(lambda: slack.leave(acme(office), bot))
        office.alice.sees("Rekey is not in the channel", in_="@rekey")
        with office.services.database.writing() as session:
            post(session, kind="channel", subject=organization.id, address=str(organization.channel),
                 organization_id=organization.id, view={"cause": "", "channel": organization.channel})  # fmt: skip

        def kept() -> list[Notice] | None:
            with office.services.database.reading() as session:
                return undelivered(session, [organization.id]) or None

        office.alice.until(kept, "the card to be kept")
        office.call(lambda: slack.join(acme(office), bot))
        office.alice.sees("Rekey can post in", in_="#acme")
        office.alice.sees("Rekey can post in", in_="@rekey")


def test_somebody_else_leaving_is_no_trouble(office: Office) -> None:
    slack = office.running.slack
    with office.at_work():
        office.call(lambda: slack.leave(acme(office), office.vic.id))
        office.call(lambda: slack.archive(acme(office), office.bob.id))
        office.alice.sees("The channel was archived", in_="@rekey")
    assert "is not in the channel" not in office.everything_slack_saw()


def test_shared_with_another_company_it_is_said_that_nothing_is_posted_there(office: Office) -> None:
    slack = office.running.slack
    with office.at_work():
        office.call(lambda: slack.share_outside(acme(office)))
        office.alice.sees("another company", in_="@rekey")
        channel = acme(office).id
        office.call(lambda: slack.emit("channel_unshared", channel=channel, is_ext_shared=True))
        office.call(lambda: slack.emit("channel_rename", channel={"id": channel, "name": "acme"}))  # comes after it
        office.alice.sees("There is nothing to do", in_="@rekey")
        office.alice.does_not_see("Rekey can post in", in_="@rekey")
        office.call(lambda: slack.emit("channel_unshared", channel=channel, is_ext_shared=False))
        office.alice.sees("Rekey can post in", in_="@rekey")


def test_renamed_it_is_said_that_there_is_nothing_to_do(office: Office) -> None:
    slack = office.running.slack
    with office.at_work():
        office.call(lambda: slack.rename(acme(office), "acme-dental"))
        office.alice.sees("There is nothing to do", in_="@rekey")


def test_a_channel_that_is_no_organizations_concerns_nobody(office: Office) -> None:
    slack = office.running.slack
    general = office.call(lambda: slack.workspace.channel_named("general"))
    with office.at_work():
        office.call(lambda: slack.rename(general, "everybody"))
        office.call(lambda: slack.archive(acme(office), office.bob.id))
        office.alice.sees("The channel was archived", in_="@rekey")
    assert "everybody" not in str(office.call(lambda: [vars(each) for each in slack.traffic.named("chat.postMessage")]))
