"""The command `harvester`: its groups in the order in which `--help` shows them, everyday commands first."""

from typing import Annotated

import typer

from harvester import __version__
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


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"scratch-harvester {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


for part in (harvest, look, analyse, publish, operate, try_out):
    app.add_typer(part.app)

command = typer.main.get_command(app)
"""The same as a command of Click, which is built from all signatures (0.03 s): once, and before a process forks."""
