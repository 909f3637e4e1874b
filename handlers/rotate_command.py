"""`/rotate` and its words: in an organization's channel they are about that organization, elsewhere it asks which one.

Every word can also be a button (`ids.word`), so what a card offers is what somebody could have typed.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from slack_bolt import Ack, App

from blocks import ids, parts, statuses
from blocks.rotate_command import which_organization, words_card
from bot.permissions import may_see
from bot.statuses import MEANINGS, find_meaning
from handlers.context import Asked
from handlers.people import Refusal
from storage.models import Organization
from storage.organizations import get_organization

OVERVIEW = "overview"
_REST_MOST = 200
_HELP = "shows this, or what a status means and what mends it"


@dataclass(frozen=True, slots=True)
class Word:
    """One word of /rotate. `run` gets what was asked and the words after it; it is acknowledged already."""

    name: str
    run: Callable[[Asked, str], None]
    help: str
    """What it does, in a few words."""
    takes: str = ""
    """What comes after it: `NAME`."""
    asks: bool = True
    """Whether it is about one organization: outside of a channel the person is asked which. Otherwise `run` may find
    `asked.organization` None and looks across all of `asked.mine`."""


def register(app: App, words: Sequence[Word]) -> None:
    """Listen to the command, and to the buttons and menus that stand for its words."""
    known = {word.name: word for word in words}
    known["help"] = Word("help", lambda asked, rest: _answer_help(asked, rest, known), _HELP, "STATUS", asks=False)

    @app.command(ids.COMMAND)
    def command(ack: Ack, asked: Asked, body: dict[str, Any]) -> None:
        ack()
        typed = parts.unescape(str(body.get("text") or "")).strip()
        name, _, rest = typed.partition(" ")
        word = known.get(name.lower() or OVERVIEW)
        if word is None:
            _nearest(asked, name, rest.strip(), known)
        else:
            _run(asked, word, rest.strip())

    @app.action(ids.WORD)
    def pressed(ack: Ack, asked: Asked) -> None:
        ack()
        found = ids.WORD.fullmatch(asked.what)
        word = known.get(found[1]) if found else None
        if word is None:
            raise Refusal("This button stands for nothing Rekey knows.")
        organization_id, _ = asked.row()
        rest = str(asked.action.get("block_id", "")).removeprefix(f"{asked.what} ")
        rest = "" if rest == asked.action.get("block_id") else rest
        _run(_in(asked, organization_id), word, rest)

    @app.options(ids.WORD)
    def organizations(ack: Ack, asked: Asked, body: dict[str, Any]) -> None:
        ack(options=asked.organization_options(str(body.get("value", ""))))


def register_rest(app: App) -> None:
    """Answer what nobody listens to, after everything else is registered: links, and buttons of another Rekey."""

    @app.action(ids.LINK)
    def opened(ack: Ack) -> None:
        ack()

    @app.action(re.compile(".*"))
    def unknown(ack: Ack) -> None:
        ack()
        raise Refusal("No Rekey of this version knows this button; nothing was done. `/rotate` shows things anew.")


def _answer_help(asked: Asked, rest: str, known: Mapping[str, Word]) -> None:
    found = find_meaning(rest)
    if found is not None:
        asked.answer(*statuses.meaning(found))
        return
    text, blocks = _help(known)
    if rest:
        names = ", ".join(f"`{each.status}`" for each in MEANINGS)
        blocks = [*blocks, parts.section(f"“{parts.escape(rest, 60)}” is no status: there are {names}.")]
    asked.answer(text, blocks)


def _help(known: Mapping[str, Word]) -> tuple[str, list[parts.Block]]:
    said = [(f"{ids.COMMAND} {word.name} {word.takes}".strip(), word.help) for word in known.values()]
    return words_card([("/rotate" if each == f"/rotate {OVERVIEW}" else each, does) for each, does in said])


def _in(asked: Asked, organization_id: int) -> Asked:
    """The same, in the organization a button or a menu names; 0 leaves it as it is."""
    if organization_id == 0:
        return asked
    asked.here(organization_id)
    with asked.services.database.reading() as session:
        organization = get_organization(session, organization_id)
    asked.allow(may_see(asked.operator, organization.id))
    return replace(asked, organization=organization)


def _run(asked: Asked, word: Word, rest: str) -> None:
    if asked.organization is None and word.asks:
        with asked.services.database.reading() as session:
            mine = asked.mine(session)
        if len(mine) != 1:
            _ask(asked, word, rest, mine)
            return
        asked = replace(asked, organization=mine[0])
    word.run(asked, rest)


def _ask(asked: Asked, word: Word, rest: str, mine: Sequence[Organization]) -> None:
    typed = f"/rotate {word.name} {rest}".strip()
    if not mine:
        asked.answer("There is no organization yet that you may see. An administrator adds one with `/rotate setup`.")
    elif len(rest) > _REST_MOST:
        asked.answer("That is longer than any name. Nothing was done; type less of it.")
    else:
        asked.answer(f"{parts.sentence(typed)}: for which organization?", which_organization(word.name, rest))


def _nearest(asked: Asked, name: str, rest: str, known: Mapping[str, Word]) -> None:
    near = get_close_matches(name.lower(), known, n=1, cutoff=0.4)
    said = f"`/rotate {parts.escape(name, 40)}` is nothing Rekey knows, so nothing was done."
    if not near:
        asked.answer(f"{said} `/rotate help` shows everything.")
        return
    word = known[near[0]]
    organization_id = asked.organization.id if asked.organization else 0
    short = rest if len(rest) <= _REST_MOST else ""
    typed = f"/rotate {word.name} {short}".strip()
    button = parts.button(parts.clean(typed, 75), ids.word(word.name), ids.value(organization_id))
    text = f"{said} Did you mean `{parts.escape(typed, 230)}`?"
    blocks = [parts.section(text), parts.actions(button, block_id=f"{ids.word(word.name)} {short}".strip())]
    asked.answer(text, blocks)
