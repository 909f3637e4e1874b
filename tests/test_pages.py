"""The pages in a real browser: what a person does with them on a phone and at a desk, and what stays afterwards."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlmodel import select

from bot import step_up
from bot.demo.practice_faults import Fault
from bot.web.server import Web
from bot.web.site import site
from storage.models import Link, Record
from tests.handlers.office import open_office
from tests.ports import free_port
from tests.test_web import PASSWORD, Site

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 375, "height": 667}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
DESK = {"viewport": {"width": 1280, "height": 800}}
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>\u202eevil"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    port = free_port()
    with (
        open_office(tmp_path_factory.mktemp("office"), connected=False, http_port=port) as office,
        pytest.MonkeyPatch.context() as patched,
    ):
        office.approve_all("acme")
        patched.setattr(step_up, "now", CLOCK)
        with Web(site(office.services), port):
            yield Site(office, f"http://127.0.0.1:{port}")


@pytest.fixture(params=[PHONE, DESK], ids=["phone", "desk"])
def context(request: pytest.FixtureRequest, chromium: Browser, web: Site) -> Iterator[BrowserContext]:
    context = chromium.new_context(**request.param, color_scheme="dark" if request.param is PHONE else "light")
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=web.url)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    ours = [each for each in complaints if "status of 4" not in each]  # the browser notes every refusal in its console
    assert not ours, "the browser complained (a broken script, or the content security policy)"


class Clock:
    """The time the step-up goes by: half a minute later for every code, so that none has to be waited for."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.at


CLOCK = Clock()


class Phone:
    """Somebody's authenticator app: every code it is asked for is one it never showed."""

    def __init__(self, secret: str) -> None:
        self._app = pyotp.TOTP(secret)

    def code(self) -> str:
        CLOCK.at += timedelta(seconds=30)
        return self._app.at(CLOCK.at)


def enrol(page: Page, web: Site, who: str) -> Phone:
    """What a newcomer does with the code they were given."""
    page.goto(f"{web.url}/enrol")
    page.get_by_label("The one-time code").fill(web.enrolment(who).lower())
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading")).to_have_text("Scan this with your authenticator app")
    expect(page.get_by_role("img")).to_be_visible()
    assert page.evaluate("document.getElementById('picture').naturalWidth") > 100, "the QR code is really drawn"
    phone = Phone(page.locator("#secret").inner_text().replace(" ", ""))
    page.get_by_label("The code your app shows then").fill(phone.code())
    fits(page)
    page.get_by_role("button", name="Finish").click()
    expect(page.get_by_role("heading")).to_have_text("Your authenticator is set up")
    return phone


