"""The page, in a real browser: a person gets their work done with it, with a mouse, a keyboard or a screen reader."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from bot.demo.slack.driver import Driver
from bot.demo.slack.server import RunningSlack
from bot.demo.slack.workspace import Message

from . import gallery
from .conftest import World, manifest, populate
from .robot import Robot, socket_mode

pytestmark = pytest.mark.browser

SERIOUS = ("serious", "critical")


@dataclass
class Desk:
    """Alice's browser, and everything behind it."""

    page: Page
    world: World
    robot: Robot
    driver: Driver

    def channel(self, name: str = "general") -> None:
        """Choose a channel in the sidebar."""
        self.page.get_by_role("navigation", name="Conversations").get_by_role("button", name=name).click()
        expect(self.page.get_by_role("heading", level=1)).to_contain_text(name)

    def types(self, text: str) -> None:
        """Type into the composer of the channel and send."""
        composer = self.page.get_by_label("Message #general")
        composer.fill(text)
        composer.press("Enter")

    def message(self, words: str) -> Locator:
        """The latest message with these words."""
        return self.page.get_by_role("article").filter(has_text=words).last

    def dialog(self, name: str) -> Locator:
        """An open dialog by its title."""
        return self.page.get_by_role("dialog", name=name, exact=True)


def no_serious_fault(page: Page, where: str) -> None:
    """Fail with axe-core's words if it finds a serious or critical accessibility fault."""
    results = Axe().run(page, options={"resultTypes": ["violations"]})
    faults = [
        f"{fault['impact']} {fault['id']}: {fault['help']}: {[node['target'] for node in fault['nodes']][:4]}"
        for fault in results.response["violations"]
        if fault["impact"] in SERIOUS
    ]
    assert not faults, f"{where}:\n" + "\n".join(faults)


@pytest.fixture
def desk(chromium: Browser) -> Iterator[Desk]:
    """Alice in front of #general, with the robot connected; the page must not complain in its console."""
    robot = Robot()
    with RunningSlack(manifest()) as running:
        world = populate(running)
        with socket_mode(running, robot):
            context = chromium.new_context(viewport={"width": 1280, "height": 860}, color_scheme="light")
            context.route("https://example.test/**", lambda route: route.fulfill(content_type="image/png", body=PIXEL))
            page = context.new_page()
            complaints: list[str] = []
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
            page.set_default_timeout(8_000)
            page.goto(running.url)
            expect(page.get_by_role("heading", level=1)).to_have_text("#general")
            yield Desk(page, world, robot, Driver(running))
            context.close()
            assert complaints == []


PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360f8cfc0f01f00050001ff9e5c6e1a0000000049454e44ae426082"
)


def test_a_card_a_confirm_and_a_command(desk: Desk) -> None:
    desk.types("/robot card")
    card = desk.message("Pick something")
    card.get_by_role("button", name="Remove").click()
    asked = desk.dialog("Are you sure?")
    expect(asked).to_contain_text("This cannot be undone.")
    asked.get_by_role("button", name="Stop").click()
    expect(asked).to_be_hidden()
    assert desk.robot.acted == []
    card.get_by_label("Words (optional)").fill("typed by Alice")
    card.get_by_role("combobox", name="Pick a color").click()
    desk.page.get_by_role("option", name="Green").click()
    card.get_by_role("button", name="More options").click()
    desk.page.get_by_role("menuitem", name="Move").click()
    card.get_by_role("button", name="Approve").click()
    expect(desk.message("Approved")).to_contain_text("Approved 🎉")
    actions = {body["actions"][0]["action_id"]: body for body in desk.robot.acted}
    assert actions["more"]["actions"][0]["selected_option"]["value"] == "move"
    assert actions["color"]["actions"][0]["selected_option"]["value"] == "green"
    assert actions["approve"]["state"]["values"]["words"]["typed"]["value"] == "typed by Alice"
    desk.types("/robot card")
    desk.message("Pick something").get_by_role("button", name="Remove").click()
    desk.dialog("Are you sure?").get_by_role("button", name="Do it").click()
    expect(desk.page.get_by_text("Pick something")).to_have_count(0)


