"""What Rekey writes in an e-mail: the same words as in Slack, as plain text and as HTML. Never a password."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from blocks.parts import clean, count
from blocks.previews import HONEST
from blocks.rotations import headline
from bot.rotation.progress import Progress

_STYLE = "font-family:system-ui,-apple-system,Segoe UI,sans-serif;font-size:15px;line-height:1.45;color:#1d1c1d"
_FOOT = "Rekey sends this because you chose e-mail in its settings (/rotate settings in Slack). Answers reach nobody."


@dataclass(frozen=True, slots=True)
class Written:
    """One letter: its subject, and what it says in either form."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Part:
    """A paragraph with a title, or without one."""

    text: str
    title: str = ""


def letter(subject: str, parts: Sequence[Part], *, small: Sequence[str] = ()) -> Written:
    """A letter of these parts. Names from outside may be in any of it: they are cleaned and escaped here."""
    subject = clean(subject, 150)
    plain, marked = [subject], [f'<h1 style="font-size:20px;margin:0 0 12px">{_html(subject)}</h1>']
    for part in parts:
        plain.append(f"{clean(part.title, 300)}\n{_lines(part.text)}" if part.title else _lines(part.text))
        title = f"<strong>{_html(part.title)}</strong><br>" if part.title else ""
        body = "<br>".join(_html(line) for line in _lines(part.text).split("\n"))
        marked.append(f'<p style="margin:0 0 12px">{title}{body}</p>')
    for each in (*small, _FOOT):
        plain.append(_lines(each))
        marked.append(f'<p style="margin:0 0 8px;font-size:13px;color:#616061">{_html(each)}</p>')
    html = f'<!doctype html><html lang="en"><body style="{_STYLE}">{"".join(marked)}</body></html>'
    return Written(subject, "\n\n".join(plain) + "\n", html)


def result(now_: Progress) -> Written:
    """What came of a request, for whoever asked for it and for whoever follows the organization."""
    organization = clean(now_.organization.name, 100)
    said = [
        (now_.successful, "have a new password"),
        (now_.failed, "failed"),
        (now_.cancelled, "were cancelled"),
    ]
    counts = ", ".join(f"{number:,} {words}" for number, words in said if number)
    parts = [Part(f"In {organization}: {counts}." if counts else f"In {organization}, nothing was rotated.")]
    if now_.request.reason:
        parts.append(Part(now_.request.reason))
    if now_.rotated:
        names = "\n".join(clean(record.name, 150) for record in now_.rotated)
        more = now_.successful - len(now_.rotated)
        parts.append(Part(names + (f"\nand {more:,} more" if more > 0 else ""), "With a new password"))
    for cause in now_.causes:
        more = cause.many - len(cause.names)
        names = ", ".join(clean(name, 150) for name in cause.names) + (f" and {more:,} more" if more > 0 else "")
        parts.append(Part(f"{names}\n{cause.reason} {cause.what_to_do}".strip(), str(cause.status)))
    if now_.more_causes:
        parts.append(Part(f"And {count(now_.more_causes, 'more cause')}: /rotate status shows each record."))
    return letter(f"{headline(now_)} at {organization}", parts, small=[HONEST] if now_.successful else [])


def aftershock(now_: Progress) -> Written:
    """What followed a rotation, for whoever hears of failures there."""
    organization = clean(now_.organization.name, 100)
    parts = [Part(f"At {organization}, wrong passwords are tried for accounts that were just rotated.")]
    for each in now_.shocks:
        known = each.aftershock
        said = f"Locked since {moment(known.locked_at)}." if known.locked_at else "Not locked."
        if known.bad_at is not None:
            said += f" {count(known.bad, 'wrong password')} counted, the latest {moment(known.bad_at)}."
        parts.append(Part(said, f"{each.account.domain}\\{each.account.username} ({each.record.name})"))
    parts.append(Part("The card in Slack has the button that unlocks, and says what is known."))
    return letter(f"Wrong passwords after a rotation at {organization}", parts)


def moment(at: datetime) -> str:
    """A time, as everybody reads it alike."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _lines(text: str) -> str:
    return "\n".join(clean(line, 3000) for line in text.split("\n"))


def _html(text: str) -> str:
    return escape(clean(text, 3000))
