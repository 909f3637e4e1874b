"""What comes after the first day: many at once, failures and what mends them, an administrator's account."""

import pytest
from playwright.sync_api import BrowserContext, expect

from bot.demo.live import LiveDemo
from tests.browser.conftest import Camera
from tests.browser.desk import Desk

pytestmark = pytest.mark.browser

PATIENCE = 40_000


def test_a_whole_company_is_one_card_and_what_failed_is_tried_again_by_one_button(
    practice_demo: LiveDemo, context: BrowserContext, camera: Camera
) -> None:
    desk = Desk.in_front_of(practice_demo, context)
    desk.opens("harbor-foods")
    desk.approves_all_exact()
    desk.types("/rotate all")
    desk.confirms("Rotate 168", "Started")
    under_way = desk.card("Rotating 168 passwords")
    expect(under_way).to_contain_text("done")
    camera.takes("under-way", desk.whole(under_way))
    card = desk.card("Rotated 160 of 168 passwords")
    expect(card).to_be_visible(timeout=PATIENCE)
    expect(card).to_contain_text("For example: dc1.harbor.example does not let Rekey reset HARBOR\\")
    camera.takes("failed", desk.whole(card))

    for account in practice_demo.domains["harbor"].all_accounts():
        account.resettable = True  # somebody grants the right
    card.get_by_role("button", name="Retry all 8 that failed").click()
    desk.window("Rotate again?").get_by_role("button", name="Retry").click()
    expect(desk.card("Rotated 168 passwords")).to_be_visible(timeout=PATIENCE)


def test_an_administrators_account_waits_for_a_second_administrator(
    practice_demo: LiveDemo, context: BrowserContext, camera: Camera
) -> None:
    desk = Desk.in_front_of(practice_demo, context)
    desk.approves_all_exact()
    desk.types("/rotate now Tom Baker")
    desk.confirms("Rotate", "The other administrators are asked")
    expect(desk.card("Waiting for a second administrator")).to_be_visible()
    assert practice_demo.domains["head-office"].count("set_password") == 0

    desk.becomes("Bob Keller")
    desk.opens("Rekey")
    desk.page.get_by_role("tab", name="Messages").click()
    asked = desk.card("Tom Baker")
    expect(asked.get_by_role("button", name="Agree")).to_be_visible()
    camera.takes("approval", desk.whole(asked))
    asked.get_by_role("button", name="Agree").click()
    desk.window("Agree?").get_by_role("button", name="Agree").click()
    desk.opens("bright-smile")
    expect(desk.card("Rotated one password")).to_be_visible(timeout=PATIENCE)
    assert practice_demo.domains["head-office"].count("set_password") == 1
