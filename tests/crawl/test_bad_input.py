"""Wrong input: one line that says what to do, exit 1 or 2, no traceback, nothing half done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from harvester.cli.main import app
from harvester.config import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PUBLIC = {"HARVESTER_API_URL": "https://api.scratch.mit.edu", "HARVESTER_SITE_URL": "https://scratch.mit.edu"}
ALLOWED = PUBLIC | {"HARVESTER_CONTACT": "me@example.org", "HARVESTER_PERMISSION": "letter 7"}


@pytest.fixture(scope="module")
def empty(embedded_server: Any) -> Iterator[str]:
    """URL of a warehouse that stays empty, whatever is refused."""
    url = embedded_server.create(embedded_server.template())
    yield url
    embedded_server.drop(url)


@pytest.fixture
def refused(
    small_sandbox: Any,
    harvester_of: Callable[..., Any],
    empty: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Callable[..., str]:
    """Run a command that must be refused; returns the one line it said.

    In this process, which is quick, unless the command comes as far as Scrapy's reactor.
    """

    def run(*arguments: str, code: int, reactor: bool = False, **environment: str) -> str:
        own = harvester_of(empty, small_sandbox)
        harvester = harvester_of(environment.pop("HARVESTER_DATABASE_URL", empty), small_sandbox)
        harvester.environment |= environment
        before = small_sandbox.requests()["total"]
        if reactor:
            result = harvester(*arguments, ok=False)
            status, output, errors = result.returncode, result.stdout, result.stderr
        else:
            for name, value in (harvester.environment | {"HARVESTER_DATABASE_URL": harvester.database}).items():
                monkeypatch.setenv(name, value)
            settings.cache_clear()
            with pytest.raises(SystemExit) as caught:
                app(list(arguments))
            status, (output, errors) = caught.value.code, capfd.readouterr()
        assert status == code, errors
        assert output == ""
        assert errors.count("\n") == 1, errors
        assert errors.startswith("harvester: ")
        if code == 2:
            assert small_sandbox.requests()["total"] == before
        assert own.query("SELECT count(*) FROM crawl.seeds") == [(0,)]
        assert own.query("SELECT count(*) FROM crawl.frontier") == [(0,)]
        assert own.query("SELECT count(*) FROM scratch.users") == [(0,)]
        return errors

    return run


def test_an_unknown_user(refused: Callable[..., str], small_sandbox: Any) -> None:
    known = small_sandbox.seeds()["users"][0]
    assert "no user is called nobody-at-all" in refused("seed", "users", known, "nobody-at-all", code=1, reactor=True)


@pytest.mark.parametrize("name", ["a/b", "..", "a?b", "a b", "cat\N{CAT FACE}", "", "%2e%2e", "a" * 61, "x\ny"])
def test_a_name_that_cannot_be_one(refused: Callable[..., str], name: str) -> None:
    said = refused("seed", "users", name, code=2)
    assert "no username" in said
    assert "--by-id" in said


@pytest.mark.parametrize("number", ["abc", "1.5", "0", "1e3", "99999999999999999999", "\N{SUPERSCRIPT TWO}", "-5"])
@pytest.mark.parametrize("kind", ["projects", "studios", "users --by-id"])
def test_an_id_that_is_no_number(refused: Callable[..., str], kind: str, number: str) -> None:
    said = refused("seed", *kind.split(), "142", number, code=2)
    assert "id: a whole number above 0" in said or "No such option" in said


def test_another_kind_of_database(refused: Callable[..., str]) -> None:
    said = refused("crawl", code=2, HARVESTER_DATABASE_URL="mysql://me:hunter2@localhost/x")
    assert "only PostgreSQL >= 15" in said
    assert "hunter2" not in said


def test_an_unreachable_database(refused: Callable[..., str]) -> None:
    said = refused("crawl", code=1, reactor=True, HARVESTER_DATABASE_URL="postgresql://me:hunter2@127.0.0.1:9/x")
    assert "cannot be reached" in said
    assert "hunter2" not in said


def test_no_limit_against_the_real_host(refused: Callable[..., str]) -> None:
    assert "loopback hosts only" in refused("crawl", code=2, **ALLOWED, HARVESTER_RATE="0")


@pytest.mark.parametrize("missing", ["HARVESTER_CONTACT", "HARVESTER_PERMISSION"])
@pytest.mark.parametrize("command", [("crawl",), ("crawl", "--refresh"), ("seed", "users", "mres")], ids=" ".join)
def test_the_real_host_without_a_contact_or_a_permission(
    refused: Callable[..., str], command: tuple[str, ...], missing: str
) -> None:
    environment = {name: value for name, value in ALLOWED.items() if name != missing}
    said = refused(*command, code=2, **environment, HARVESTER_RATE="5")
    assert missing in said
    assert "Terms of Use" in said


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("crawl", "--spider", "nope"), "'users', 'projects'"),
        (("crawl", "--refresh", "--audit"), "exclude each other"),
        (("crawl", "--max-requests", "0"), "above 0"),
        (("crawl", "--max-requests", "many"), "integer"),
        (("crawl", "--max-minutes", "-1"), "above 0"),
        (("seed", "projects", "1", "--depth", "-1"), "--depth"),
        (("seed", "projects"), "Missing argument"),
        (("seed", "explore", "--mode", "recent"), "'popular', 'trending'"),
        (("seed", "explore", "--pages", "251"), "between 1 and 250"),
        (("seed", "explore", "--language", "e n"), "a language code"),
        (("seed", "explore", "--kind", "users"), "'projects', 'studios'"),
        (("seed", "explore", "--depth", "-1"), "--depth"),
        (("seed", "search"), "--query"),
        (("seed", "search", "--query", " "), "words to search for"),
        (("streams", "nope"), "no stream is called"),
        (("crwal",), "No such command"),
        (("sandbox", "--faults", "nope=1"), "nope"),
        (("sandbox", "--faults", "500=2"), "500"),
        (("sandbox", "--port", "99999"), "--port"),
        (("quarantine", "list", "--most", "9" * 20), "--most"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_usage(refused: Callable[..., str], arguments: tuple[str, ...], word: str) -> None:
    assert word in refused(*arguments, code=2)


def test_a_database_without_a_schema(
    small_sandbox: Any, make_harvester: Callable[..., Any], blank_database: str
) -> None:
    harvester = make_harvester(small_sandbox, HARVESTER_DATABASE_URL=blank_database)
    for command in (("crawl",), ("status",), ("seed", "projects", "1")):
        result = harvester(*command, ok=False)
        assert result.returncode == 1
        assert result.stderr == "harvester: the database has no schema yet: run `harvester db migrate`\n"


@pytest.mark.parametrize(
    ("setting", "command", "word"),
    [
        ("default_transaction_read_only = on", "crawl", "read-only"),
        ("default_transaction_read_only = on", "quarantine retry", "read-only"),
        ("role = harvester_reader", "crawl", "db roles"),
        ("role = harvester_reader", "status", "db roles"),
    ],
)
def test_a_database_that_refuses(
    small_sandbox: Any, make_harvester: Callable[..., Any], database: str, setting: str, command: str, word: str
) -> None:
    name = psycopg.conninfo.conninfo_to_dict(database)["dbname"]
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(f'ALTER DATABASE "{name}" SET {setting}')
    result = make_harvester(small_sandbox)(*command.split(), ok=False)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1, result.stderr
    assert word in result.stderr