def test_a_form_with_an_error_on_a_field_and_a_search(desk: Desk) -> None:
    desk.types("/robot form")
    form = desk.dialog("Form")
    form.get_by_label("Length").fill("13")
    fruit = form.get_by_role("combobox", name="Fruit")
    fruit.fill("a")
    expect(form.get_by_text("Type at least 2 characters")).to_be_visible()
    fruit.fill("ap")
    desk.page.get_by_role("option", name="Apricot").click()
    form.get_by_role("button", name="Save").click()
    expect(form.get_by_text("Thirteen brings bad luck.")).to_be_visible()
    length = form.get_by_label("Length")
    expect(length).to_have_attribute("aria-invalid", "true")
    expect(length).to_have_accessible_description("Thirteen brings bad luck.")
    expect(length).to_be_focused()
    expect(fruit).to_have_value("Apricot")
    length.fill("20")
    form.get_by_role("button", name="Save").click()
    expect(form).to_be_hidden()
    values = desk.robot.submitted[-1]["view"]["state"]["values"]
    assert values["length"]["value"]["value"] == "20"
    assert values["fruit"]["fruit"]["selected_option"]["value"] == "apricot"
    assert values["where"]["channel"]["selected_conversation"] == desk.world.general
    app = desk.page.get_by_role("navigation").get_by_role("button", name="Robot 1 unread")
    app.click()
    desk.page.get_by_role("tab", name="Messages").click()
    expect(desk.message("Saved 20")).to_be_visible()
    expect(desk.page.get_by_role("navigation").get_by_role("button", name="Robot", exact=True)).to_be_visible()


def test_a_modal_with_every_input(desk: Desk) -> None:
    slack = desk.world.running.slack
    trigger = slack.triggers.issue(desk.world.alice)
    view_id = desk.world.client.views_open(trigger_id=trigger, view=gallery.every_input_modal())["view"]["id"]
    modal = desk.dialog("Every input")

    def text(name: str, value: str) -> None:
        modal.get_by_label(f"The {name} (optional)", exact=True).fill(value)

    def choose(name: str, *options: str) -> None:
        for option in options:
            modal.get_by_role("combobox", name=f"The {name} (optional)", exact=True).click()
            modal.get_by_role("option", name=option).first.click()

    no_serious_fault(desk.page, "the modal")
    text("plain text input", "words")
    text("multiline", "more\nwords")
    text("email text input", "a@example.test")
    text("url text input", "https://example.test/")
    text("number input", "20")
    text("rich text input", "some *bold* words")
    text("datepicker", "2026-03-14")
    text("timepicker", "10:45")
    text("datetimepicker", "2026-03-14T10:45")
    modal.get_by_label("The file input").set_input_files({"name": "a.txt", "mimeType": "text/plain", "buffer": b"a"})
    boxes = modal.get_by_role("group", name="The checkboxes")
    boxes.get_by_label("Red").uncheck()
    boxes.get_by_label("Blue").check()
    modal.get_by_role("radiogroup", name="The radio buttons").get_by_label("Blue").check()
    choose("static select", "Green")
    choose("multi static select", "Red", "Blue")
    choose("users select", "Bob Brown")
    choose("multi users select", "Alice Adams", "Bob Brown")
    choose("conversations select", "#general")
    choose("multi conversations select", "#random")
    choose("channels select", "#random")
    choose("multi channels select", "#general", "#random")

    def flat() -> dict[str, object]:
        values = desk.world.running.call(lambda: slack.views.find(view_id).values())
        shown = {}
        for block, state in values.items():
            value = {key: item for key, item in state["value"].items() if key not in ("type", "timezone")}
            (shown[block],) = value.values()
        return shown

    last = ("multi_channels_select", "value")
    desk.driver.member("alice").until(
        lambda: True if len(slack.views.find(view_id).entered.get(last, [])) == 2 else None, "everything to arrive"
    )
    got = flat()
    expected = {
        "plain_text_input": "words",
        "multiline": "more\nwords",
        "email_text_input": "a@example.test",
        "url_text_input": "https://example.test/",
        "number_input": "20",
        "datepicker": "2026-03-14",
        "timepicker": "10:45",
        "users_select": desk.world.bob,
        "multi_users_select": [desk.world.alice, desk.world.bob],
        "conversations_select": desk.world.general,
        "multi_conversations_select": [desk.world.random],
        "channels_select": desk.world.random,
        "multi_channels_select": [desk.world.general, desk.world.random],
    }
    assert {name: got[name] for name in expected} == expected
    values_of = {name: got[name] for name in ("checkboxes", "multi_static_select")}
    assert [[one["value"] for one in chosen] for chosen in values_of.values()] == [["blue"], ["red", "blue"]]  # type: ignore[attr-defined]
    assert "'bold': True" in str(got["rich_text_input"])
    assert "a.txt" in str(got["file_input"])


