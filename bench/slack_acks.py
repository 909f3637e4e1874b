"""How soon a click is acknowledged while Rekey is busy: 200 clicks on review cards while 5,000 rotations run.

Rekey runs in a process of its own, on SQLite, in Socket Mode; the pretend Slack and the people who click in this one.
The directories are pretended too, each write as slow as a real controller's.
"""

import multiprocessing
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient
from sqlmodel import Session, select

from bot import app as composition
from bot.demo.practice_directory import PracticeDirectory
from bot.demo.practice_domain import PracticeDomain
from bot.demo.practice_faults import Slow
from bot.demo.slack.driver import Driver, Member
from bot.demo.slack.server import RunningSlack
from bot.demo.slack.traffic import Exchange
from bot.demo.slack.workspace import Message
from bot.discovery import sync
from bot.keys import keys_init
from bot.matching import review
from bot.organizations import bring_in
from bot.permissions import cli_operator, operator_named
from bot.rotation import requests
from bot.services import Services
from bot.settings import Settings
from bot.vaults.csv_file import read_csv
from bot.vaults.embedded import import_records
from storage.connections import add_connections
from storage.matches import match_rows
from storage.models import Connection, MatchState, Organization, Rotation

ROTATIONS = 5_000
CLICKS = 200
CLICKS_A_SECOND = 5.0
CLINICS = 5
PER_CLINIC = 60
LATENCY = timedelta(milliseconds=25)
WANTED_SECONDS = 0.5
_AFTERWARDS = 5.0
"""What was acknowledged is done right after; so long it may take the last clicks."""

MANIFEST: dict[str, Any] = yaml.safe_load((Path(__file__).parents[1] / "app_manifest.yaml").read_text("utf-8"))
_BUSY = "busy"


def run() -> Iterator[str]:
    """The acknowledgements of all clicks, and whether each of them did what it was to do."""
    with RunningSlack(MANIFEST) as running, tempfile.TemporaryDirectory(prefix="rekey-bench-") as folder:
        channels = running.call(lambda: _people(running))
        ours, theirs = multiprocessing.Pipe()
        tokens = running.app.bot_token, running.app.app_token, running.app.signing_secret
        spawned = multiprocessing.get_context("spawn")
        arguments = (theirs, Path(folder), running.api_url, tokens, channels)
        process = spawned.Process(target=_rekey, args=arguments, daemon=True)
        process.start()
        ours.recv()  # set up and connected
        alice = Driver(running, patience=30).member("alice")
        for number in range(CLINICS):
            alice.types("/rotate match", in_=f"#clinic{number}")
            alice.sees("to review", in_=f"#clinic{number}")
        ours.send("rotate")
        open_before: int = ours.recv()
        seconds = _click(running, alice)
        exchanges = running.call(lambda: running.slack.traffic.named("block_actions"))
        edits = running.call(lambda: _times_edited(running, channels[_BUSY]))
        time.sleep(_AFTERWARDS)
        ours.send("count")
        counts: Mapping[str, int] = ours.recv()
        ours.send("stop")
        process.join(60)
    yield from _figures(exchanges, counts, open_before, seconds)
    closest = min((later - earlier for earlier, later in pairwise(edits)), default=0.0)
    yield f"the card of these rotations was edited {len(edits)} times meanwhile, never less than {closest:.2f} s apart"


def _times_edited(running: RunningSlack, channel: str) -> list[float]:
    """When the cards of this channel were edited, in seconds."""
    return [each.at for each in running.slack.traffic.named("chat.update") if each.sent["channel"] == channel]


