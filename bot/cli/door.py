"""The one door errors leave through: a sentence on stderr and an exit code, never a traceback, never a secret.

Exit codes: 0 all well, 1 something refused or failed, 2 bad usage or input, 3 a system could not be reached.
"""

import secrets
import sys
from typing import Any

import structlog
import typer
from typer.core import TyperGroup

from bot import logs
from bot.errors import BadInput, NoAnswer, OutsideError, RekeyError, RowNotFound, Throttled, Unreachable
from bot.settings import LogFormat, LogLevel

REFUSED = 1
BAD_INPUT = 2
UNREACHABLE = 3
INTERRUPTED = 130
"""What shells expect of a program that was told to stop."""

_log = structlog.get_logger(__name__)


class Door(TyperGroup):
    """The program's command group: whatever a command raises becomes a sentence and an exit code here."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; see the module."""
        # Until the settings are read; structlog as it comes would show tracebacks with local variables.
        logs.start(LogLevel.WARNING, LogFormat.CONSOLE)
        try:
            return super().invoke(ctx)
        except RekeyError as error:
            mend = f" {error.mend}" if isinstance(error, OutsideError) and error.mend else ""
            print(f"{error}{mend}", file=sys.stderr)
            raise typer.Exit(exit_code(error)) from None
        except KeyboardInterrupt:
            print("Interrupted. What was begun outside is finished or looked at by the next command.", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            raise  # whoever read our output has seen enough; Typer ends quietly
        except Exception as error:
            if isinstance(error, typer.Exit | typer.Abort) or hasattr(error, "exit_code"):
                raise  # Typer's own: usage errors and the like
            reference = secrets.token_hex(4)
            _log.debug("command.broken", reference=reference, exc_info=True)
            print(
                f"Rekey itself failed ({type(error).__name__}, reference {reference}). What was stored before is safe; "
                "the step under way was not kept, or is looked at again. Run it again with REKEY_LOG_LEVEL=debug to "
                "see where it failed, and report that.",
                file=sys.stderr,
            )
            raise typer.Exit(REFUSED) from None


def exit_code(error: RekeyError) -> int:
    """What a command that ends with this error exits with."""
    if isinstance(error, BadInput | RowNotFound):
        return BAD_INPUT
    return UNREACHABLE if isinstance(error, Unreachable | NoAnswer | Throttled) else REFUSED
