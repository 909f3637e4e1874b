"""`check`: what a technician would want to know before trusting this connection, in words."""

from bot.directories.active_directory.connection import Sessions
from bot.directories.base import Finding, Level
from bot.errors import OutsideError


def findings(sessions: Sessions) -> list[Finding]:
    """See `Directory.check`."""
    found = []
    for server in sessions.servers():
        try:
            session = sessions.open(server)
        except OutsideError as error:
            found.append(Finding(Level.PROBLEM, str(error), error.mend, error.cause))
            continue
        session.wire.close()
        found.append(Finding(Level.OK, f"{server.name} proved who it is and let us sign in."))
    return found
