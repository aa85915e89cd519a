"""What all commands share: an error is one line on standard error and an exit status, never a traceback."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import Abort, TyperException

from harvester.errors import HarvesterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harvester.config import Settings

DEGRADED = 3
INTERRUPTED = 130


def settings() -> Settings:
    """The settings of this process. Read by the commands that need them: help needs none."""
    from harvester.config import settings as read

    return read()


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
        except Exception as error:
            words = _refusal(error)
            if words is None:
                raise
            self._say(words)
            code = 1
        sys.exit(code if isinstance(code, int) else 0)

    def _say(self, text: str) -> None:
        typer.echo(f"harvester: {_printable(text)}", err=True)


def _printable(text: str) -> str:
    """One line for a terminal: what somebody typed may hold what moves its cursor, or is no character at all."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in " ".join(text.split()))


def _one_line(error: TyperException) -> str:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "harvester"
    return f"{error.format_message()} See `{command} --help`."


def _refusal(error: Exception) -> str | None:
    """What the database refused, in words; None for any other error. Its driver is not loaded for the sake of this."""
    psycopg = sys.modules.get("psycopg")
    if psycopg is None or not isinstance(error, psycopg.Error):
        return None
    from harvester.warehouse.connect import refusal

    return refusal(error)
