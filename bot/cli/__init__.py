"""The command line: `rekey …`, one file per noun. Results on stdout, everything else on stderr."""

import typer

from bot.cli import (
    apply,
    audit,
    backup,
    demo,
    doctor,
    export,
    freeze,
    history,
    keys,
    matches,
    migrate,
    operators,
    records,
    reveal,
    rotate,
    rules,
    schedule,
    serve,
    status,
    switches,
    sync,
)
from bot.cli.door import Door

app = typer.Typer(
    cls=Door,
    name="rekey",
    help="Rotate directory passwords and keep the vault in step. Settings are environment variables (REKEY_…).",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # its tracebacks show local variables, and those may be passwords
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command()(apply.apply)
app.command()(export.export)
app.command()(sync.sync)
app.add_typer(records.commands, name="records")
app.add_typer(matches.commands, name="matches")
app.command()(rotate.rotate)
app.command()(status.status)
app.command()(history.history)
app.command()(reveal.reveal)
app.add_typer(operators.commands, name="operators")
app.add_typer(rules.commands, name="rules")
app.add_typer(schedule.commands, name="schedule")
app.command()(doctor.doctor)
app.command()(freeze.stop)
app.command()(freeze.start)
app.add_typer(switches.commands, name="switches")
app.add_typer(audit.commands, name="audit")
app.add_typer(keys.commands, name="keys")
app.command()(backup.backup)
app.command()(backup.restore)
app.command()(backup.recover)
app.command()(migrate.migrate)
app.command()(serve.serve)
app.command()(demo.demo)
