"""A newcomer's story: from an empty page to a password that signs in, without reading anything else."""

import ssl

import ldap3
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from bot.demo.live import LiveDemo
from bot.demo.samba import PORT, SambaDomain
from tests.browser.conftest import Camera, Phone

pytestmark = pytest.mark.browser


class Desk:
    """Somebody in front of the pretend Slack's page."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def opens(self, place: str) -> None:
        """A channel, or the app."""
        self.page.get_by_role("navigation", name="Conversations").get_by_role("button", name=place).click()
        expect(self.page.get_by_role("heading", level=1)).to_contain_text(place)

    def types(self, text: str) -> None:
        """Into the composer."""
        composer = self.page.get_by_label("Message #")
        composer.fill(text)
        composer.press("Enter")

    def card(self, words: str) -> Locator:
        """The latest message with these words."""
        return self.page.get_by_role("article").filter(has_text=words).last

    def window(self, title: str) -> Locator:
        """An open modal or question."""
        return self.page.get_by_role("dialog", name=title)


def test_a_newcomer_matches_rotates_and_is_shown_a_password_that_signs_in(
    real_demo: LiveDemo, head_office: SambaDomain, context: BrowserContext, phone: Phone, camera: Camera
) -> None:
    page = context.new_page()
    desk = Desk(page)
    page.goto(real_demo.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("#bright-smile")
    expect(page.get_by_label("Acting as").locator("option:checked")).to_have_text("Alice Morgan")

    _matches(desk, camera)
    _rotates_all(desk, camera)
    _enrols(context, real_demo, phone, camera)
    password = _is_shown_a_password(context, desk, phone, camera)

    assert _signs_in(head_office, "alice.obrien", password)
    assert not _signs_in(head_office, "j.müller", password), "it is Alice O'Brien's alone"


def _matches(desk: Desk, camera: Camera) -> None:
    desk.types("/rotate match")
    card = desk.card("Matches of Bright Smile Dental")
    card.get_by_role("button", name=r"Approve BRIGHT\alice.obrien", exact=True).click()
    expect(card).to_contain_text("approved by @Alice Morgan")
    card.get_by_role("button", name=r"Ignore BRIGHT\svc-backup", exact=True).click()
    expect(card).to_contain_text("Ignored by @Alice Morgan")
    card.scroll_into_view_if_needed()
    camera.takes("matches", desk.page)
    card.get_by_role("button", name="Approve all exact").click()
    desk.page.get_by_role("button", name="Approve all", exact=True).click()
    expect(card.get_by_role("button", name="Approve all exact")).to_have_count(0)


def _rotates_all(desk: Desk, camera: Camera) -> None:
    desk.types("/rotate all")
    preview = desk.window("Rotate passwords")
    expect(preview.get_by_role("button", name="Rotate 4", exact=True)).to_be_visible()
    camera.takes("preview", desk.page)
    preview.get_by_role("button", name="Rotate 4", exact=True).click()
    expect(preview).to_contain_text("Started")
    preview.get_by_role("button", name="Close", exact=True).last.click()
    expect(desk.card("Rotated 4 passwords")).to_be_visible(timeout=30_000)
    camera.takes("rotated", desk.page)


def _enrols(context: BrowserContext, demo: LiveDemo, phone: Phone, camera: Camera) -> None:
    page = context.new_page()
    page.goto(f"{demo.pages}/enrol")
    page.get_by_label("The one-time code").fill(demo.codes["alice"].get_secret_value())
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading")).to_have_text("Scan this with your authenticator app")
    phone.learns(page.locator("#secret").inner_text())
    page.get_by_label("The code your app shows then").fill(phone.code())
    page.get_by_role("button", name="Finish").click()
    expect(page.get_by_role("heading")).to_have_text("Your authenticator is set up")
    page.close()


def _is_shown_a_password(context: BrowserContext, desk: Desk, phone: Phone, camera: Camera) -> str:
    desk.opens("Rekey")
    desk.page.get_by_role("tab", name="Messages").click()
    result = desk.card("Rotated 4 passwords")
    expect(result).to_be_visible()
    camera.takes("result", desk.page)
    result.get_by_role("button", name="Open Alice O'Brien").click()
    record = desk.page.get_by_role("dialog")
    expect(record).to_contain_text("Successful")
    camera.takes("record", desk.page)
    record.get_by_role("button", name="Show password once").click()
    link = desk.window("Show a password").get_by_role("button", name="Open the page")
    expect(link).to_be_visible()
    camera.takes("link", desk.page)
    with context.expect_page() as opened:
        link.click()
    page = opened.value
    expect(page.get_by_role("heading", name="Show a password, once")).to_be_visible()
    camera.takes("step-up", page)
    page.get_by_label("The code your authenticator app shows now").fill(phone.code())
    page.get_by_role("button", name="Show it").click()
    expect(page.get_by_role("heading", name="Alice O'Brien")).to_be_visible()
    password = page.locator("#password").inner_text()
    assert len(password) >= 20
    camera.takes("password", page)
    page.get_by_role("button", name="Done, hide it").click()
    expect(page.get_by_role("heading", name="The password is hidden")).to_be_visible()
    assert password not in page.content()
    return password


def _signs_in(domain: SambaDomain, username: str, password: str) -> bool:
    """A simple bind over LDAPS, as any program of the company would do it."""
    tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=str(domain.ca_file), valid_names=[domain.tls_name])
    server = ldap3.Server(domain.host, PORT, use_ssl=True, tls=tls, get_info=ldap3.NONE)
    connection = ldap3.Connection(server, f"{username}@{domain.realm}", password)
    try:
        return bool(connection.bind())
    finally:
        connection.unbind()
