"""A pretend Slack, a database, and the outbox between them, on a clock that can be moved for all three."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from slack_sdk import WebClient
from sqlmodel import Session, select

from blocks.channels import channel_notice
from blocks.drawn import Drawn
from blocks.parts import escape, section
from bot import channels
from bot.demo.slack.pretend import PretendSlack
from bot.demo.slack.server import RunningSlack
from bot.demo.slack.traffic import Exchange
from bot.demo.slack.workspace import Message
from bot.notices import Draw, Notices
from bot.slack import Slack
from storage.database import Database
from storage.facts import find_fact, set_fact
from storage.grants import operators_with, set_operators
from storage.models import Notice, Organization, Outbox, Role, now
from storage.notices import get_notice, post, touch

MANIFEST = yaml.safe_load((Path(__file__).parents[2] / "app_manifest.yaml").read_text("utf-8"))
CARD = "card"


def draw_card(session: Session, notice: Notice) -> Drawn:
    """Shows the fact of the card's subject: whoever changes it touches the card."""
    text = find_fact(session, f"card {notice.subject}") or "nothing yet"
    return Drawn(text, [section(escape(text))])


def draw_channel(session: Session, notice: Notice) -> Drawn:
    return channel_notice(channels.standing(session, notice))


DRAWS: Mapping[str, Draw] = {CARD: draw_card, channels.KIND: draw_channel, channels.NAME_KIND: draw_channel}


class PostRoom:
    """Acme Dental's channel is #acme. `alice` is administrator everywhere, `vic` viewer of Acme Dental."""

    def __init__(self, running: RunningSlack, database: Database) -> None:
        self.running = running
        self.slack: PretendSlack = running.slack
        self.faults = running.slack.faults
        self._ahead = timedelta()
        self.database = database
        self.ids: dict[str, str] = running.call(self._people)
        with self.database.writing() as session:
            acme = Organization(name="Acme Dental", name_key="acme dental", channel=self.ids["#acme"])
            session.add(acme)
            session.flush()
            self.acme = acme.id
            set_operators(session, Role.ADMINISTRATOR, None, [self.ids["alice"]])
            set_operators(session, Role.VIEWER, acme.id, [self.ids["vic"]])
        self.outbox = self.another_outbox()

    def _people(self) -> dict[str, str]:
        workspace, ids = self.slack.workspace, {}
        for name in ("alice", "vic", "sid"):
            ids[name] = workspace.add_person(name, name.capitalize()).id
        everybody = [*ids.values(), self.running.app.bot_user_id]
        for name in ("acme", "globex"):
            ids[f"#{name}"] = workspace.add_channel(name, everybody).id
        return ids

    def another_outbox(self, draws: Mapping[str, Draw] = DRAWS) -> Notices:
        """What a process has that empties the outbox."""
        client = WebClient(self.running.app.bot_token, base_url=self.running.api_url, timeout=10, retry_handlers=[])
        return Notices(self.database, Slack(client), draws, clock=self.now)

    # ---- time ----------------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """Everybody's clock."""
        return now() + self._ahead

    def advance(self, seconds: float) -> None:
        """Let time pass, here and in Slack."""
        self._ahead += timedelta(seconds=seconds)
        self.running.call(lambda: self.slack.clock.advance(seconds))

    def drain(self, until: Callable[[], bool] | None = None, *, step: float = 1.0, steps: int = 200) -> int:
        """Drain, let time pass, drain …, until so; by default until nothing is owed. How many steps it took."""
        for taken in range(steps):
            self.outbox.drain()
            if (until or self.nothing_owed)():
                return taken
            self.advance(step)
        raise AssertionError(f"After {steps} steps of {step} s it is not so: {[vars(each) for each in self.notices()]}")

    def viewers_too(self, *names: str) -> None:
        """These may see Acme Dental, besides vic."""
        with self.database.writing() as session:
            viewers = {*operators_with(session, Role.VIEWER, self.acme), *(self.ids[name] for name in names)}
            set_operators(session, Role.VIEWER, self.acme, viewers)

    # ---- what Rekey has -------------------------------------------------------------------------------------------

    def card(self, text: str, subject: int = 1, where: str = "#acme") -> int:
        """Have a card posted that shows this text; its id."""
        with self.database.writing() as session:
            set_fact(session, f"card {subject}", text)
            address = self.ids[where]
            return post(session, kind=CARD, subject=subject, address=address, organization_id=self.acme).id

    def changes(self, text: str, subject: int = 1) -> None:
        """What the card shows is another text now."""
        with self.database.writing() as session:
            set_fact(session, f"card {subject}", text)
            touch(session, CARD, subject)

    def notice(self, notice_id: int) -> Notice:
        with self.database.reading() as session:
            return get_notice(session, notice_id)

    def notices(self) -> list[Notice]:
        with self.database.reading() as session:
            return list(session.exec(select(Notice).order_by(Notice.id)))  # type: ignore[arg-type]

    def nothing_owed(self) -> bool:
        return all(each.sent >= each.wanted for each in self.notices())

    def standing(self) -> Outbox:
        with self.database.reading() as session:
            return session.get_one(Outbox, "slack")

    # ---- what Slack has -------------------------------------------------------------------------------------------

    def messages(self, where: str = "#acme") -> list[Message]:
        """What the bot posted there, oldest first; in the direct messages with somebody, by their name."""
        return self.running.call(lambda: self._messages(where))

    def _messages(self, where: str) -> list[Message]:
        workspace, bot = self.slack.workspace, self.running.app.bot_user_id
        channel = (
            workspace.channels[self.ids[where]] if where.startswith("#") else workspace.direct(bot, self.ids[where])
        )
        return [each for each in channel.messages.values() if each.user == bot and each.subtype is None]

    def texts(self, where: str = "#acme") -> list[str]:
        return [each.text for each in self.messages(where)]

    def calls(self, method: str) -> list[Exchange]:
        """What was called over the wire, whatever came of it."""
        return self.running.call(lambda: list(self.slack.traffic.named(method)))

    def in_slack(self, change: Callable[[], Any]) -> Any:
        """Do something in the pretend Slack's own thread."""
        return self.running.call(change)


@contextmanager
def open_post_room(database: Database) -> Iterator[PostRoom]:
    """A post room on this empty, migrated database."""
    with RunningSlack(MANIFEST) as running:
        yield PostRoom(running, database)
