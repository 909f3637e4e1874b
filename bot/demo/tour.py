"""`rekey demo`: a guided tour of an evening's work at a practice company, in the terminal.

Everything it shows is done by the same verbs as the real thing, in a folder that is thrown away; what fails, fails
because the practice domains were told to. At a terminal it waits for Enter between chapters, elsewhere it runs through.
Should any account in the end not take the password that Rekey holds for it, it ends with an error that says so.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from bot import logs
from bot.demo import tour_pictures as pictures
from bot.demo.practice_faults import Fault
from bot.demo.sample_company import sample_company
from bot.demo.tour_world import TourWorld
from bot.errors import RekeyError
from bot.rotation.planning import Intent
from storage.lanes import Waiting


def run(console: Console | None = None) -> None:
    """Show the whole tour. Leaves nothing behind, also when it is interrupted."""
    guide = Guide(console or Console(highlight=False))
    logs.start("error", "console")
    with tempfile.TemporaryDirectory(prefix="rekey-tour-") as folder, suppress(KeyboardInterrupt, EOFError):
        world = TourWorld(Path(folder), sample_company())
        with world.server:
            for chapter in _CHAPTERS:
                chapter(guide, world)


class Guide:
    """Says things in the terminal: chapters, the commands that would do the same, and what they show."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._chapter = 0
        self._waits = console.is_terminal and sys.stdin.isatty()

    def chapter(self, title: str) -> None:
        """Begin the next chapter, once the reader is ready for it."""
        if self._waits:
            self.console.input(Text("\n  Enter goes on, Ctrl-C ends the tour ", "dim"))
        self._chapter += 1
        self.console.print()
        self.console.rule(Text(f"{self._chapter}  {title}", "bold"), align="left", style="dim")

    def says(self, text: str) -> None:
        """A paragraph."""
        self._print(Text(text), top=1)

    def command(self, line: str) -> None:
        """The command that would do what is done next."""
        self._print(Text.assemble(("$ ", "dim"), (line, "bold cyan")), top=1)

    def shows(self, picture: RenderableType | str) -> None:
        """What came of it."""
        self._print(Text(picture) if isinstance(picture, str) else picture, left=4)

    @contextmanager
    def progress(self, total: int) -> Iterator[Callable[[Waiting], None]]:
        """A bar that moves with the work, and is gone after it."""
        bar = Progress(TextColumn("   "), BarColumn(), MofNCompleteColumn(), console=self.console, transient=True)
        with bar:
            task = bar.add_task("", total=total)
            yield lambda waiting: bar.update(task, completed=total - waiting.open)

    def _print(self, what: RenderableType, top: int = 0, left: int = 2) -> None:
        self.console.print(Padding(what, (top, 2, 0, left)))


def _welcome(guide: Guide, _world: TourWorld) -> None:
    guide.console.print()
    guide.console.print(
        pictures.frame(
            "Rekey",
            "Rekey changes the passwords in a company's directories and keeps its vault in step: every directory and "
            "the vault take a new one, or none does.\n\nThis is an evening at Bright Smile Dental, a practice company "
            "that lives in this terminal. Nothing of yours is touched, and nothing leaves this machine.",
        )
    )


def _set_up(guide: Guide, world: TourWorld) -> None:
    guide.chapter("Bring a company in")
    guide.command("rekey keys init")
    world.makes_keys()
    guide.shows("rekey.key seals every password. recovery.key goes into a safe: it is the way back when all is lost.")
    guide.command("rekey apply bright-smile.yaml")
    guide.shows("\n".join(world.applies()))
    guide.command("rekey records import vault.csv")
    guide.shows(f"{world.imports().added} records, and from here on their passwords are sealed.")
    guide.command("rekey sync")
    guide.shows(pictures.syncs(world.syncs()))


def _match(guide: Guide, world: TourWorld) -> None:
    guide.chapter("Which account belongs to which record")
    guide.command("rekey matches list")
    guide.shows(pictures.matches(world.matches()))
    guide.says(
        "Only a record with the very same username is suggested, and a person approves it: that is the consent to "
        "rotate. What is doubtful is left to you."
    )
    guide.command("rekey matches approve --all-exact")
    guide.shows(pictures.outcomes(world.approves_all_exact()))
    for record, username in (("Front desk", "frontdesk"), ("Sam Okafor", "sam.okafor")):
        guide.command(f"rekey matches choose {username} --record '{record}'")
        guide.shows(pictures.outcomes(world.chooses(record, username)))
    guide.command("rekey matches create-record maria.rossi")
    guide.shows(pictures.outcomes(world.creates_record("maria.rossi")))
    left_alone = ("leaver", "rekey", "krbtgt", "new.starter")
    guide.command(f"rekey matches ignore {' '.join(left_alone)}")
    guide.shows(pictures.outcomes(world.ignores(*left_alone)))


def _look_first(guide: Guide, world: TourWorld) -> None:
    guide.chapter("See what would happen, before it does")
    guide.command("rekey rotate --all --dry-run")
    previews = world.previews()
    guide.shows(pictures.previews(previews))
    guide.says(next(each.reason for each in previews if each.intent is Intent.ROTATE))


