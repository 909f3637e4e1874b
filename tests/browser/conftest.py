"""The demo with a real domain behind it where Samba is installed, a browser in front of it, and a camera."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page

from bot import step_up
from bot.demo.live import LiveDemo
from bot.demo.samba import SambaDomain, why_not
from bot.demo.sample_company import sample_company
from tests.real.parts import missing

LARGEST_PICTURE = 200_000
_IN_THE_COLORS_OF = """scheme => {  // as the page's own button does; behind an open window it cannot be pressed
  document.documentElement.dataset.theme = scheme;
  const button = document.getElementById("theme");
  if (button) button.textContent = scheme === "dark" ? "Light" : "Dark";
}"""


class Camera:
    """Takes the README's pictures where REKEY_PICTURES names a folder for them; elsewhere it is out of film."""

    def __init__(self) -> None:
        folder = os.environ.get("REKEY_PICTURES")
        self._folder = Path(folder) if folder else None

    def takes(self, name: str, what: Page | Locator) -> None:
        """A picture of this, in light and dark where the page knows both."""
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        page = what if isinstance(what, Page) else what.page
        page.mouse.move(0, 0)  # nothing is hovered over
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
            page.evaluate(_IN_THE_COLORS_OF, scheme)
            file = self._folder / f"{name}-{scheme}.png"
            what.screenshot(path=file, animations="disabled", caret="hide")
            assert file.stat().st_size < LARGEST_PICTURE, f"{file} has {file.stat().st_size} bytes"


class Phone:
    """Somebody's authenticator app. Half a minute passes between any two of its codes: none works twice."""

    def __init__(self, patched: pytest.MonkeyPatch) -> None:
        self._at = datetime.now(UTC)
        self._app: pyotp.TOTP | None = None
        patched.setattr(step_up, "now", lambda: self._at)

    def learns(self, key: str) -> None:
        """Scan, or type, a key."""
        self._app = pyotp.TOTP(key.replace(" ", ""))

    def code(self) -> str:
        """What it shows now."""
        assert self._app is not None
        self._at += timedelta(seconds=30)
        return self._app.at(self._at)


@pytest.fixture
def camera() -> Camera:
    """For the README."""
    return Camera()


@pytest.fixture
def phone(monkeypatch: pytest.MonkeyPatch) -> Phone:
    """Alice's."""
    return Phone(monkeypatch)


@pytest.fixture
def head_office() -> Iterator[SambaDomain]:
    """A real domain with the head office's people; the tests fail (CI=true) or skip where there can be none."""
    lacking = why_not()
    if lacking:
        missing(lacking)
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="rekey-samba-")))
        yield opened.enter_context(SambaDomain(folder, sample_company().head_office))


@pytest.fixture
def real_demo(head_office: SambaDomain) -> Iterator[LiveDemo]:
    """The demo on that domain."""
    with LiveDemo(head_office.as_directory()) as demo:
        yield demo


@pytest.fixture
def practice_demo() -> Iterator[LiveDemo]:
    """The demo as `make demo` opens it."""
    with LiveDemo() as demo:
        yield demo


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """A browser that nobody used before; its pages must not complain in their consoles."""
    context = chromium.new_context(viewport={"width": 1180, "height": 860}, color_scheme="light")
    context.set_default_timeout(10_000)
    complaints: list[str] = []
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    yield context
    context.close()
    assert complaints == []
