"""The command line as a whole: its groups, its help, its choices and its examples."""

from __future__ import annotations

import re
import shlex
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pytest
import shellingham
import typer
from typer import BadParameter, Context
from typer.main import get_command
from typer.testing import CliRunner

from harvester import __version__
from harvester.api.catalogue import STREAMS
from harvester.choices import RankingMode, Share, SpiderName
from harvester.cli.base import NamesCommand
from harvester.cli.main import app
from harvester.cli.output import ExitStatus
from harvester.config import Settings
from harvester.dataset.release import Text
from harvester.frontier.shares import PURPOSES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GROUPS = ["Harvest", "Look", "Analyse", "Publish", "Operate", "Try out"]
EXAMPLE = "Example: `"
RUN_ELSEWHERE = {
    'psql "$(harvester db url)"': "tests/cli/test_db.py",
    "harvester erase revoke somebody": "tests/crawl/test_erasure.py",
    "harvester erase archives archive": "tests/crawl/test_archive_erasure.py",
    "harvester erase request verify 1": "tests/crawl/test_erasure_requests.py",
    "harvester erase request carry-out 1": "tests/crawl/test_erasure_requests.py",
    "harvester erase request receipt 1": "tests/crawl/test_erasure_requests.py",
    "harvester erase request close 1": "tests/crawl/test_erasure_requests.py",
    "harvester backup create backups": "tests/backup/test_drill.py",
    "harvester backup verify monday.tar": "tests/backup/test_drill.py",
    "HARVESTER_HOME=/srv/scratch harvester backup restore monday.tar": "tests/backup/test_drill.py",
    "harvester db up": "tests/cli/test_db.py",
    "harvester db down": "tests/cli/test_db.py",
    "HARVESTER_DATABASE_URL=postgresql:///again harvester replay archive/*.warc.gz": "tests/crawl/test_replay.py",
    "harvester archive list archive": "tests/crawl/test_replay.py",
    "harvester archive show project 142 archive": "tests/crawl/test_replay.py",
    "harvester demo --users 500": "make demo",
    "harvester source show 123456 > project.json": "tests/crawl/test_sources.py",
    "harvester sandbox --port 8601 --users 500 --churn 2": "the pages of docs/",
}

FACTS = ("status", "plan", "quarantine list", "analytics list", "rate", "db source", "erase list", "seed sample list")
"""Commands that read, of which some print times."""
WITHOUT_FACTS = {
    "quarantine show": "a response, byte for byte",
    "metrics": "a format of its own",
    "analytics dbt": "a format of its own",
    "dataset template": "a format of its own",
    "db down": "a deed",
    "db url": "one word",
    "db psql": "another program",
    "erase revoke": "a deed",
    "demo": "what other commands print",
    "sandbox": "one line",
}.keys()


