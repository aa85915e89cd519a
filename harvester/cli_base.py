"""What all commands share: an error is one line on standard error and an exit status, never a traceback."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import psycopg
import typer
from typer.core import TyperGroup
from typer.exceptions import Abort, TyperException

from harvester.errors import HarvesterError
from harvester.warehouse.connect import refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

DEGRADED = 3
INTERRUPTED = 130


class Group(TyperGroup):
    """Commands that say what is wrong in one line."""

    def main(self, args: Sequence[str] | None = None, *, standalone_mode: bool = True, **extra: Any) -> Any:  # type: ignore[override]
        """Run and exit: 0 done, 1 failed, 2 wrong usage, 3 done but degraded, 130 interrupted."""
        if not standalone_mode:
            return super().main(args, standalone_mode=False, **extra)
        try:
            code = super().main(args, standalone_mode=False, **extra)
        except HarvesterError as error:
            self._say(str(error))
            code = error.exit_code
        except TyperException as error:
            if type(error).__name__ == "NoArgsIsHelpError":
                typer.echo(error.format_message(), err=True)
            else:
                self._say(_one_line(error))
            code = error.exit_code
        except (KeyboardInterrupt, Abort):
            code = INTERRUPTED
        except BrokenPipeError:
            # Whoever read our output has gone (`| head`): what is left goes nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = 1
        except psycopg.Error as error:
            self._say(refusal(error))
            code = 1
        sys.exit(code if isinstance(code, int) else 0)

    def _say(self, text: str) -> None:
        typer.echo(f"harvester: {text}", err=True)


def _one_line(error: TyperException) -> str:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "harvester"
    return f"{' '.join(error.format_message().split())} See `{command} --help`."
