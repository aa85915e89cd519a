"""Common parts of all commands: groups, settings, shared options; errors are one line and an exit status."""

from __future__ import annotations

import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import shellingham
import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption
from typer.exceptions import Abort, TyperException

from harvester import processes
from harvester.cli import output
from harvester.cli.output import ExitStatus
from harvester.errors import HarvesterError, UsageError
from harvester.signals import is_interrupt
from harvester.wording import requirement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harvester.config import Settings

_COMPLETIONS = ("--install-completion", "--show-completion")
_COMPLETING_SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")
_DASHED_NAME = re.compile(r"-[A-Za-z0-9_][A-Za-z0-9_-]*")
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Count what would end, and change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Address = Annotated[str, typer.Option(help="The address to listen on; any but this machine's own lets others connect.")]
AllowHost = Annotated[
    list[str] | None,
    typer.Option(help="With --serve: a further host name to answer to, such as a proxy's. May be repeated."),
]


def _kind(self: TyperOption | TyperArgument, ctx: Any) -> str:
    """Return the type of a value in `--help`; choices can be folded between them."""
    return re.sub(r"list\[(.*)\]", r"\1", self.display_type(ctx)).replace("|", " | ")


def _kind_or_none(self: TyperOption, ctx: Any) -> str | None:
    """Return what stands beside an option in `--help`: nothing for a flag."""
    return self.metavar or (None if self.is_flag else _kind(self, ctx))


# Typer 0.29 has no setting for it: it says <bool> beside each flag, and its list of choices is one word.
TyperArgument.display_type_rich = _kind  # type: ignore[assignment]
TyperOption.display_type_rich = _kind_or_none  # type: ignore[method-assign]


def _refuse_empty_paths(of: type[TyperArgument | TyperOption]) -> None:
    """Let parameters refuse an empty path, such as that of an unset shell variable: it would be the current folder."""
    process = of.process_value

    def process_value(self: Any, ctx: Any, value: Any) -> Any:
        words = value if isinstance(value, list | tuple) else (value,)
        if "" in words and self.type_descriptor.annotation in (Path, list[Path]):
            raise typer.BadParameter("an empty path names nothing.", ctx, self)
        return process(self, ctx, value)

    of.process_value = process_value  # type: ignore[method-assign]


_refuse_empty_paths(TyperArgument)
_refuse_empty_paths(TyperOption)


def settings() -> Settings:
    """Return the settings of this process. Commands that need them read them: help needs none."""
    from harvester.config import settings as read

    return read()


def moment(option: str, text: str | None) -> datetime | None:
    """Read a time that an option names; one without a zone is in UTC.

    Raises:
        UsageError: it is none.
    """
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} {text}: must be a time, such as 2026-06-01 or 2026-06-01T12:00") from None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def example(command: str) -> str:
    """Return the epilog of a command: a command line that works as it stands."""
    return f"Example: `{command}`"


def group(summary: str) -> typer.Typer:
    """Return an empty group of commands."""
    return typer.Typer(
        cls=CommandGroup,
        no_args_is_help=True,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,  # a traceback may hold the database URL
        help=summary,
    )


class NamesCommand(TyperCommand):
    """Command whose arguments are usernames, which may begin with a dash: `-x-` is a name unless it is an option.

    What begins with two dashes is an option; behind `--` everything is a name.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read a word that begins with one dash as a name, where it is neither an option nor the value of one."""
        options = {word: one for one in self.get_params(ctx) for word in (*one.opts, *one.secondary_opts)}
        words, names = list[str](), list[str]()
        takes_value = False
        for place, word in enumerate(args):
            if word == "--":
                names += args[place + 1 :]
                break
            is_name = _DASHED_NAME.fullmatch(word) and not takes_value and word not in options
            (names if is_name else words).append(word)
            takes_value = not takes_value and word in options and not getattr(options[word], "is_flag", False)
        return super().parse_args(ctx, [*words, "--", *names] if names else words)


class CommandGroup(TyperGroup):
    """Group of commands whose errors are one line on standard error."""

    def main(self, args: Sequence[str] | None = None, *, standalone_mode: bool = True, **extra: Any) -> Any:  # type: ignore[override]
        """Run a command and exit with its `ExitStatus`.

        A command whose reader has gone (`| head`) ends by SIGPIPE, as other programs do.
        """
        if not standalone_mode:
            return super().main(args, standalone_mode=False, **extra)
        output.prepare()
        processes.stop_with_starter()
        try:
            if any(word in _COMPLETIONS for word in (sys.argv[1:] if args is None else args)[:1]):
                _need_shell()
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
            code = ExitStatus.INTERRUPTED
        except Exception as error:
            if is_interrupt(error):
                code = ExitStatus.INTERRUPTED
            elif (words := _refusal(error)) is not None:
                output.complain(words)
                code = ExitStatus.FAILED
            else:
                raise
        output.give_up()
        sys.exit(code if isinstance(code, int) else 0)


def _need_shell() -> None:
    """Refuse to complete commands for a shell that is not known; Typer would not say so as other errors are said."""
    try:
        shell, _ = shellingham.detect_shell()
    except shellingham.ShellDetectionFailure:
        shell = "none"
    if shell not in _COMPLETING_SHELLS:
        raise UsageError(
            f"completion is for {', '.join(_COMPLETING_SHELLS)}; the shell that runs this command is {shell}"
        )


def _one_line(error: TyperException) -> str:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "harvester"
    message = error.format_message().replace("Value error, ", "")  # Typer's own prefix, which says nothing
    return f"{requirement(message).rstrip('.')}. See `{command} --help`."


def _refusal(error: Exception) -> str | None:
    """Describe an error of a file or of the database; None for any other error. The driver is not loaded for this."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{os.fspath(error.filename)}: {error.strerror}"
    psycopg = sys.modules.get("psycopg")
    if psycopg is None or not isinstance(error, psycopg.Error):
        return None
    from harvester.warehouse.connect import refusal

    return refusal(error)
