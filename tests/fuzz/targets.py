"""What hostile input is thrown at: each target takes bytes and raises for a defect, never for bad input."""

from __future__ import annotations

import io
import json
import os
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from harvester.api.catalogue import STREAMS
from harvester.api.decode import decode
from harvester.api.rows import Query, Rows, Visit, normalise
from harvester.api.stream import Format
from harvester.crawl.answers import is_absent
from harvester.errors import DecodeError
from harvester.pagination import cursor, offset, page_number
from harvester.source.decode import decode as decode_source
from harvester.source.differences import compare
from harvester.source.facts import facts
from harvester.source.model import DamagedSource
from harvester.source.structure import structure

if TYPE_CHECKING:
    from harvester.api.stream import Stream

SEEN = datetime(2026, 1, 1, tzinfo=UTC)
EXAMPLES = Path(__file__).parent.parent / "api_examples"
PROFILE_PAGE = Path(__file__).parent.parent / "api" / "profile_comment.html"
USER_ACTIVITY = PROFILE_PAGE.with_name("user_activity.html")
_INT64 = range(-(2**63), 2**63)


@cache
def corpus() -> tuple[bytes, ...]:
    """Inputs for `decoding` to start from: each stream with the response that is documented of it."""
    documented = {}
    for path in sorted(EXAMPLES.glob("*.json")):
        loaded = json.loads(path.read_bytes())
        documented[loaded["endpoint"].removeprefix("GET ")] = json.dumps(loaded["response"]).encode()
    pages = dict.fromkeys(Format, PROFILE_PAGE.read_bytes()) | {Format.USER_ACTIVITY: USER_ACTIVITY.read_bytes()}
    bodies = [documented.get(stream.documented, pages[stream.format]) for stream in STREAMS.values()]
    return tuple(bytes([number]) + body for number, body in enumerate(bodies))


def rows_of(stream: Stream, body: bytes) -> list[Rows]:
    """The rows that a response makes; none where it is refused."""
    visit = Visit(stream, 7, 5, "someone", 9, SEEN, Query("cats", "popular", "en", 1))
    is_absent(stream, 200, body)
    try:
        records = decode(stream, body, [], [])
    except DecodeError:
        return []
    return normalise(visit, records)


def decoding(data: bytes) -> None:
    """Any body for any stream: rows that Postgres takes, or a `DecodeError`."""
    if not data:
        return
    stream = list(STREAMS.values())[data[0] % len(STREAMS)]
    for rows in rows_of(stream, data[1:]):
        for row in rows.values:
            for value in row:
                check(value)