def _rotate(guide: Guide, world: TourWorld) -> None:
    guide.chapter("Rotate everything")
    head_office = world.company.head_office
    head_office.fails("set_password", with_=Fault.LOST_AFTER, account="alice.obrien")
    head_office.fails("set_password", with_=Fault.RIGHT_MISSING, account="tom.baker")
    guide.says(
        "Two things go wrong tonight, on purpose: the domain takes Alice's new password but its answer is lost, and "
        "nobody gave Rekey the right to reset Tom's."
    )
    guide.command("rekey rotate --all")
    rotations = world.asks()
    with guide.progress(len(rotations)) as told:
        world.works(rotations, told)
    guide.shows(pictures.statuses(world.statuses()))
    sent = head_office.count("set_password", "alice.obrien")
    guide.says(
        "When Alice's answer stayed away, Rekey looked before it did anything else, and found her new password in "
        f"force: it was sent {_times(sent)}. Priya is locked out, so hers was proved by the time it was set, and her "
        "lockout was left to the technician."
    )


def _mend(guide: Guide, world: TourWorld) -> None:
    guide.chapter("A failure says why, and what mends it")
    guide.says("Tom's password was never touched. Somebody grants the right, and his alone is asked for again:")
    _rotate_one(guide, world, "Tom Baker (admin)")


def _both(guide: Guide, world: TourWorld) -> None:
    guide.chapter("Two directories: both, or neither")
    guide.says(
        "The front desk has one password at both sites. This time the head office refuses the new one for good, after "
        "the branch has taken it:"
    )
    world.company.head_office.fails("set_password", with_=Fault.REFUSED, account="frontdesk")
    _rotate_one(guide, world, "Front desk")
    guide.says("Once the head office is mended, they change together:")
    _rotate_one(guide, world, "Front desk")


def _kill(guide: Guide, world: TourWorld) -> None:
    guide.chapter("Pull the plug in the middle")
    pid, rotations = world.is_killed_while_writing("wei.li", "Li Wei")
    guide.says(
        f"Process {pid} rotated Li Wei's password, and was killed (signal 9) inside its call to the domain. Nobody "
        "heard whether the domain took it."
    )
    guide.command("rekey status")
    guide.shows(pictures.statuses(world.statuses("Li Wei")))
    guide.says("What was about to be written had been committed first, so the next process knows what to look for:")
    guide.command("rekey serve")
    world.works(rotations)
    guide.shows(pictures.statuses(world.statuses("Li Wei")))
    sent = world.company.head_office.count("set_password", "wei.li")
    guide.says(f"All evening Li Wei's account was sent a password {_times(sent)}: once for each time somebody asked.")


def _read(guide: Guide, world: TourWorld) -> None:
    guide.chapter("Read a password, and prove what was done")
    guide.command('rekey reveal "Alice O\'Brien"')
    password = world.reveals("Alice O'Brien").get_secret_value()
    guide.shows(password)
    if not world.company.head_office.signs_in("alice.obrien", password):
        raise RekeyError("Alice cannot sign in with what the vault holds. That is a defect of Rekey.")
    guide.says("Alice signs in with it. That somebody read it was in the audit trail before it was on the screen:")
    guide.command("rekey audit verify")
    found = world.verifies()
    if not found.ok:
        raise RekeyError(f"The audit trail does not verify: {found.problems[0]} That is a defect of Rekey.")
    guide.shows(f"The audit trail is whole: {found.lines} lines.")


def _lose(guide: Guide, world: TourWorld) -> None:
    guide.chapter("Lose the database")
    before = world.passwords()
    guide.says(f"{world.accounts_in_step()} accounts take exactly what the vault holds for them. Then the disk dies.")
    world.loses_the_database()
    guide.command("rekey recover --key recovery.key")
    recovered = world.recovers()
    if world.passwords() != before:
        raise RekeyError("Not every password came back as it was. That is a defect of Rekey.")
    guide.shows(
        f"{recovered.records} records and {recovered.revisions} passwords, present and past, from the escrow file and "
        "the offline key. Each is the one it was."
    )


def _farewell(guide: Guide, _world: TourWorld) -> None:
    guide.console.print()
    guide.console.print(
        pictures.frame(
            "Your turn",
            "rekey keys init, a world file with your first domain, rekey apply, rekey doctor: the README walks you "
            "through it. Importing and matching change no password; rotate --dry-run shows what would.",
        )
    )


_CHAPTERS: tuple[Callable[[Guide, TourWorld], None], ...] = (
    _welcome,
    _set_up,
    _match,
    _look_first,
    _rotate,
    _mend,
    _both,
    _kill,
    _read,
    _lose,
    _farewell,
)


def _rotate_one(guide: Guide, world: TourWorld, record: str) -> None:
    guide.command(f"rekey rotate --record '{record}'")
    guide.shows(pictures.statuses(world.rotates(record)))


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