def test_home_is_live_and_a_direct_message_marks_itself_unread(desk: Desk) -> None:
    desk.page.get_by_role("navigation").get_by_role("button", name="Robot").click()
    expect(desk.page.get_by_role("heading", name="Welcome")).to_be_visible()
    for count in (1, 2):
        desk.page.get_by_role("button", name="Count up").click()
        expect(desk.page.get_by_role("heading", name=f"Pressed {count} times")).to_be_visible()
    no_serious_fault(desk.page, "Home")
    desk.driver.member("bob").types("psst", in_="@alice")
    bob = desk.page.get_by_role("navigation").get_by_role("button", name="Bob Brown 1 unread")
    bob.click()
    expect(desk.message("psst")).to_be_visible()
    expect(bob).to_have_count(0)


def test_threads_ephemerals_and_acting_as_somebody_else(desk: Desk) -> None:
    desk.types("a question :eyes:")
    desk.message("a question").hover()
    desk.page.get_by_role("listitem").filter(has_text="a question").get_by_role(
        "button", name="Reply in thread"
    ).click()
    thread = desk.page.get_by_role("region", name="Thread", exact=True)
    thread.get_by_label("Reply…").fill("an answer")
    thread.get_by_label("Reply…").press("Enter")
    expect(thread.get_by_role("article")).to_have_count(2)
    expect(desk.page.get_by_role("button", name="1 reply")).to_be_visible()
    no_serious_fault(desk.page, "the thread")
    desk.types("/robot hello")
    mine = desk.message("you said hello")
    expect(mine).to_contain_text("Only visible to you")
    desk.page.get_by_label("Acting as").select_option("Bob Brown")
    expect(desk.message("a question 👀")).to_be_visible()
    expect(desk.page.get_by_text("you said hello")).to_have_count(0)
    expect(desk.page.get_by_role("navigation").get_by_text("secret")).to_have_count(0)


def test_the_inspector_shows_the_traffic(desk: Desk) -> None:
    desk.types("/robot hello")
    expect(desk.message("you said hello")).to_be_visible()
    desk.page.get_by_role("button", name="Inspector").click()
    inspector = desk.page.get_by_role("region", name="Inspector")
    row = inspector.get_by_role("listitem").filter(has_text="/robot")
    row.locator("summary").click()
    expect(row.get_by_text('"command": "/robot"')).to_be_visible()
    expect(row.get_by_text("you said *hello*")).to_be_visible()
    inspector.get_by_label("Filter the traffic").fill("apps.connections")
    expect(row).to_have_count(0)
    no_serious_fault(desk.page, "the inspector")


def test_everything_can_be_done_with_the_keyboard_alone(desk: Desk) -> None:
    keys = desk.page.keyboard
    desk.page.get_by_label("Message #general").focus()
    keys.type("/ro")
    expect(desk.page.get_by_role("option", name="/robot")).to_be_visible()
    keys.press("Tab")
    keys.type("form")
    keys.press("Enter")
    form = desk.dialog("Form")
    expect(form.get_by_label("Length")).to_be_focused()
    keys.type("20")
    keys.press("Tab")
    expect(form.get_by_role("combobox", name="Fruit")).to_be_focused()
    keys.type("ap")
    expect(desk.page.get_by_role("option", name="Apricot")).to_be_visible()
    keys.press("ArrowDown")
    keys.press("Enter")
    expect(form.get_by_role("combobox", name="Fruit")).to_have_value("Apricot")
    form.get_by_label("Length").focus()
    keys.press("Enter")
    expect(form).to_be_hidden()
    desk.driver.member("alice").sees("Saved 20", in_="@robot")
    keys.press("Shift+Tab")
    desk.page.get_by_label("Message #general").focus()
    keys.type("/robot form")
    keys.press("Enter")
    expect(desk.dialog("Form")).to_be_visible()
    keys.press("Escape")
    expect(desk.dialog("Form")).to_be_hidden()