def check(value: Any) -> None:
    """Whether a value can be stored and read back."""
    if isinstance(value, str):
        assert "\0" not in value
        value.encode()
    elif isinstance(value, bool) or value is None or isinstance(value, (float, datetime)):
        pass
    elif isinstance(value, int):
        assert value in _INT64
    elif isinstance(value, dict):
        for name, inner in value.items():
            check(name)
            check_json(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            check_json(inner)
    else:
        check(str(value))


def check_json(value: Any) -> None:
    """As `check`, of what stands in JSON, where numbers have no bounds."""
    if not isinstance(value, int):
        check(value)


def visiting(data: bytes) -> None:
    """Any pages to any visit: it goes on or it ends, and what it keeps between pages can be read again."""
    if len(data) < 3:
        return
    listing = offset.Listing(
        order=list(offset.Order)[data[0] % len(offset.Order)],
        keyed=bool(data[1] & 1),
        stop_after_empty_pages=data[1] >> 1 & 1,
        reorders=bool(data[1] & 4),
        lookback=data[2] % 4,
    )
    state = offset.begin(listing, None, None)
    rest = data[3:]
    for place in range(0, len(rest), 40):
        page = rest[place : place + 40]
        entries = [
            offset.Entry(number, number // 3 if listing.keyed and number % 11 else None, hole=number % 11 == 0)
            for number in page
            if number % 7
        ]
        result = offset.step(listing, state, entries, absent=page[:1] == b"\xff")
        assert state.offset >= 0
        if result.done is not None:
            return


def site(data: bytes) -> list[list[offset.Entry]]:
    """What a hostile site answers, page after page and then again from the first: items with times as it likes."""
    first, *rest = data or b"\0"
    size = 1 + first % 8
    pages = [rest[place : place + size] for place in range(0, len(rest), size)] or [[]]
    # In every seventh a part of the one before it, without a time of its own.
    return [[offset.Entry(n, None if n % 7 == 6 else n // 4) for n in page if n != 255] for page in pages]


def kept(state: Any, kind: Any) -> Any:
    """A state as the next worker has it, out of the checkpoint."""
    again = msgspec.convert(json.loads(msgspec.json.encode(state)), kind)
    assert again == state
    return again


def certificate_of(data: bytes, place: int) -> offset.Certificate | None:
    """What an earlier visit may have left."""
    if place & 1:
        return None
    return offset.Certificate(
        proven_by=offset.ProvenBy.KEY, complete=bool(place & 2), key=place >> 2, digest=data.hex()[:16]
    )


def dating(data: bytes) -> None:
    """Any answers to a visit by a date: it ends, it never asks for what is younger than what it asked before."""
    if len(data) < 3:
        return
    listing = offset.Listing(order=offset.Order.NEWEST_FIRST, keyed=True, lookback=data[0] % 4, limit=1 + data[1] % 8)
    state = cursor.begin(certificate_of(data[3:], data[2]))
    answers = site(data[3:])
    for number in range(10_000):
        before = state.before
        # By the cursor, as a site does, or whatever comes next, as none should.
        place = number if data[0] & 128 or before is None else before
        result = cursor.step(listing, state, answers[place % len(answers)], absent=data[1] == 255 and not number)
        if result.done is not None:
            assert result.done.complete or not result.whole
            return
        assert state.before is not None
        assert before is None or state.before <= before
        state = kept(state, cursor.CursorState)
    raise AssertionError("a visit without an end")


def paging(data: bytes) -> None:
    """Any answers to a visit by page number: it ends, and it asks for no page below the first or beyond the last."""
    if len(data) < 3:
        return
    listing = offset.Listing(
        order=offset.Order.NEWEST_FIRST, keyed=True, lookback=data[0] % 4, stop_after_empty_pages=1 + data[0] % 3
    )
    deepest = None if data[1] & 1 else 1 + (data[1] >> 1) % 8
    state = page_number.begin(certificate_of(data[3:], data[2]))
    answers = site(data[3:])
    for number in range(10_000):
        assert 1 <= state.page <= (deepest or state.page)
        # By the number, as a site does, or whatever comes next, as none should. Without a cap the list ends somewhere.
        place = number if data[0] & 128 else state.page - 1
        page = [] if deepest is None and state.page > len(answers) else answers[place % len(answers)]
        result = page_number.step(listing, state, page, absent=data[1] == 255 and not number, max_offset=deepest)
        if result.done is not None:
            assert result.certified or not result.whole
            return
        state = kept(state, page_number.PageNumberState)
    raise AssertionError("a visit without an end")


# The command line ----------------------------------------------------------------------------------------------------

WORDS = (
    "--json", "--help", "--depth", "--spider", "--max-requests", "--max-minutes", "--workers", "--refresh", "--audit",
    "--share", "--query", "--mode", "--language", "--pages", "--kind", "--stream", "--most", "--rate", "--up-to",
    "--dry-run", "--yes", "--seed", "--port", "--users", "--profile", "--keep-days", "--", "-", "", "0", "-1", "1e9",
    "nan", "inf", "142", "9" * 30, "projects", "users", "popular", "trending", "someone", "a b", "\n", "\x1b[31m",
    "[bold]", "\udcff", "é", "=", "--depth=", "--depth=3", "--json=1", "x" * 300, "/dev/null", "audit", "en",
)  # fmt: skip
"""What arguments are made of, besides the names of commands and of options."""
AT_WORK = {"demo", "sandbox", "metrics", "report", "replay", "streams", "db", "dataset"}
"""Commands that serve, write, or read files before they ask the database: of these only the arguments are read."""
LOGGING = "--log-json"
"""An option that is left out: it changes the process for good."""
STATUSES = {0, 1, 2, 3, 130}
NOWHERE = {
    "HARVESTER_DATABASE_URL": "postgresql://127.0.0.1:1/none",
    "HARVESTER_HOME": "/dev/null/nothing",
    "HARVESTER_CONTACT": "",
    "HOME": "/dev/null/nothing",  # where --install-completion would write
}
"""The environment of `commanding`."""


@cache
def command_line() -> tuple[Any, tuple[tuple[str, ...], ...], tuple[str, ...]]:
    """The commands, where those `AT_WORK` end before they begin; their names; and the words that they know."""
    from typer.main import get_command

    from harvester.cli.main import app

    root = get_command(app)
    names: list[tuple[str, ...]] = []
    words = list(WORDS)

    def visit(command: Any, path: tuple[str, ...]) -> None:
        for name, inner in getattr(command, "commands", {}).items():
            visit(inner, (*path, name))
        names.append(path)
        words.extend(option for part in command.params for option in part.opts if option not in (part.name, LOGGING))
        if path and path[0] in AT_WORK and command.callback is not None:
            command.callback = lambda **_: None

    visit(root, ())
    return root, tuple(names), tuple(dict.fromkeys(words))


def arguments_of(data: bytes) -> list[str]:
    """Arguments out of bytes: a command, then words that are known, and between them whatever else."""
    _, names, words = command_line()
    made = list(names[data[0] % len(names)]) if data else []
    rest = data[1:]
    while rest:
        first, rest = rest[0], rest[1:]
        if first < 240:
            made.append(words[first % len(words)])
        else:
            size = first - 239
            made.append(os.fsdecode(rest[:size].replace(b"\0", b"")))
            rest = rest[size:]
    return made


def commanding(data: bytes) -> None:
    """Any arguments where there is no database: a documented exit status and, where it is not 0, a line that says why.

    Each command checks what it was given before it asks the database, which is as far as it gets (see `NOWHERE`).
    """
    root, _, _ = command_line()
    arguments = arguments_of(data)
    shown, said = io.StringIO(), io.StringIO()
    try:
        with redirect_stdout(shown), redirect_stderr(said):
            root.main(arguments)
    except SystemExit as ended:
        status = ended.code
    assert status in STATUSES, (arguments, status)
    lines = said.getvalue().splitlines()
    if status and not any(lines):
        assert "Usage:" in shown.getvalue(), arguments  # a group alone shows what it has
    elif status:
        assert len(lines) == 1, (arguments, lines)
        assert lines[0].startswith("harvester: "), (arguments, lines)
        assert lines[0].isprintable(), (arguments, lines)


# Sources of projects --------------------------------------------------------------------------------------------------


@cache
def projects() -> tuple[bytes, ...]:
    """Inputs for `sourcing` to start from: one project of many kinds of blocks, in the formats of Scratch."""
    import sources

    number = ("operator_add", {"NUM1": ("data_variable", {"VARIABLE": "score"}), "NUM2": "2"})
    touching = ("sensing_touchingobject", {"TOUCHINGOBJECTMENU": "_edge_"})
    stack = [("motion_movesteps", {"STEPS": number}), ("event_broadcast", {"BROADCAST_INPUT": "go"})]
    script = [
        ("event_whenflagclicked", {}),
        ("control_repeat", {"TIMES": "10", "SUBSTACK": stack}),
        ("control_if_else", {"CONDITION": touching, "SUBSTACK": stack, "SUBSTACK2": []}),
    ]
    asset = ("walk", "bcf454acf82e4504149f7ffe07081dbc.svg")
    sprite = sources.Sprite("Anna", [script, script], ["score"], ["log"], ["a note"], [asset], [asset])
    project = [sources.Sprite("Stage", [script]), sprite]
    return sources.write(sources.scratch_3(project)), sources.write(sources.scratch_2(project)), b"ScratchV02"


def sourcing(data: bytes) -> None:
    """Any body of a source: refused with a reason, or a source that is read the same from its canonical form."""
    try:
        source = decode_source(data)
    except DamagedSource:
        return
    found = facts(source)
    assert (found is None) == (structure(source) is None)
    again = decode_source(source.canonical)
    assert again == source
    differences = compare(again, source)
    assert differences is None or differences.untouched


TARGETS = {
    "decoding": decoding,
    "visiting": visiting,
    "dating": dating,
    "paging": paging,
    "commanding": commanding,
    "sourcing": sourcing,
}
SEEDS = {"decoding": corpus, "sourcing": projects}
"""What the inputs of a target start from."""
