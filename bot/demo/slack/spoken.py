"""What a person typed as Slack passes it on: control characters escaped, names turned into references."""

import re
from collections.abc import Callable

from .workspace import Workspace

_NAMES = re.compile(r"(?<![\w@#])([@#])([\w.-]*\w)")


def spoken(text: str, workspace: Workspace) -> str:
    """The text of a message: `&`, `<` and `>` escaped, `@name` and `#channel` as `<@U…>` and `<#C…>`."""
    return _NAMES.sub(_reference(workspace, with_names=False), escaped(text))


def command_text(text: str, workspace: Workspace, *, should_escape: bool) -> str:
    """The text of a slash command: names become references only if the manifest says `should_escape`."""
    if not should_escape:
        return escaped(text)
    return _NAMES.sub(_reference(workspace, with_names=True), escaped(text))


def escaped(text: str) -> str:
    """Slack's three escapes."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _reference(workspace: Workspace, *, with_names: bool) -> Callable[[re.Match[str]], str]:
    def reference(match: re.Match[str]) -> str:
        sign, name = match.groups()
        if sign == "@":
            ids = [person.id for person in workspace.people.values() if person.name == name]
        else:
            channel = workspace.channel_named(name)
            ids = [channel.id] if channel else []
        if not ids:
            return match.group()
        return f"<{sign}{ids[0]}|{name}>" if with_names else f"<{sign}{ids[0]}>"

    return reference
