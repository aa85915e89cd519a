"""What all commands share: how an error ends a program."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from harvester.errors import HarvesterError

INTERRUPTED = 130  # 128 + SIGINT, as a shell has it


class Group(TyperGroup):
    """Commands whose errors are one line on standard error and an exit status, without a traceback."""

    def invoke(self, ctx: Any) -> Any:  # Typer's own copy of click.Context
        try:
            return super().invoke(ctx)
        except HarvesterError as error:
            typer.echo(f"{ctx.find_root().info_name}: {error}", err=True)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