def commands(group: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield each command and each group with its words."""
    group = get_command(app) if group is None else group
    yield path, group
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*path, name))


def examples() -> list[str]:
    """Return the examples of all commands, in the order of `--help`."""
    return [
        command.epilog.removeprefix(EXAMPLE).removesuffix("`")
        for _, command in commands()
        if not hasattr(command, "commands")
    ]


def test_everyday_commands_come_first() -> None:
    root = get_command(app)
    panels = list(dict.fromkeys(command.rich_help_panel for command in root.commands.values()))  # type: ignore[attr-defined]
    assert panels == GROUPS
    assert list(root.commands)[:2] == ["crawl", "seed"]  # type: ignore[attr-defined]


def test_help_fits_a_narrow_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    width = 60
    for name in ("COLUMNS", "TERMINAL_WIDTH"):
        monkeypatch.setenv(name, str(width))
    root = get_command(app)
    for path, command in commands(root):
        root.main([*path, "--help"], prog_name="harvester", standalone_mode=False)
        text = capsys.readouterr().out
        assert "Usage: harvester" in text, path
        assert "Example: " in text or hasattr(command, "commands"), path
        assert max(map(len, text.splitlines())) <= width, path
        assert "\N{HORIZONTAL ELLIPSIS}" not in text, path  # of a word that was cut
        assert "<bool>" not in text, path  # a flag takes no value
        choices = [str(choice) for one in command.params for choice in one.type_descriptor.choices or ()]
        assert set(choices) <= set(re.split(r"[^\w-]+", text)), path  # none is folded
        assert all(option.help for option in command.params), path


def test_an_empty_path_is_refused() -> None:
    """It would name the current folder, where a variable of a shell is not set."""
    taken = 0
    for _, command in commands():
        for one in command.params:
            if one.type_descriptor.annotation in (Path, list[Path]):
                value = [""] if one.type_descriptor.is_list else ""
                with pytest.raises(BadParameter, match="an empty path names nothing"):
                    one.process_value(Context(command), value)
                taken += 1
    assert taken >= 10
    for words in (["source", "export", ""], ["report", ""]):
        ended = CliRunner().invoke(app, words)
        assert (ended.exit_code, ended.stderr.count("\n")) == (2, 1), words


@pytest.mark.parametrize("option", ["--install-completion", "--show-completion"])
@pytest.mark.parametrize("shell", [None, "tcsh"])
def test_a_shell_without_completion_is_named(option: str, shell: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def detect() -> tuple[str, str]:
        if shell is None:
            raise shellingham.ShellDetectionFailure
        return shell, f"/bin/{shell}"

    monkeypatch.setattr(shellingham, "detect_shell", detect)
    ended = CliRunner().invoke(app, [option])
    assert (ended.exit_code, ended.stdout) == (ExitStatus.USAGE, "")
    assert ended.stderr.endswith(f"the shell that runs this command is {shell or 'none'}\n")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [["backup", "create"], ["backup", "verify"], ["archive", "list"]])
def test_a_name_that_no_file_can_have_is_one_line(words: list[str]) -> None:
    ended = CliRunner().invoke(app, [*words, "x" * 300])
    assert ended.exit_code == ExitStatus.FAILED
    assert ended.stderr == f"harvester: {'x' * 300}: File name too long\n"


@pytest.mark.parametrize("is_closed", [True, False])
def test_a_question_that_nobody_can_answer_is_refused(
    is_closed: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Standard input is closed or empty, as a scheduler may start a command."""
    with Path("/dev/null").open() as empty:
        monkeypatch.setattr("sys.stdin", None if is_closed else empty)
        with pytest.raises(SystemExit) as ended:
            get_command(app).main(["erase", "request", "carry-out", "1"])
    assert ended.value.code == ExitStatus.USAGE
    assert capsys.readouterr().err == (
        "harvester: the command asks before it goes on, and nobody can answer: add --yes\n"
    )


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("harvester crawl --share ", list(Share)),
        ("harvester crawl --spider re", ["replies"]),
        ("harvester seed explore --mode ", list(RankingMode)),
        ("harvester dataset build release --text ", list(Text)),
    ],
)
def test_a_shell_completes_closed_choices(words: str, offered: list[str]) -> None:
    number = len(words.split(" ")) - 1
    variables = {"_HARVESTER_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(number)}
    found = CliRunner(env=variables).invoke(app, prog_name="harvester")
    assert found.output.split() == offered


def test_closed_choices_are_those_that_the_rooms_know() -> None:
    assert set(SpiderName) == {stream.spider for stream in STREAMS.values()}
    assert list(Share) == list(PURPOSES) == list(Settings.model_fields["shares"].default)


def test_every_example_runs(
    make_harvester: Callable[..., Any], small_sandbox: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names that only the real site has are replaced by those of the sandbox, and the scope is empty at first."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "releases").mkdir()
    harvester = make_harvester(small_sandbox, HARVESTER_HOME=str(tmp_path / "home"))
    del harvester.environment["HARVESTER_RATE"]  # the example of `harvester rate` changes it
    known = small_sandbox.seeds()["users"]
    harvester.query(
        "INSERT INTO crawl.quarantine (id, stream, entity_id, path, status, reason, body)"
        " OVERRIDING SYSTEM VALUE VALUES (12, 'user', 1, '/users/x', 200, 'x', '{}') RETURNING 1"
    )
    names = {"griffpatch": known[0], "mres": known[1], "somebody": known[0]}
    harvester("dataset", "build", "releases/2026.05.0", "--profile", "restricted", "--key", "project")
    for example in [one for one in examples() if one not in RUN_ELSEWHERE]:
        for part in example.split(" && "):
            program, *words = shlex.split(part.partition(" > ")[0])
            assert program == "harvester"
            harvester(*(names.get(word, word) for word in words))
    told = [line for one in FACTS for line in harvester(*one.split(), "--json").stdout.splitlines()]
    times = [time for line in told for time in re.findall(r'"(\d{4}-\d\d-\d\d.\d[^"]*)"', line)]
    assert len(times) > 20
    for time in times:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d:\d\d|Z)", time), time


def test_commands_that_print_facts_print_them_as_json() -> None:
    without = {
        " ".join(path)
        for path, command in commands()
        if not hasattr(command, "commands") and "--json" not in {word for one in command.params for word in one.opts}
    }
    assert without == WITHOUT_FACTS


@pytest.mark.parametrize(
    ("words", "names", "depth"),
    [
        ("-x- --depth 2", ["-x-"], 2),
        ("--depth 2 y -x-", ["y", "-x-"], 2),
        ("-d 2 -dx", ["-dx"], 2),
        ("--by-id -x-", ["-x-"], 0),
        ("--depth -1 x", ["x"], -1),
        ("-x -- --y --depth", ["-x", "--y", "--depth"], 0),
        ("--dept 1 x", None, 0),
        ("-- -x-", ["-x-"], 0),
    ],
)
def test_a_name_may_begin_with_a_dash(words: str, names: list[str] | None, depth: int) -> None:
    app, read = typer.Typer(), list[object]()

    @app.command(cls=NamesCommand)
    def take(
        names: list[str],
        depth: Annotated[int, typer.Option("--depth", "-d")] = 0,
        by_id: Annotated[bool, typer.Option("--by-id")] = False,
    ) -> None:
        read.append((names, depth, by_id))

    result = CliRunner().invoke(app, words.split())
    assert (result.exit_code == 0) == (names is not None)
    assert read == ([] if names is None else [(names, depth, "--by-id" in words)])


def test_the_version_is_printed_by_both_names() -> None:
    """`uvx scratch-harvester` needs a command of the package's name."""
    scripts = {entry.name: entry.value for entry in metadata.entry_points(group="console_scripts")}
    assert scripts["scratch-harvester"] == scripts["harvester"]
    assert CliRunner().invoke(app, ["--version"]).output == f"scratch-harvester {__version__}\n"


def test_a_citation_names_the_version() -> None:
    text = (Path(__file__).parents[2] / "CITATION.cff").read_text()
    cited = dict(re.findall(r"^([a-z-]+): (.+)$", text, re.MULTILINE))
    assert cited["version"] == __version__
    assert cited["license"] == metadata.metadata("scratch-harvester")["License-Expression"]