def test_a_modal_stack_and_an_app_that_does_not_answer(desk: Desk) -> None:
    desk.types("/robot form")
    desk.dialog("Form").get_by_role("button", name="Deeper").click()
    second = desk.dialog("Form 2")
    second.get_by_role("button", name="Back").click()
    form = desk.dialog("Form")
    form.get_by_label("Length").fill("18")
    form.get_by_role("button", name="Save").click()
    expect(form.get_by_role("button", name="Sending…")).to_be_disabled()
    desk.world.running.call(lambda: desk.world.running.slack.clock.advance(3.1))
    expect(form.get_by_role("alert")).to_contain_text("trouble")
    expect(form.get_by_label("Length")).to_have_value("18")
    form.get_by_role("button", name="Close all").click()
    expect(form).to_be_hidden()


@pytest.mark.parametrize("colors", ["light", "dark"])
def test_every_block_is_shown_without_a_serious_fault(desk: Desk, colors: str) -> None:
    for blocks in gallery.every_message():
        desk.world.client.chat_postMessage(channel=desk.world.general, text="everything", blocks=blocks)
    expect(desk.page.get_by_text("a quote")).to_be_visible()
    if colors == "dark":
        desk.page.get_by_role("button", name="Switch to dark colors").click()
    # Every block and every element of the validator has been drawn by name, none as "(type)".
    expect(desk.page.locator(".unknown")).to_have_count(0)
    for block in {one["type"] for blocks in gallery.every_message() for one in blocks}:
        expect(desk.page.locator(f".block-{block}").first).to_be_attached()
    expect(desk.page.get_by_text("Tuesday, November 14th, 2023 at 10:13")).to_be_visible()
    expect(desk.page.get_by_role("table", name="People")).to_be_visible()
    expect(desk.page.get_by_role("img", name="rocket")).to_have_text("🚀")
    no_serious_fault(desk.page, f"every block in {colors}")


def test_ten_thousand_messages_do_not_slow_the_channel_down(desk: Desk) -> None:
    slack = desk.world.running.slack

    def fill() -> None:
        for number in range(10_000):
            slack.workspace.post(
                Message(slack.workspace.new_ts(), desk.world.random, desk.world.bob, f"number {number}")
            )

    desk.world.running.call(fill)
    desk.channel("random")
    expect(desk.page.get_by_text("number 9999")).to_be_visible()
    assert desk.page.get_by_role("article").count() == 50
    desk.page.get_by_role("button", name="Load earlier messages").click()
    expect(desk.page.get_by_role("article")).to_have_count(100)


def test_a_permalink_leads_to_its_message_however_far_back(desk: Desk) -> None:
    client, general = desk.world.client, desk.world.general
    root = client.chat_postMessage(channel=general, text="the root")["ts"]
    reply = client.chat_postMessage(channel=general, text="the reply", thread_ts=root)["ts"]
    for number in range(60):
        client.chat_postMessage(channel=general, text=f"later {number}")
    desk.page.goto(client.chat_getPermalink(channel=general, message_ts=root)["permalink"])
    expect(desk.message("the root")).to_be_in_viewport()
    desk.page.goto(client.chat_getPermalink(channel=general, message_ts=reply)["permalink"])
    expect(desk.page.get_by_role("region", name="Thread", exact=True)).to_contain_text("the reply")


def test_hostile_text_stays_text(desk: Desk) -> None:
    hostile = "<script>alert(1)</script> <javascript:alert(1)|click> &lt;img src=x onerror=alert(1)&gt; *_~nested~_*"
    desk.world.client.chat_postMessage(channel=desk.world.general, text=hostile)
    message = desk.message("nested")
    expect(message).to_contain_text("<img src=x onerror=alert(1)>")
    expect(message.get_by_role("link")).to_have_count(0)
    expect(message.locator("strong em s")).to_have_text("nested")
    expect(desk.page.locator("script:not([src])")).to_have_count(0)
