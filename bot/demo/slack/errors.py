"""What the pretend Slack raises: `SlackError` becomes a Web API answer, `SetupError` is for whoever starts it."""

from collections.abc import Iterable, Mapping

from .validation import Offence


class SlackError(Exception):
    """A Web API refusal, by Slack's own error name; `extra` is merged into the answer beside `ok` and `error`.

    Nothing in the workspace has changed when it is raised.
    """

    def __init__(self, name: str, **extra: object) -> None:
        super().__init__(name)
        self.name = name
        self.extra: Mapping[str, object] = extra

    @classmethod
    def refusing(cls, name: str, offences: Iterable[Offence]) -> "SlackError":
        """A refusal that lists broken rules the way Slack does: `errors`, and `response_metadata.messages`."""
        found = list(offences)
        return cls(
            name,
            errors=[str(offence) for offence in found],
            response_metadata={"messages": [f"[ERROR] {offence}" for offence in found]},
        )


class SetupError(Exception):
    """The workspace or the app manifest cannot be as described; the message says what to change. Nothing started."""