def _figures(exchanges: Sequence[Exchange], counts: Mapping[str, int], opened: int, seconds: float) -> Iterator[str]:
    took = sorted(each.seconds for each in exchanges)
    lost = [each for each in exchanges if "not_acknowledged" in each.answer]
    decisions = sum(each.sent["actions"][0]["action_id"] in ("match.approve", "match.ignore") for each in exchanges)
    p50, p99 = took[len(took) // 2], took[int(len(took) * 0.99) - 1]
    yield (
        f"{len(took)} clicks in {seconds:.0f} s: acknowledged in {p50 * 1000:.0f} ms usually, {p99 * 1000:.0f} ms p99 "
        f"(goal: below {WANTED_SECONDS * 1000:.0f}), {took[-1] * 1000:.0f} ms at worst; {len(lost)} not acknowledged"
    )
    yield f"{decisions} decisions pressed, {counts['decided']} decided"
    done = opened - counts["open"]
    yield f"meanwhile {done} rotations of {opened} done, {counts['open']} still under way ({done / seconds:.0f}/s)"


# ---- the people ------------------------------------------------------------------------------------------------------


def _people(running: RunningSlack) -> dict[str, str]:
    workspace, bot = running.slack.workspace, running.app.bot_user_id
    ids = {"alice": workspace.add_person("alice").id}
    for name in (_BUSY, *(f"clinic{number}" for number in range(CLINICS))):
        ids[name] = workspace.add_channel(name, [ids["alice"], bot]).id
    return ids


@dataclass(frozen=True)
class _Button:
    channel: str
    ts: str
    block_id: str
    action_id: str
    value: str


def _click(running: RunningSlack, alice: Member) -> float:
    """Click at a steady pace, whatever the answers take: decisions, and other pages when a page is decided."""
    began, pressed = time.monotonic(), set[str]()
    pending = []
    for number in range(CLICKS):
        time.sleep(max(0.0, began + number / CLICKS_A_SECOND - time.monotonic()))
        button = _next(running, pressed)
        while button is None:
            time.sleep(0.05)
            button = _next(running, pressed)
        pressed.add(f"{button.action_id} {button.value}")
        pressed |= {f"{each} {button.value}" for each in ("match.approve", "match.ignore")}
        there = (alice.id, button.channel, button.ts, button.block_id, button.action_id)
        pending.append(running.start(running.interactions.act_in_message(*there)))
    for each in pending:
        each.result(30)
    return time.monotonic() - began


def _next(running: RunningSlack, pressed: set[str]) -> _Button | None:
    """A button nobody pressed yet; the first undecided row of any card, else another page of one that is decided."""

    def look() -> _Button | None:
        buttons = [button for channel in running.slack.workspace.channels.values() for button in _on(channel.messages)]
        fresh = [each for each in buttons if f"{each.action_id} {each.value}" not in pressed]
        rows = [each for each in fresh if each.action_id in ("match.approve", "match.ignore")]
        turns = [each for each in fresh if each.action_id.startswith("match.card:")]
        return next(iter(rows or turns), None)

    return running.call(look)


def _on(messages: Mapping[str, Message]) -> Iterator[_Button]:
    for message in messages.values():
        for block in message.blocks:
            for element in block.get("elements", ()):
                if element.get("type") == "button":
                    yield _Button(
                        message.channel, message.ts, block["block_id"], element["action_id"], element.get("value", "")
                    )


# ---- Rekey, in its own process ---------------------------------------------------------------------------------------


def _rekey(pipe: Pipe, folder: Path, api_url: str, tokens: tuple[str, str, str], ids: Mapping[str, str]) -> None:
    domains = {name: PracticeDomain(name.upper(), f"{name}.test") for name in ids if name != "alice"}
    services = _services(folder, api_url, tokens, ids["alice"], domains)
    _customer(services, domains[_BUSY], _BUSY, ids[_BUSY], ROTATIONS)
    for name in domains:
        if name != _BUSY:
            _customer(services, domains[name], name, ids[name], PER_CLINIC)
    domains[_BUSY].fails("set_password", with_=Slow(LATENCY), times=None)
    handler = SocketModeHandler(composition.slack_app(services), tokens[1], web_client=WebClient(base_url=api_url))
    handler.connect()  # type: ignore[no-untyped-call]
    with composition.scheduler(services):
        pipe.send("ready")
        while (word := pipe.recv()) != "stop":
            pipe.send(_start(services, ids["alice"]) if word == "rotate" else _counts(services))
    handler.close()  # type: ignore[no-untyped-call]


def _services(
    folder: Path, api_url: str, tokens: tuple[str, str, str], alice: str, domains: Mapping[str, PracticeDomain]
) -> Services:
    bot_token, app_token, signing_secret = map(SecretStr, tokens)
    settings = Settings(
        _env_prefix="REKEY_BENCH_",
        database_url=SecretStr(f"sqlite:///{folder}/rekey.db"),
        key_file=folder / "rekey.key",
        escrow_dir=folder / "escrow",
        administrators=(alice,),
        rotations_per_hour=ROTATIONS,
        slack_bot_token=bot_token,
        slack_app_token=app_token,
        slack_signing_secret=signing_secret,
        slack_api_url=api_url,
    )
    keys_init(settings.key_file, settings.escrow_dir)
    return composition.build(settings, {"practice": lambda each: PracticeDirectory(domains[each.name])})


def _customer(services: Services, domain: PracticeDomain, name: str, channel: str, count: int) -> None:
    """An organization with so many people, each with an exact record."""
    lines = ["name,username,password,url,notes"]
    for number in range(count):
        domain.person(f"{name}{number}", f"F1rst-password-{number}")
        lines.append(f"{name}{number},{name}{number},F1rst-password-{number},,")
    table = services.settings.key_file.parent / f"{name}.csv"
    table.write_text("\n".join(lines) + "\n", "utf-8")
    with services.database.writing() as session:
        organization = bring_in(session, name, channel=channel, timezone="UTC", bulk=["person"])
        sides = [
            Connection(organization_id=organization.id, name=each, name_key=each, side=side, kind=kind)
            for each, side, kind in (("vault", "vault", "embedded"), (name, "directory", "practice"))
        ]
        add_connections(session, sides)
        import_records(session, services.safe, organization, sides[0], read_csv(table), cli_operator().key)
    sync(services.database, services.trail, sides[1].id, PracticeDirectory(domain))


def _start(services: Services, alice: str) -> int:
    """Alice rotates everybody of the busy organization; how many rotations that opened."""
    with services.database.writing() as session:
        busy = session.exec(select(Organization).where(Organization.name_key == _BUSY)).one()
        review.approve_all_exact(session, services.trail, cli_operator(), busy.id)
    with services.database.writing() as session:
        operator = operator_named(session, alice, "bench", services.settings.administrators)
        drafted = requests.draft(session, services.trail, services.settings, operator, busy, None)
        requests.confirm(session, services.trail, services.settings, operator, drafted.request.id)
        return _open(session)


def _open(session: Session) -> int:
    return len(session.exec(select(Rotation.id).where(Rotation.ended_at.is_(None))).all())  # type: ignore[union-attr]


def _counts(services: Services) -> dict[str, int]:
    with services.database.reading() as session:
        decided = [
            row
            for row in match_rows(session)
            if row.organization.name_key != _BUSY and row.match.state in (MatchState.APPROVED, MatchState.IGNORED)
        ]
        return {"open": _open(session), "decided": len(decided)}
