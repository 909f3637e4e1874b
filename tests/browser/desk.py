"""What a person does in front of the pretend Slack's page."""

from typing import Self

from playwright.sync_api import BrowserContext, Locator, Page, expect

from bot.demo.live import LiveDemo


class Desk:
    """Somebody in front of the pretend Slack's page."""

    def __init__(self, page: Page) -> None:
        self.page = page

    @classmethod
    def in_front_of(cls, demo: LiveDemo, context: BrowserContext) -> Self:
        """As Alice Morgan, where the demo begins."""
        page = context.new_page()
        page.goto(demo.url)
        expect(page.get_by_role("heading", level=1)).to_have_text("#bright-smile")
        expect(page.get_by_label("Acting as").locator("option:checked")).to_have_text("Alice Morgan")
        return cls(page)

    def becomes(self, real_name: str) -> None:
        """Somebody else, by “Acting as”."""
        self.page.get_by_label("Acting as").select_option(label=real_name)

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

    def whole(self, card: Locator) -> Locator:
        """The message with whose it is."""
        return card.locator("xpath=ancestor::li[1]")

    def window(self, title: str) -> Locator:
        """An open modal or question."""
        return self.page.get_by_role("dialog", name=title)

    def approves_all_exact(self) -> None:
        """`/rotate match`, the button, and yes."""
        self.types("/rotate match")
        card = self.card("Matches of")
        card.get_by_role("button", name="Approve all exact").click()
        self.page.get_by_role("button", name="Approve all", exact=True).click()
        expect(card.get_by_role("button", name="Approve all exact")).to_have_count(0)

    def confirms(self, button: str, said: str) -> None:
        """The preview that is open, and puts the window away once it says what comes next."""
        window = self.page.get_by_role("dialog")
        window.get_by_role("button", name=button, exact=True).click()
        expect(window).to_contain_text(said)
        window.get_by_role("button", name="Close", exact=True).last.click()
        expect(window).to_be_hidden()