def fits(page: Page) -> None:
    """Nothing has to be scrolled sideways, and axe-core finds nothing serious."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it is wider than the screen"
    violations = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    assert not [each["help"] for each in violations if each["impact"] in ("serious", "critical")]


def shown(page: Page) -> str:
    return page.locator("#password").inner_text()


def test_a_password_is_shown_copied_read_aloud_and_gone(page: Page, web: Site) -> None:
    phone = enrol(page, web, "tina")
    page.goto(f"{web.url}/reveal#{web.token()}")
    fits(page)
    code = page.get_by_label("The code your authenticator app shows now")
    expect(code).to_be_focused()
    code.fill("000000")
    page.get_by_role("button", name="Show it").click()
    expect(page.get_by_role("alert").first).to_contain_text("That code is wrong")
    code.fill(phone.code())
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Alice O'Brien")).to_be_visible()
    assert shown(page) == PASSWORD
    assert "#" not in page.url, "the used link is not left in the address bar"
    fits(page)
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == PASSWORD
    page.get_by_role("button", name="Read it aloud").click()
    read = page.locator("#aloud li span").all_inner_texts()
    assert read[:5] == ["CAPITAL OSCAR", "small lima", "small delta", "hyphen", "CAPITAL ALFA"]
    assert len(read) == len(PASSWORD)
    fits(page)
    page.get_by_role("button", name="Done, hide it").click()
    expect(page.get_by_role("heading", name="The password is hidden")).to_be_visible()
    assert PASSWORD not in page.content()
    page.go_back()
    page.go_forward()
    assert PASSWORD not in page.content()


def test_leaving_the_page_takes_the_password_off_it(page: Page, web: Site) -> None:
    phone = enrol(page, web, "tina")
    page.goto(f"{web.url}/reveal#{web.token()}")
    page.get_by_label("The code your authenticator app shows now").fill(phone.code())
    page.get_by_role("button", name="Show it").click()
    expect(page.locator("#password")).to_have_text(PASSWORD)
    page.evaluate(
        """() => { Object.defineProperty(document, "visibilityState", { get: () => "hidden" });
                   document.dispatchEvent(new Event("visibilitychange")); }"""
    )
    expect(page.locator("#ended-reason")).to_contain_text("You left this page")
    assert PASSWORD not in page.content()


def test_two_minutes_later_it_is_gone_by_itself(page: Page, web: Site) -> None:
    phone = enrol(page, web, "tina")
    page.clock.install()
    page.goto(f"{web.url}/reveal#{web.token()}")
    page.get_by_label("The code your authenticator app shows now").fill(phone.code())
    page.get_by_role("button", name="Show it").click()
    expect(page.locator("#password")).to_have_text(PASSWORD)
    page.clock.fast_forward(121_000)
    expect(page.locator("#ended-reason")).to_contain_text("Two minutes are over")
    assert PASSWORD not in page.content()


def test_a_used_link_says_so_and_one_without_its_secret_part_says_what_to_do(page: Page, web: Site) -> None:
    phone = enrol(page, web, "tina")
    token = web.token()
    for _ in range(2):
        page.goto("about:blank")
        page.goto(f"{web.url}/reveal#{token}")
        page.get_by_label("The code your authenticator app shows now").fill(phone.code())
        page.get_by_role("button", name="Show it").click()
        expect(page.locator("#ask")).to_be_hidden()
    expect(page.locator("#ended-reason")).to_contain_text("each works once")
    page.goto(f"{web.url}/reveal")
    expect(page.locator("#ended-reason")).to_contain_text("/rotate show")
    fits(page)


def test_names_from_outside_are_text_and_nothing_else(page: Page, web: Site) -> None:
    phone = enrol(page, web, "tina")
    token = web.token()
    with web.office.services.database.writing() as session:
        link = session.exec(select(Link).order_by(Link.id.desc())).first()  # type: ignore[attr-defined]
        assert link is not None
        record = session.get_one(Record, link.record_id)
        before = record.name
        record.name = record.url = HOSTILE
        session.add(record)
    try:
        page.goto(f"{web.url}/reveal#{token}")
        page.get_by_label("The code your authenticator app shows now").fill(phone.code())
        page.get_by_role("button", name="Show it").click()
        expect(page.locator("#record")).to_contain_text("<img src=x")
        assert page.locator("main img, main script").count() == 0
        assert "owned" not in page.title()
    finally:
        with web.office.services.database.writing() as session:
            record = session.get_one(Record, record.id)
            record.name, record.url = before, None
            session.add(record)


def test_a_page_in_a_frame_is_not_drawn(context: BrowserContext, web: Site) -> None:
    page = context.new_page()
    page.goto(f"{web.url}/health")
    page.route("**/trap", lambda route: route.fulfill(body=f"<iframe src='{web.url}/reveal'></iframe>"))
    page.goto(f"{web.url}/trap")
    frame = page.frames[-1]
    page.wait_for_load_state("networkidle")
    assert "authenticator" not in frame.content()


def test_a_directory_is_connected_once_it_agrees(page: Page, web: Site, request: pytest.FixtureRequest) -> None:
    phone = enrol(page, web, "alice")
    name = f"branch-{request.node.callspec.id}"
    domain = web.office.domains["acme-ad"]
    web.office.domains[name] = domain  # type: ignore[index]
    page.goto(f"{web.url}/credential#{web.credential_token(name)}")
    expect(page.get_by_role("heading", name=f"Connect {name}")).to_be_visible()
    fits(page)
    domain.fails("check", with_=Fault.SIGN_IN_REFUSED)
    page.get_by_label("The code your authenticator app shows now").fill(phone.code())
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_role("alert").first).to_contain_text("Nothing was stored")
    fits(page)
    page.get_by_label("The code your authenticator app shows now").fill(phone.code())
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_role("heading", name="Connected")).to_be_visible()
    expect(page.locator("#saved-words")).to_contain_text(re.compile(rf"{name} of Acme Dental is connected"))
    fits(page)
