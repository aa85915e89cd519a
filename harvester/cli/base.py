"""Common parts of all commands: an error is one line on standard error and an exit status, never a traceback."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import Abort, TyperException

from harvester import output, processes
from harvester.errors import HarvesterError
from harvester.signals import INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harvester.config import Settings

AllowHost = Annotated[
    list[str] | None,
    typer.Option(help="With --serve: a further name by which a client may ask for it, that of a proxy say."),
]
DEGRADED = 3


def settings() -> Settings:
    """The settings of this process. Read by the commands that need them: help needs none."""
    from harvester.config import settings as read

    return read()


class CommandGroup(TyperGroup):
    """Commands that say what is wrong in one line."""

    def main(self, args: Sequence[str] | None = None, *, standalone_mode: bool = True, **extra: Any) -> Any:  # type: ignore[override]
        """Run and exit: 0 done, 1 failed, 2 wrong usage, 3 done but degraded, 130 interrupted.

        A command whose reader has gone (`| head`) ends by SIGPIPE, as other programs do.
        """
        if not standalone_mode:
            return super().main(args, standalone_mode=False, **extra)
        output.prepare()
        processes.stop_with_starter()
        try:
            code = super().main(args, standalone_mode=False, **extra)
            output.flush()
        except output.ReaderGoneError:
            output.end_by_broken_pipe()
        except HarvesterError as error:
            output.complain(str(error))
            code = error.exit_code
        except TyperException as error:
            if type(error).__name__ == "NoArgsIsHelpError":
                output.complain(error.format_message(), as_it_is=True)
            else:
                output.complain(_one_line(error))
            code = error.exit_code
        except (KeyboardInterrupt, Abort):
            code = INTERRUPTED
        except Exception as error:
            words = _refusal(error)
            if words is None:
                raise
            output.complain(words)
            code = 1
        output.give_up()
        sys.exit(code if isinstance(code, int) else 0)


def _one_line(error: TyperException) -> str:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "harvester"
    return f"{error.format_message()} See `{command} --help`."


def _refusal(error: Exception) -> str | None:
    """Describe an error of the database; None for any other error. The driver is not loaded for this."""
    psycopg = sys.modules.get("psycopg")
    if psycopg is None or not isinstance(error, psycopg.Error):
        return None
    from harvester.warehouse.connect import refusal

    return refusal(error)
