"""What the tour draws: rows in, rich tables out. No clock, no I/O; names are plain text, whatever is in them."""

from collections.abc import Iterable, Sequence

from rich.console import RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bot.matching.review import Outcome
from bot.rotation.planning import Intent, Preview
from bot.rotation.report import RecordStatus
from storage.matches import MatchRow
from storage.models import MatchState, Status, Task

_STATUS = {
    Status.SUCCESSFUL: "green",
    Status.IN_PROGRESS: "cyan",
    Status.FAILED: "red",
    Status.API_ERROR: "red",
    Status.NOT_PERMITTED: "yellow",
    Status.ADMIN_NOT_PERMITTED: "yellow",
    Status.MULTI_TENANT_NOT_PERMITTED: "yellow",
}
_MATCH = {
    MatchState.SUGGESTED: "cyan",
    MatchState.SEVERAL: "yellow",
    MatchState.NONE: "yellow",
    MatchState.APPROVED: "green",
    MatchState.IGNORED: "dim",
}
_INTENT = {Intent.ROTATE: "green", Intent.JOIN: "cyan", Intent.REFUSE: "yellow", Intent.LEAVE_OUT: "dim"}


def frame(title: str, text: str) -> RenderableType:
    """A paragraph in a frame."""
    return Panel(
        Text(text), title=Text(title, "bold"), title_align="left", border_style="dim", padding=(1, 2), width=92
    )


def syncs(tasks: Iterable[tuple[str, Task]]) -> RenderableType:
    """What reading each directory found."""
    table = _table("directory", "accounts", "suggested")
    for name, task in tasks:
        counts = task.result or {}
        table.add_row(name, str(counts.get("accounts", 0)), str(counts.get("suggested", 0)))
    return table


def matches(rows: Iterable[tuple[MatchRow, Sequence[str]]]) -> RenderableType:
    """Every account and where it stands; the undecided with the records that come closest."""
    table = _table("account", "tier", "match", "record")
    for row, near in rows:
        state = MatchState(row.match.state)
        record = Text(row.record.name) if row.record else Text(f"perhaps {', '.join(near)}" if near else "", "dim")
        account = _account(row.account.domain, row.account.username)
        table.add_row(account, row.account.tier, Text(state, _MATCH[state]), record)
    return table


def outcomes(found: Sequence[Outcome]) -> RenderableType:
    """How many were done, and what else was said about them."""
    done = sum(outcome.done for outcome in found)
    lines = [f"{done} done" + (f", {len(found) - done} left as they were." if done < len(found) else ".")]
    lines += dict.fromkeys(outcome.reason for outcome in found if outcome.reason)
    return Text("\n".join(lines))


def previews(rows: Iterable[Preview]) -> RenderableType:
    """What would become of each record, and why where it is not rotated."""
    table = _table("record", "accounts", "would")
    for row in rows:
        intent = Text(row.intent, _INTENT[row.intent])
        if row.intent is not Intent.ROTATE:
            intent.append(f": {row.reason}", "dim")
        accounts = Text("\n").join(_account(each.account.domain, each.account.username) for each in row.accounts)
        table.add_row(Text(row.record.name), accounts, intent)
    return table


def statuses(rows: Iterable[RecordStatus]) -> RenderableType:
    """How each record's latest rotation stands; where it did not succeed, why and what to do."""
    table = _table("record", "status", "")
    for row in rows:
        status = Text(row.status, _STATUS[row.status]) if row.status else Text("never rotated", "dim")
        why = Text("" if row.status in (None, Status.SUCCESSFUL) else row.reason)
        if row.mend:
            why.append(f" {row.mend}", "bold")
        table.add_row(Text(row.record.name), status, why)
    return table


def _account(domain: str, username: str) -> Text:
    return Text(f"{domain}\\{username}")


def _table(*heads: str) -> Table:
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim", pad_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold", no_wrap=head in ("tier", "match", "status"))
    return table
