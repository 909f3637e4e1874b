"""Opens the demo, says where it is and what can be done there, and closes it on Ctrl-C."""

import signal
import sys
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

from bot import logs
from bot.demo.live import PEOPLE, LiveDemo
from bot.demo.samba import SambaDomain
from bot.demo.sample_company import sample_company


def run(*, samba: bool) -> None:
    """Keep the demo open until SIGINT or SIGTERM; leaves nothing behind, then."""
    logs.start("error", "console")
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    print("Opening …", file=sys.stderr, flush=True)
    with ExitStack() as opened:
        real = None
        if samba:
            folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="rekey-samba-")))
            real = opened.enter_context(SambaDomain(folder, sample_company().head_office)).as_directory()
        demo = opened.enter_context(LiveDemo(real))
        print(introduction(demo), flush=True)
        stopped.wait()
        print("Closing …", file=sys.stderr, flush=True)
    print("Nothing was left behind.", file=sys.stderr)


def introduction(demo: LiveDemo) -> str:
    """Where it is, whom one can be, what to try, and how to get past the step-up."""
    lines = [
        "",
        "  Rekey, in a pretend Slack with made-up customers:",
        "",
        f"      {demo.url}",
        "",
        "  You are Alice Morgan, an administrator; “Acting as” makes you somebody else. To begin, in #bright-smile:",
        "",
        "      /rotate match     which account goes with which record: approve, ignore",
        "      /rotate all       a preview, then new passwords for all that was approved",
        "      /rotate show …    a password, once, on a page of Rekey's own",
        "",
        "  Showing a password takes a code of an authenticator app. Each sets theirs up once, with a one-time code, at",
        "",
        f"      {demo.pages}/enrol",
        "",
    ]
    for each in PEOPLE:
        code = demo.codes.get(each.name)
        lines.append(f"      {each.real_name:<14} {each.role:<32} {code.get_secret_value() if code else ''}".rstrip())
    lines += [
        "",
        "  No phone at hand? That page shows the app's key; this shows what an app with that key would:",
        "",
        f"      {sys.executable} -m bot demo --code KEY",
        "",
        "  Ctrl-C ends it and leaves nothing behind. The tour in the terminal: --tour.",
        "",
    ]
    return "\n".join(lines)
