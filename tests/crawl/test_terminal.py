"""Texts of the site may hold control codes of terminals: commands print it escaped, and `quarantine show` as it is."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from harvester.cli.main import app
from harvester.config import settings
from harvester.warehouse.connect import open_connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ODD = "\x1b[2J\x1b]0;owned\x07\u202e\x9b1m [red]x[/] \\"
BODY = f'{{"name": "{ODD}"}}\r\nsecond'.encode() + b"\xff"
FILL = """
INSERT INTO crawl.quarantine (stream, entity_id, path, status, reason, body)
VALUES ('user_messages', 1, %(odd)s, 200, %(odd)s, %(body)s);
INSERT INTO crawl.drift (stream, field, change, example) VALUES (%(odd)s, %(odd)s, %(odd)s, %(odd)s);
INSERT INTO crawl.queries (stream, query, mode, language, pages, depth)
VALUES ('search_projects', %(odd)s, 'popular', %(odd)s, 1, 0);
INSERT INTO crawl.frontier (stream, entity_id, due_at, visits, failures, last_error)
VALUES ('user_messages', 1, now(), 1, 1, %(odd)s);
INSERT INTO crawl.runs (command, version, api_url, outcome, findings)
VALUES (%(odd)s, '0', 'x', 'degraded', jsonb_build_array(%(odd)s::text));
INSERT INTO history.site_health (seen_at, trouble) VALUES (now(), %(odd)s);
INSERT INTO crawl.rate_limit (id, rate, closed_until, closed_reason) VALUES (1, 5, now() + interval '1 hour', %(odd)s);
INSERT INTO crawl.rate_changes (rate, changed_by, database_role) VALUES (5, %(odd)s, %(odd)s)
"""


@pytest.fixture
def odd(database: str) -> Iterator[str]:
    with open_connection(database, autocommit=True) as connection:
        for statement in FILL.split(";"):
            connection.execute(statement, {"odd": ODD, "body": BODY})
    yield database
    settings.cache_clear()


@pytest.fixture
def printed(odd: str, monkeypatch: pytest.MonkeyPatch, capsysbinary: Any) -> Callable[..., bytes]:
    """A command in this process: what it printed."""
    monkeypatch.setenv("HARVESTER_DATABASE_URL", odd)
    monkeypatch.setenv("COLUMNS", "500")
    settings.cache_clear()

    def run(*arguments: str) -> bytes:
        with pytest.raises(SystemExit) as ended:
            app(arguments, prog_name="harvester")
        found = capsysbinary.readouterr()
        assert (ended.value.code, found.err) == (0, b"")
        out: bytes = found.out
        return out

    return run


def test_printed_text_moves_no_cursor(printed: Callable[..., bytes]) -> None:
    for arguments, times in ((("status",), 8), (("quarantine", "list"), 1)):
        text = printed(*arguments).decode()
        assert text.count("\\x1b[2J\\x1b]0;owned\\x07\\u202e\\x9b1m [red]x[/] \\") >= times, text
        assert all(line.isprintable() for line in text.split("\n"))
        json.loads(printed(*arguments, "--json"))


def test_a_response_is_shown_as_is_but_escaped_on_a_terminal(odd: str, printed: Callable[..., bytes]) -> None:
    assert printed("quarantine", "show", "1") == BODY
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "harvester", "quarantine", "show", "1"]
    environment = os.environ | {"HARVESTER_DATABASE_URL": odd}
    subprocess.run(command, stdout=theirs, env=environment, check=True, timeout=60)
    os.close(theirs)
    shown = os.read(ours, 10_000).decode()
    os.close(ours)
    lines = [line.rstrip("\r") for line in shown.split("\n")]
    assert "\\x1b[2J" in lines[0]
    assert lines[1].startswith("second")
    assert all(line.isprintable() for line in lines)
