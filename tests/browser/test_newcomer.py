"""A newcomer's story: from an empty page to a password that signs in, without reading anything else."""

import ssl

import ldap3
import pytest
from playwright.sync_api import BrowserContext, expect

from bot.demo.live import LiveDemo
from bot.demo.samba import PORT, SambaDomain
from tests.browser.conftest import Camera, Phone
from tests.browser.desk import Desk

pytestmark = pytest.mark.browser


def test_a_newcomer_matches_rotates_and_is_shown_a_password_that_signs_in(
    real_demo: LiveDemo, head_office: SambaDomain, context: BrowserContext, phone: Phone, camera: Camera
) -> None:
    desk = Desk.in_front_of(real_demo, context)
    _matches(desk, camera)
    _rotates_all(desk, camera)
    _enrols(context, real_demo, phone)
    password = _is_shown_a_password(context, desk, phone, camera)

    assert _signs_in(head_office, "alice.obrien", password)
    assert not _signs_in(head_office, "j.müller", password), "it is Alice O'Brien's alone"
    assert password not in real_demo.slack.call(lambda: repr(list(map(vars, real_demo.slack.slack.traffic.exchanges))))


def _matches(desk: Desk, camera: Camera) -> None:
    desk.types("/rotate match")
    card = desk.card("Matches of Bright Smile Dental")
    card.get_by_role("button", name=r"Approve BRIGHT\alice.obrien", exact=True).click()
    expect(card).to_contain_text("approved by @Alice Morgan")
    card.get_by_role("button", name=r"Ignore BRIGHT\svc-backup", exact=True).click()
    expect(card).to_contain_text("Ignored by @Alice Morgan")
    card.get_by_role("heading").scroll_into_view_if_needed()
    camera.takes("matches", desk.page)
    card.get_by_role("button", name="Approve all exact").click()
    desk.page.get_by_role("button", name="Approve all", exact=True).click()
    expect(card.get_by_role("button", name="Approve all exact")).to_have_count(0)


def _rotates_all(desk: Desk, camera: Camera) -> None:
    desk.types("/rotate all")
    preview = desk.window("Rotate passwords")
    expect(preview.get_by_role("button", name="Rotate 4", exact=True)).to_be_visible()
    camera.takes("preview", desk.page)
    desk.confirms("Rotate 4", "Started")
    expect(desk.card("Rotated 4 passwords")).to_be_visible(timeout=30_000)


def _enrols(context: BrowserContext, demo: LiveDemo, phone: Phone) -> None:
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
    result.get_by_role("button", name="Open Alice O'Brien").click()
    record = desk.page.get_by_role("dialog")
    expect(record).to_contain_text("Successful")
    record.get_by_role("button", name="Show password once").click()
    link = desk.window("Show a password").get_by_role("button", name="Open the page")
    expect(link).to_be_visible()
    with context.expect_page() as opened:
        link.click()
    page = opened.value
    expect(page.get_by_role("heading", name="Show a password, once")).to_be_visible()
    page.get_by_label("The code your authenticator app shows now").fill(phone.code())
    page.get_by_role("button", name="Show it").click()
    expect(page.get_by_role("heading", name="Alice O'Brien")).to_be_visible()
    password = page.locator("#password").inner_text()
    assert len(password) >= 20
    camera.takes("password", page.get_by_role("main"))
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
