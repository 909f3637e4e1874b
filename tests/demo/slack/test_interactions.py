"""A small Bolt app, used by people, in both delivery modes: what they do reaches it, what it says reaches them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

import pytest
import requests
from slack_sdk.errors import SlackApiError

from bot.demo.slack.driver import CouldNot, Driver, Member
from bot.demo.slack.server import RunningSlack

from . import gallery
from .conftest import World, manifest, populate
from .robot import Robot, card, form, signed_http, socket_mode


@dataclass
class Office:
    """Alice and Bob at their keyboards, and the robot that serves them."""

    world: World
    robot: Robot
    driver: Driver
    alice: Member
    bob: Member

    def pass_time(self, seconds: float) -> None:
        """Let so many seconds pass at once."""
        self.world.running.call(lambda: self.world.running.slack.clock.advance(seconds))


@pytest.fixture(params=["socket", "http"])
def office(request: pytest.FixtureRequest) -> Iterator[Office]:
    """The office, with the robot connected one way or the other."""
    robot = Robot()
    connect = socket_mode if request.param == "socket" else signed_http
    with RunningSlack(manifest(socket_mode=request.param == "socket")) as running:
        world = populate(running)
        with connect(running, robot):
            driver = Driver(running)
            yield Office(world, robot, driver, driver.member("alice"), driver.member("bob"))


# Slash commands


def test_a_commands_acknowledgement_is_for_its_sender_alone(office: Office) -> None:
    office.alice.types("/robot hello", in_="#general")
    assert office.alice.sees("you said hello", in_="#general").is_ephemeral
    office.bob.does_not_see("you said hello", in_="#general")
    command = office.robot.commands[0]
    assert (command["command"], command["text"], command["channel_name"]) == ("/robot", "hello", "general")
    assert command["user_id"] == office.alice.id


def test_what_is_typed_arrives_escaped_with_names_as_references(office: Office) -> None:
    office.alice.types("@bob & #random <b>", in_="#general")
    office.alice.sees("@bob & #random <b>", in_="#general")
    office.alice.until(lambda: True if office.robot.heard else None, "the message")
    world = office.world
    assert office.robot.heard[0]["text"] == f"<@{world.bob}> &amp; <#{world.random}> &lt;b&gt;"
    office.alice.types("/robot @bob & co", in_="#general")
    office.alice.sees("you said @bob & co", in_="#general")
    world.running.app.commands["/robot"] = replace(world.running.app.commands["/robot"], should_escape=True)
    office.alice.types("/robot @bob", in_="#general")
    office.alice.until(lambda: True if len(office.robot.commands) == 2 else None, "the command")
    assert [command["text"] for command in office.robot.commands] == ["@bob &amp; co", f"<@{world.bob}|bob>"]


def test_a_command_may_answer_aloud_and_later(office: Office) -> None:
    office.alice.types("/robot aloud", in_="#random")  # the bot is not even in it
    assert not office.bob.sees("said aloud", in_="#random").is_ephemeral
    office.alice.types("/robot later", in_="#random")
    assert office.alice.sees("said later", in_="#random").is_ephemeral
    office.bob.does_not_see("said later", in_="#random")


def test_a_late_a_broken_and_an_unknown_command_say_so(office: Office) -> None:
    office.alice.types("/slow", in_="#general")
    office.pass_time(3.1)
    office.alice.sees("/slow failed because the app did not respond", in_="#general")
    office.robot.may_go_on.set()
    office.alice.types("/nosuch", in_="#general")
    office.alice.sees("/nosuch is not a valid command", in_="#general")
    office.alice.types("/robot bad", in_="#general")
    office.alice.sees("failed with the error “invalid_blocks”", in_="#general")
    office.bob.does_not_see("failed", in_="#general")


def test_a_command_does_not_run_in_a_thread_or_an_archived_channel(office: Office) -> None:
    office.alice.types("/robot card", in_="#general")
    shown = office.alice.sees("Pick something", in_="#general")
    with pytest.raises(CouldNot, match="inside a thread"):
        office.alice.types("/robot hello", in_="#general", under=shown)
    slack = office.world.running.slack
    office.world.running.call(lambda: slack.archive(slack.workspace.channels[office.world.general], office.alice.id))
    with pytest.raises(CouldNot, match="archived"):
        office.alice.types("hello", in_="#general")


# Buttons and menus in messages


def test_a_button_brings_the_whole_state_and_the_app_redraws_the_card(office: Office) -> None:
    office.alice.types("/robot card", in_="#general")
    shown = office.alice.sees("Pick something", in_="#general")
    assert shown.buttons[:2] == ["Approve", "Remove"]
    shown.fill("Words", "some words")  # an input in a message is silent
    shown.fill("color", "Blue")
    shown.press("Approve")
    shown.says("Approved :tada:")
    approved = next(body for body in office.robot.acted if body["actions"][0]["action_id"] == "approve")
    assert approved["actions"][0]["value"] == "7"
    assert approved["container"] == {
        "type": "message",
        "message_ts": shown.ts,
        "channel_id": office.world.general,
        "is_ephemeral": False,
    }
    values = approved["state"]["values"]
    assert values["words"]["typed"] == {"type": "plain_text_input", "value": "some words"}
    assert values["colors"]["color"]["selected_option"]["value"] == "blue"
    assert set(values) == {"words", "colors"}
    assert approved["message"]["ts"] == shown.ts
    assert approved["response_url"].startswith(office.world.running.url)
    with pytest.raises(CouldNot, match="There is no 'Approve' here"):
        shown.press("Approve")


def test_slack_asks_before_a_confirmed_button(office: Office) -> None:
    office.alice.types("/robot card", in_="#general")
    shown = office.alice.sees("Pick something", in_="#general")
    with pytest.raises(CouldNot, match="Slack asks first"):
        shown.press("Remove")
    with pytest.raises(CouldNot, match="does not ask"):
        shown.press("Approve", confirming="Do it")
    shown.press("Remove", confirming="Stop")
    assert office.robot.acted == []
    shown.press("Remove", confirming="Do it")
    office.alice.until(lambda: None if office.robot.acted == [] else True, "the press")
    with pytest.raises(CouldNot, match="not there"):
        shown.says("nothing, for it is gone")


def test_an_overflow_and_a_choice_speak_up_at_once(office: Office) -> None:
    office.alice.types("/robot card", in_="#general")
    shown = office.alice.sees("Pick something", in_="#general")
    shown.press("Move")
    shown.fill("Pick a color", "Green")
    office.alice.until(lambda: True if len(office.robot.acted) == 2 else None, "two actions")
    overflow, select = (body["actions"][0] for body in office.robot.acted)
    assert overflow["selected_option"]["value"] == "move"
    assert select["selected_option"]["value"] == "green"
    assert select["block_id"] == "colors"


def test_a_press_the_app_does_not_answer_is_marked_beside_the_message(office: Office) -> None:
    office.alice.types("/robot card", in_="#general")
    shown = office.alice.sees("Pick something", in_="#general")
    shown.press("Hang")
    office.alice.until(lambda: True if office.world.running.slack.clock else None, "the press")
    office.pass_time(3.1)
    assert "did not respond in time" in shown.warns()
    assert office.bob.sees("Pick something", in_="#general").warning is None


def test_an_app_without_interactivity_or_messages_tab_is_not_reached(office: Office) -> None:
    app = office.world.running.app
    office.alice.types("/robot card", in_="#general")
    shown = office.alice.sees("Pick something", in_="#general")
    app.interactivity = False
    shown.press("Approve")
    assert "not configured" in shown.warns()
    assert office.robot.acted == []
    app.messages_tab = False
    with pytest.raises(CouldNot, match="no Messages tab"):
        office.alice.types("hello", in_="@robot")
    with pytest.raises(SlackApiError, match="messages_tab_disabled"):
        office.world.client.chat_postMessage(channel=office.alice.id, text="hello")


def test_somebody_elses_ephemeral_cannot_be_used(office: Office) -> None:
    office.world.client.chat_postEphemeral(channel=office.world.general, user=office.alice.id, text="x", blocks=card())
    mine = office.alice.sees("Pick something", in_="#general")
    mine.press("Move")
    office.alice.until(lambda: True if office.robot.acted else None, "the press")
    assert office.robot.acted[0]["container"]["is_ephemeral"]
    assert "message" not in office.robot.acted[0]
    office.bob.does_not_see("Pick something", in_="#general")
    theirs = type(mine)(office.bob, office.world.running.slack.workspace.channels[mine.channel].ephemerals[mine.ts])
    with pytest.raises(CouldNot, match="not there"):
        theirs.press("Move")


# Modals


def test_every_kind_of_input_arrives_as_slack_sends_it(office: Office) -> None:
    trigger = office.world.running.slack.triggers.issue(office.alice.id)
    office.world.client.views_open(trigger_id=trigger, view={**gallery.every_input_modal(), "callback_id": "none"})
    modal = office.alice.modal("Every input")
    when = datetime(2026, 3, 14, 9, 30, tzinfo=timezone(timedelta(hours=1)))
    modal.fill("The plain text input", "words").fill("The multiline", "more\nwords")
    modal.fill("The email text input", "a@example.test").fill("The url text input", "https://example.test/")
    modal.fill("The number input", 20).fill("The rich text input", "rich").fill("The file input", ["a.txt"])
    modal.fill("The datetimepicker", when).fill("The datepicker", when.date()).fill("The timepicker", when.time())
    modal.fill("The checkboxes", ["Red", "Blue"]).fill("The radio buttons", "Blue")
    modal.fill("The static select", "Green").fill("The multi static select", ["Red", "Blue"])
    modal.fill("The users select", "bob").fill("The multi users select", ["alice", "bob"])
    modal.fill("The conversations select", "#general").fill("The channels select", "#random")
    modal.fill("The multi channels select", ["#general"]).fill("The multi conversations select", ["#random"])
    values = office.world.running.call(lambda: office.world.running.slack.views.find(modal.id).values())
    flat = {block: state["value"] for block, state in values.items()}
    assert flat["plain_text_input"] == {"type": "plain_text_input", "value": "words"}
    assert flat["number_input"] == {"type": "number_input", "value": "20"}
    assert flat["email_text_input"]["value"] == "a@example.test"
    assert flat["rich_text_input"]["rich_text_value"]["type"] == "rich_text"
    assert flat["datetimepicker"]["selected_date_time"] == int(when.timestamp())
    assert flat["datepicker"]["selected_date"] == "2026-03-14"
    assert flat["timepicker"] == {"type": "timepicker", "selected_time": "09:30", "timezone": "Europe/Berlin"}
    assert [o["value"] for o in flat["checkboxes"]["selected_options"]] == ["red", "blue"]
    assert flat["radio_buttons"]["selected_option"]["value"] == "blue"
    assert [o["value"] for o in flat["multi_static_select"]["selected_options"]] == ["red", "blue"]
    assert flat["users_select"]["selected_user"] == office.bob.id
    assert flat["multi_users_select"]["selected_users"] == [office.alice.id, office.bob.id]
    assert flat["conversations_select"]["selected_conversation"] == office.world.general
    assert flat["channels_select"]["selected_channel"] == office.world.random
    assert flat["multi_channels_select"]["selected_channels"] == [office.world.general]
    assert flat["multi_external_select"]["selected_options"] == []
    assert flat["file_input"]["files"][0]["name"] == "a.txt"


def open_form(office: Office) -> None:
    office.alice.opens("#general")
    office.alice.types("/robot form", in_="#general")


def test_a_submitted_form_arrives_with_its_state_and_closes(office: Office) -> None:
    open_form(office)
    modal = office.alice.modal("Form").fill("Length", 20).fill("Fruit", "Banana", searching="ba")
    modal.submit()
    modal.gone()
    office.alice.sees("Saved 20", in_="@robot")
    (body,) = office.robot.submitted
    values = body["view"]["state"]["values"]
    assert values["length"]["value"] == {"type": "number_input", "value": "20"}
    assert values["fruit"]["fruit"]["selected_option"]["value"] == "banana"
    assert values["where"]["channel"]["selected_conversation"] == office.world.general
    assert values["live"]["live"] == {"type": "plain_text_input", "value": None}
    (url,) = body["response_urls"]
    assert (url["block_id"], url["channel_id"]) == ("where", office.world.general)
    assert office.alice.unread("@robot") == 1
    office.alice.opens("@robot")
    assert office.alice.unread("@robot") == 0


def test_slack_itself_checks_inputs_before_the_app_hears(office: Office) -> None:
    open_form(office)
    modal = office.alice.modal("Form")
    modal.submit()
    assert modal.error("Length") == "Please complete this required field."
    modal.fill("Length", "7").submit()
    assert modal.error("Length") == "Enter a number of at least 8."
    modal.fill("Length", "8.5").submit()
    assert modal.error("Length") == "Enter a whole number."
    modal.fill("Length", "many").submit()
    assert modal.error("Length") == "Enter a number."
    assert office.robot.submitted == []


@pytest.mark.parametrize(
    ("length", "title", "stack"), [("14", "Updated", 1), ("15", "Pushed", 2)], ids=["update", "push"]
)
def test_the_answer_to_a_submission_changes_the_stack(office: Office, length: str, title: str, stack: int) -> None:
    open_form(office)
    office.alice.modal("Form").fill("Length", length).submit()
    office.alice.modal(title)
    assert len(office.world.running.slack.views.stack(office.alice.id)) == stack


def test_an_error_from_the_app_lands_on_the_field_and_goes_with_the_next_try(office: Office) -> None:
    open_form(office)
    modal = office.alice.modal("Form").fill("Length", 13)
    modal.submit()
    assert modal.error("Length") == "Thirteen brings bad luck."
    assert modal.is_open
    modal.fill("Length", 16).submit()
    office.alice.has_no_modal()


def test_a_late_failing_or_confused_app_leaves_the_modal_open_with_an_error(office: Office) -> None:
    open_form(office)
    modal = office.alice.modal("Form").fill("Length", 18)
    modal.submit()
    office.alice.until(lambda: True if office.robot.submitted else None, "the submission", modal)
    office.pass_time(3.1)
    assert "trouble" in modal.trouble()
    office.robot.may_go_on.set()
    modal.fill("Length", 19).submit()
    office.alice.until(lambda: True if len(office.robot.submitted) == 2 else None, "the submission", modal)
    assert "trouble" in modal.trouble()
    modal.fill("Length", 17).submit()
    office.alice.until(lambda: True if len(office.robot.submitted) == 3 else None, "the submission", modal)
    office.pass_time(3.1)
    assert "trouble" in modal.trouble()
    assert modal.is_open
    assert modal.value("Length") == "17"


def test_closing_is_told_to_apps_that_asked(office: Office) -> None:
    open_form(office)
    office.alice.modal("Form").close()
    office.alice.until(lambda: True if office.robot.closed else None, "the closing")
    assert office.robot.closed[0]["is_cleared"] is False
    assert office.robot.closed[0]["type"] == "view_closed"


def test_three_modals_and_no_more_stand_on_each_other(office: Office) -> None:
    open_form(office)
    office.alice.modal("Form").press("Deeper")
    second = office.alice.modal("Form 2")
    second.press("Deeper")
    third = office.alice.modal("Form 3")
    trigger = office.world.running.slack.triggers.issue(office.alice.id, third.id)
    with pytest.raises(SlackApiError, match="push_limit_reached"):
        office.world.client.views_push(trigger_id=trigger, view=form())
    with pytest.raises(CouldNot, match="not in front"):
        second.submit()
    third.close()
    assert office.alice.modal().id == second.id
    second.close(everything=True)
    office.alice.has_no_modal()
    office.alice.until(lambda: True if len(office.robot.closed) == 3 else None, "three closings")
    assert [body["is_cleared"] for body in office.robot.closed] == [False, True, True]


def test_a_search_as_you_type_menu_asks_the_app(office: Office) -> None:
    open_form(office)
    modal = office.alice.modal("Form")
    assert modal.options("Fruit", searching="a") == []  # below min_query_length
    assert modal.options("Fruit", searching="ap") == ["Apple", "Apricot"]
    with pytest.raises(CouldNot, match="'Date' is not offered"):
        modal.fill("Fruit", "Date", searching="ch")
    with pytest.raises(CouldNot, match="invalid_options"):
        modal.options("Fruit", searching="wrong")


def test_an_input_that_dispatches_speaks_while_the_modal_is_open(office: Office) -> None:
    open_form(office)
    modal = office.alice.modal("Form").fill("Length", 20).fill("Live", "now")
    office.alice.until(lambda: True if office.robot.acted else None, "the dispatch", modal)
    (body,) = office.robot.acted
    assert body["actions"][0]["value"] == "now"
    assert body["view"]["state"]["values"]["length"]["value"]["value"] == "20"
    assert body["container"] == {"type": "view", "view_id": modal.id}
    assert "response_url" not in body


# Views by API


def test_a_trigger_lives_three_seconds_and_works_once(office: Office) -> None:
    slack, client = office.world.running.slack, office.world.client
    trigger = slack.triggers.issue(office.alice.id)
    client.views_open(trigger_id=trigger, view=form())
    for wrong, expected in ((trigger, "exchanged_trigger_id"), ("1.2.3", "invalid_trigger_id")):
        with pytest.raises(SlackApiError, match=expected):
            client.views_open(trigger_id=wrong, view=form())
    late = slack.triggers.issue(office.alice.id)
    office.pass_time(3.1)
    with pytest.raises(SlackApiError, match="expired_trigger_id"):
        client.views_open(trigger_id=late, view=form())


def test_views_are_updated_by_id_external_id_and_hash(office: Office) -> None:
    slack, client = office.world.running.slack, office.world.client
    trigger = slack.triggers.issue(office.alice.id)
    first = client.views_open(trigger_id=trigger, view=form(external_id="mine"))["view"]
    office.alice.modal("Form").fill("Length", 21)
    second = client.views_update(view_id=first["id"], hash=first["hash"], view=form("Second", external_id="mine"))[
        "view"
    ]
    assert office.alice.modal("Second").value("Length") == "21"  # what was typed stays
    for arguments, expected in (
        ({"view_id": first["id"], "hash": first["hash"]}, "hash_conflict"),
        ({"view_id": "V404"}, "not_found"),
        ({"external_id": "other"}, "not_found"),
        ({}, "invalid_arguments"),
    ):
        with pytest.raises(SlackApiError, match=expected):
            client.api_call("views.update", json={"view": form(), **arguments})
    assert second["hash"] != first["hash"]
    client.views_update(external_id="mine", view=form("Third"))
    office.alice.modal("Third")
    client.views_update(view_id=first["id"], view=form("Third", external_id="mine"))
    with pytest.raises(SlackApiError, match="duplicate_external_id"):
        client.views_open(trigger_id=slack.triggers.issue(office.bob.id), view=form(external_id="mine"))


def test_a_view_slack_would_refuse_is_not_shown(office: Office) -> None:
    slack, client = office.world.running.slack, office.world.client
    no_submit = {key: value for key, value in form().items() if key != "submit"}
    for view, expected in (
        (no_submit, "invalid_arguments"),
        ({**gallery.home()}, "invalid_arguments"),
        (
            {**form(), "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "é" * 2900}}] * 50},
            "view_too_large",
        ),
    ):
        with pytest.raises(SlackApiError, match=expected):
            client.views_open(trigger_id=slack.triggers.issue(office.alice.id), view=view)
    with pytest.raises(SlackApiError, match="not_found"):
        client.views_push(trigger_id=slack.triggers.issue(office.alice.id), view=form())
    office.alice.has_no_modal()


# Home, shortcuts, events


def test_home_is_published_used_and_personal(office: Office) -> None:
    home = office.alice.opens_home().says("Welcome")
    home.press("Count up")
    home.says("Pressed 1 times")
    assert office.world.running.slack.views.home(office.bob.id) is None
    event = office.robot.heard[0]
    assert (event["type"], event["tab"], "view" in event) == ("app_home_opened", "home", False)
    office.alice.opens_home()
    office.alice.until(lambda: True if "view" in office.robot.heard[-1] else None, "the second opening")
    with pytest.raises(SlackApiError, match="hash_conflict"):
        office.world.client.views_publish(user_id=office.alice.id, view=gallery.home(), hash="0.0")


def test_shortcuts_of_both_kinds_reach_the_app(office: Office) -> None:
    office.alice.runs("Start")
    office.alice.modal("Started").close()
    office.alice.types("the original", in_="#general")
    office.alice.sees("the original", in_="#general").shortcut("About this")
    assert office.alice.sees("That was: the original", in_="#general").is_ephemeral
    with pytest.raises(CouldNot, match="no global shortcut"):
        office.alice.runs("Stop")


def test_what_happens_in_the_workspace_reaches_the_app(office: Office) -> None:
    slack, alice, bob = office.world.running.slack, office.alice, office.bob
    general = slack.workspace.channels[office.world.general]

    def heard(event_type: str, **fields: object) -> None:
        def look() -> bool | None:
            events = [one for one in list(office.robot.heard) if one["type"] == event_type]
            return True if any(all(one.get(k) == v for k, v in fields.items()) for one in events) else None

        alice.until(look, f"{event_type} {fields} to reach the app")

    alice.types("hello @robot", in_="#general")
    heard("message", user=alice.id, channel_type="channel")
    heard("app_mention", user=alice.id)
    alice.sees("You called, @alice?", in_="#general")
    alice.types("psst", in_="@robot")
    heard("message", channel_type="im", text="psst")
    bob.leaves("#general")
    heard("member_left_channel", user=bob.id)
    bob.joins("#general")
    heard("member_joined_channel", user=bob.id)
    alice.invites("robot", to="#random")
    heard("member_joined_channel", user="U0PRETENDB", inviter=alice.id)
    office.world.running.call(lambda: slack.deactivate(slack.workspace.person(office.bob.id)))
    heard("user_change")
    office.world.running.call(lambda: slack.rename(general, "everybody"))
    heard("channel_rename")
    office.world.running.call(lambda: slack.share_outside(general))
    heard("channel_shared", channel=general.id)
    office.world.running.call(lambda: slack.archive(general, alice.id))
    heard("channel_archive", channel=general.id)
    assert office.world.running.call(lambda: slack.emit("team_join")) is False  # the manifest does not ask for it
    with pytest.raises(CouldNot, match="deactivated"):
        bob.types("still here?", in_="#random")
    office.world.running.call(slack.uninstall)
    heard("tokens_revoked")
    heard("app_uninstalled")
    with pytest.raises(SlackApiError, match="token_revoked"):
        office.world.client.auth_test()


# response_url


def test_a_response_url_works_five_times_in_thirty_minutes(office: Office) -> None:
    office.alice.types("/robot hello", in_="#general")
    office.alice.sees("you said hello", in_="#general")
    url = office.robot.commands[0]["response_url"]
    for number in range(5):
        assert requests.post(url, json={"text": f"answer {number}"}, timeout=5).text == "ok"
    assert requests.post(url, json={"text": "six"}, timeout=5).json() == {"ok": False, "error": "used_url"}
    assert office.alice.sees("answer 4", in_="#general").is_ephemeral
    office.alice.types("/robot again", in_="#general")
    office.alice.sees("you said again", in_="#general")
    late = office.robot.commands[1]["response_url"]
    assert requests.post(late, data="{nonsense", timeout=5).json()["error"] == "invalid_payload"
    office.pass_time(30 * 60 + 1)
    assert requests.post(late, json={"text": "late"}, timeout=5).json()["error"] == "expired_url"
    gone = requests.post(late + "x", json={"text": "?"}, timeout=5)
    assert (gone.status_code, gone.json()["error"]) == (404, "invalid_token")


def test_a_person_is_told_what_they_could_not_have_done(office: Office) -> None:
    with pytest.raises(CouldNot, match="knows nobody and no conversation"):
        office.bob.types("hello", in_="#secret")
    office.driver.patience = 0.05
    with pytest.raises(CouldNot, match=r"(?s)Waited .* for 'never' in #general. On screen:\n\(nothing\)"):
        office.alice.sees("never", in_="#general")
    with pytest.raises(CouldNot, match="a modal Nope"):
        office.alice.modal("Nope")
    with pytest.raises(CouldNot, match="nobody called"):
        office.driver.member("zoe")
