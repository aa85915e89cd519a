"""The command `harvester`: its groups in the order in which `--help` shows them, everyday commands first."""

import typer

from harvester.cli import analyse, harvest, look, operate, publish, try_out
from harvester.cli.base import CommandGroup

app = typer.Typer(
    cls=CommandGroup,
    name="harvester",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Keep a PostgreSQL warehouse of the public Scratch community, complete and dated, within a request budget.\n\n"
    "Start with `harvester demo`, which needs nothing but this machine.",
)
for part in (harvest, look, analyse, publish, operate, try_out):
    app.add_typer(part.app)
