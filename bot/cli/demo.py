"""`rekey demo`: the whole bot on a pretend Slack in the browser, or a guided tour in the terminal; nothing of yours."""

from enum import StrEnum
from typing import Annotated

import pyotp
import typer

from bot.errors import BadInput


class Domain(StrEnum):
    """Who plays the head office's domain controller."""

    PRACTICE = "practice"
    SAMBA = "samba"


def demo(
    tour: Annotated[bool, typer.Option("--tour", help="Take the guided tour in the terminal instead.")] = False,
    ad: Annotated[
        Domain, typer.Option("--ad", help="Whether the head office has a practice domain or a real one (Samba, root).")
    ] = Domain.PRACTICE,
    code: Annotated[
        str | None,
        typer.Option("--code", help="Show what an authenticator app with this key shows now.", metavar="KEY"),
    ] = None,
) -> None:
    """Open the whole bot in a browser, on a pretend Slack.

    Made-up customers, practice directories, a pretend IT Glue, the real Rekey. No Slack, no server; nothing of yours
    is touched, and Ctrl-C leaves nothing behind.
    """
    if code is not None:
        print(_code(code))
        return
    if tour:
        from bot.demo import tour as terminal  # only here: the pretend world is no part of any other command

        terminal.run()
        return
    from bot.demo import opening

    opening.run(samba=ad is Domain.SAMBA)


def _code(key: str) -> str:
    try:
        return pyotp.TOTP(key.replace(" ", "").upper()).now()
    except ValueError:
        raise BadInput("That is not the key of an authenticator app: letters and the digits 2 to 7.") from None
