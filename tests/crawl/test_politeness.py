"""What leaves the process: seen by a server that writes down each request, and by the sandbox's own log."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scrapy import Request
from scrapy.exceptions import IgnoreRequest

from harvester.config import load
from harvester.crawl.middlewares import PoliteMiddleware
from harvester.crawl.rate_limit import (
    FAILURE_STREAK,
    FIRST_TRIP_SECONDS,
    LONGEST_TRIP_SECONDS,
    Interrupted,
    RateLimiter,
    close_budget,
    end_pauses,
    open_breaker,
    release_slots,
    reserve_slots,
)
from harvester.crawl.retry import LONGEST_RETRY_AFTER, backoff, retry_after
from harvester.crawl.session import Session
from harvester.errors import UsageError
from harvester.frontier.request_rate import adopt_rate
from harvester.warehouse.connect import open_connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harvester.config import Settings
    from harvester.warehouse.connection import Connection

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LOCAL = "http://127.0.0.1:1"

USER = json.dumps(
    {
        "id": 5,
        "username": "someone",
        "scratchteam": False,
        "history": {"joined": "2007-03-07T03:50:14.000Z"},
        "profile": {"id": 29, "images": {}, "status": "", "bio": "", "country": ""},
    }
).encode()


class Recorder:
    """Answers each request with the next of its answers, the last one for ever, and writes the requests down."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str], bytes]] = [(200, {}, USER)]
        self.seen: list[tuple[float, str, str, dict[str, str]]] = []
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            def do(self) -> None:
                recorder.seen.append((time.monotonic(), self.command, self.path, dict(self.headers)))
                answers = recorder.answers
                status, headers, body = answers.pop(0) if len(answers) > 1 else answers[0]
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_HEAD = do  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    server = Recorder()
    yield server
    server.close()


@pytest.fixture
def elsewhere() -> Iterator[Recorder]:
    server = Recorder()
    yield server
    server.close()


def test_an_honest_name_and_only_get(recorder: Recorder, make_harvester: Callable[..., Any]) -> None:
    harvester = make_harvester(
        recorder,
        HARVESTER_CONTACT="https://example.org/us",
        HARVESTER_RATE="50",
        HARVESTER_SHARES='{"discovery": 2, "scheduled": 3}',
    )
    harvester("seed", "users", "someone")
    ((_, method, path, headers),) = recorder.seen
    assert (method, path) == ("GET", "/users/someone")
    assert headers["User-Agent"].startswith("scratch-harvester/")
    assert "(+https://example.org/us)" in headers["User-Agent"]
    assert "Cookie" not in headers
    # Each run records what it kept to, whatever was set when the report is drawn.
    harvester("crawl", ok=False)
    kept_to = harvester.query("SELECT user_agent, rate, shares FROM crawl.runs")
    assert {tuple(map(json.dumps, run)) for run in kept_to} == {
        (json.dumps(headers["User-Agent"]), "50.0", '{"discovery": 2.0, "scheduled": 3.0}')
    }
    assert {agent for _, _, _, sent in recorder.seen for agent in [sent["User-Agent"]]} == {kept_to[0][0]}


def test_retry_after_is_honoured(recorder: Recorder, make_harvester: Callable[..., Any]) -> None:
    recorder.answers = [
        (429, {"Retry-After": "2"}, b'{"response": "Too many requests"}'),
        (200, {}, USER),
    ]
    make_harvester(recorder)("seed", "users", "someone")
    (first, *_), (second, *_) = recorder.seen
    assert second - first >= 2


def test_a_pause_holds_for_all_workers(recorder: Recorder, make_harvester: Callable[..., Any]) -> None:
    """What one worker is told holds for the next one too: the pause is in the warehouse."""
    harvester = make_harvester(recorder, HARVESTER_RATE="100")
    with budget(harvester.database, 100) as connection:
        close_budget(connection, 4.0, "told so")
        began = time.monotonic()
    harvester("seed", "users", "someone")
    assert recorder.seen[0][0] - began >= 4 - 0.5


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_redirect_is_never_followed_and_never_data(
    recorder: Recorder, elsewhere: Recorder, make_harvester: Callable[..., Any], status: int
) -> None:
    recorder.answers = [(status, {"Location": f"{elsewhere.url}/users/someone"}, USER), (200, {}, USER)]
    make_harvester(recorder)("seed", "users", "someone")
    assert len(recorder.seen) == 2
    assert elsewhere.seen == []


def test_no_name_and_no_secret_in_the_log(recorder: Recorder, make_harvester: Callable[..., Any]) -> None:
    recorder.answers = [
        (500, {}, b"<html>"),
        (200, {}, b"{"),
        (200, {}, b"not json"),
        (200, {}, USER),
    ]
    harvester = make_harvester(recorder, HARVESTER_CONTACT="me@example.org")
    result = harvester("seed", "users", "someone")
    assert "someone" not in result.stderr
    assert "example.org" not in result.stderr


def test_waiting_requests_are_spread_after_a_pause(database: str) -> None:
    rate = 50

    async def scenario() -> tuple[float, list[float]]:
        chosen = load(database_url=database, api_url="http://127.0.0.1:1", site_url="http://127.0.0.1:1", rate=rate)
        session = Session(chosen, "test")
        await session.open()
        rate_limiter = session.rate_limiter
        left: list[float] = []

        async def one() -> None:
            await rate_limiter.acquire()
            left.append(asyncio.get_running_loop().time())

        waiting = [asyncio.create_task(one()) for _ in range(10)]
        await asyncio.sleep(0)
        await rate_limiter.pause(1.0, "told so")
        end = rate_limiter._closed_until
        await asyncio.gather(*waiting)
        await session.close("done")
        return end, sorted(at for at in left if at >= end)

    end, left = asyncio.run(scenario())
    assert len(left) > 5
    for place, at in enumerate(left):
        assert at >= end + place / rate - 0.03


@contextmanager
def budget(database: str, rate: float) -> Iterator[Connection]:
    """A connection to a warehouse that has a rate."""
    with open_connection(database, autocommit=True) as connection:
        adopt_rate(connection, load(database_url=database, api_url=LOCAL, site_url=LOCAL, rate=rate))
        yield connection


def test_slots_are_evenly_spaced(database: str) -> None:
    with budget(database, 1.0) as connection:
        first, second = reserve_slots(connection, 10), reserve_slots(connection, 1)
        assert (first.slots, first.seconds, second.slots) == (1, 0, 1), "a tenth of a second's worth, one at least"
        assert 1 - 0.1 < second.seconds <= 1
        release_slots(connection, 1.0)
        assert 1 - 0.2 < reserve_slots(connection, 1).seconds <= 1
        connection.execute("UPDATE crawl.rate_limit SET rate = 200")
        many = reserve_slots(connection, 50)
        assert (many.slots, many.rate) == (20, 200), "the rate is the one that stands in the row now"
        assert many.seconds + 0.1 - 0.1 < reserve_slots(connection, 1).seconds <= many.seconds + 0.1
        close_budget(connection, 100, "told so")
        closed = reserve_slots(connection, 1)
        assert closed.slots == 0
        assert 99 < closed.seconds <= 100


@pytest.mark.parametrize("is_kept", [True, False])
def test_of_two_first_runs_at_once_one_records_the_rate(database: str, *, is_kept: bool) -> None:
    """The second waits for the first: it is refused, or records its own where the first one did not come to its end."""

    def second() -> Settings:
        with open_connection(database, autocommit=True) as other:
            return adopt_rate(other, load(database_url=database, api_url=LOCAL, site_url=LOCAL, rate=50))

    with open_connection(database, autocommit=True) as connection, ThreadPoolExecutor(1) as pool:
        with connection.transaction():
            adopt_rate(connection, load(database_url=database, api_url=LOCAL, site_url=LOCAL, rate=5))
            waiting = pool.submit(second)
            blocked = (
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
            )
            while connection.execute(blocked).fetchone() == (0,):
                time.sleep(0.01)
            if not is_kept:
                raise psycopg.Rollback
        if is_kept:
            with pytest.raises(UsageError, match=r"^HARVESTER_RATE is 50 requests/s, but .* is 5 requests/s: [^\n]*$"):
                waiting.result()
        else:
            assert waiting.result().rate == 50
        log = connection.execute("SELECT rate, previous_rate FROM crawl.rate_changes").fetchall()
        assert log == [(5.0 if is_kept else 50.0, None)]


def test_no_change_of_the_rate_makes_a_public_host_unlimited(database: str) -> None:
    """Neither at the start of a run nor in its middle."""
    public = load(database_url=database, contact="a@example.org", permission="a test")

    async def scenario() -> None:
        session = Session(public, "test")
        await session.open()
        rate_limiter = session.rate_limiter
        await rate_limiter.acquire()
        await session.call(lambda connection: connection.execute("UPDATE crawl.rate_limit SET rate = 0"))
        with pytest.raises(UsageError, match="loopback hosts only"):
            await rate_limiter.acquire()
        await session.close("done")
        with pytest.raises(UsageError, match="loopback hosts only"):
            await Session(public, "test").open()

    asyncio.run(scenario())


def test_unused_slots_are_lost(database: str) -> None:
    """After a quiet time there is no burst to make up for it."""
    with budget(database, 1.0) as connection:
        reserve_slots(connection, 1)
        connection.execute("UPDATE crawl.rate_limit SET next_at = now() - interval '10 s'")
        assert reserve_slots(connection, 1).seconds == 0
        assert reserve_slots(connection, 1).seconds > 0.5


def paced(database: str, scenario: Callable[[Session, RateLimiter], Any], rate: float = 50) -> tuple[Any, ...]:
    """Run something with a rate limiter; return its row then: slots taken, breaker trips, seconds booked ahead."""

    async def run() -> None:
        chosen = load(database_url=database, api_url="http://127.0.0.1:1", site_url="http://127.0.0.1:1", rate=rate)
        session = Session(chosen, "test")
        await session.open()
        await scenario(session, session.rate_limiter)
        await session.close("done")

    asyncio.run(run())
    with open_connection(database, autocommit=True) as connection:
        row = connection.execute(
            "SELECT taken, breaker_trips, extract(epoch FROM next_at - clock_timestamp())::float8 FROM crawl.rate_limit"
        ).fetchone()
    assert row is not None
    return row


def test_a_late_request_acquires_another_slot(database: str) -> None:
    async def scenario(_: Session, rate_limiter: RateLimiter) -> None:
        until, waited = rate_limiter._until, []

        async def late(at: float) -> None:
            await until(at)
            if not waited:
                waited.append(at)
                time.sleep(0.5)  # noqa: ASYNC251  (the loop is what is late)

        rate_limiter._until = late  # type: ignore[method-assign]
        await rate_limiter.acquire()

    assert paced(database, scenario)[0] == 2


def test_an_unused_slot_is_given_back(database: str) -> None:
    async def scenario(session: Session, rate_limiter: RateLimiter) -> None:
        await rate_limiter.acquire()
        waiting = asyncio.create_task(rate_limiter.acquire())
        await asyncio.sleep(1)  # its place is 100 s away
        session.stop()
        with pytest.raises(Interrupted):
            await waiting

    assert paced(database, scenario, rate=0.01)[2] < 100.5


def test_a_streak_of_failures_and_nothing_less_opens_the_breaker(database: str) -> None:
    async def scenario(_: Session, rate_limiter: RateLimiter) -> None:
        for streak in (FAILURE_STREAK - 1, FAILURE_STREAK):
            await rate_limiter.answered(None)
            for _ in range(streak):
                await rate_limiter.answered("HTTP 500")

    assert paced(database, scenario)[1] == 1


def test_failures_with_an_answer_between_them_are_no_streak(database: str) -> None:
    async def scenario(_: Session, rate_limiter: RateLimiter) -> None:
        await rate_limiter.acquire()
        for _streak in range(3):
            for _ in range(FAILURE_STREAK - 1):
                await rate_limiter.answered("HTTP 500")
            await rate_limiter.answered(None)

    assert paced(database, scenario)[1] == 0


def test_one_request_finds_out_whether_the_site_answers_again(database: str) -> None:
    with budget(database, 100) as connection:
        assert open_breaker(connection, "HTTP 500") == pytest.approx(FIRST_TRIP_SECONDS, abs=0.1)
        assert open_breaker(connection, "HTTP 500") == pytest.approx(FIRST_TRIP_SECONDS, abs=0.2)
        assert reserve_slots(connection, 5).slots == 0
        over = "UPDATE crawl.rate_limit SET closed_until = now() - interval '1 s', next_at = now() - interval '1 s'"
        connection.execute(over)
        probe = reserve_slots(connection, 5)
        assert (probe.slots, probe.is_probe) == (1, True)
        assert reserve_slots(connection, 5).slots == 0
        # It fails: the next pause is longer. It answers: all may go.
        assert open_breaker(connection, "HTTP 500") == pytest.approx(2 * FIRST_TRIP_SECONDS, abs=0.1)
        connection.execute(over)
        assert reserve_slots(connection, 5).is_probe
        end_pauses(connection)
        granted = reserve_slots(connection, 5)
        assert (granted.slots, granted.is_probe) == (5, False)


def test_nothing_but_get_to_the_configured_hosts_passes(database: str) -> None:
    refused = (
        ("POST", "http://127.0.0.1:1/users/a"),
        ("HEAD", "http://127.0.0.1:1/users/a"),
        ("GET", "http://127.0.0.1:2/users/a"),
        ("GET", "http://127.0.0.1.evil.example:1/users/a"),
        ("GET", "http://169.254.169.254/"),
    )

    async def scenario() -> int:
        chosen = load(database_url=database, api_url="http://127.0.0.1:1", site_url="http://localhost:2", rate=0)
        session = Session(chosen, "test")
        await session.open()
        middleware = PoliteMiddleware(session)
        for url in ("http://127.0.0.1:1/users/a", "http://localhost:2/x"):
            await middleware.process_request(Request(url))
        for method, url in refused:
            with pytest.raises(IgnoreRequest):
                await middleware.process_request(Request(url, method=method))
        await session.close("done")
        return session.requests

    assert asyncio.run(scenario()) == 2


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, None), ("", None), ("soon", None), ("3", 3.0), (" 120 ", 120.0), ("999999", 3600.0), ("-5", None)],
)
def test_retry_after_in_seconds(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, None, NOW) == seconds


@given(
    st.text(st.characters(max_codepoint=255), max_size=40) | st.from_regex(r"[A-Z][a-z]{2}, [0-9²]+ [A-Z][a-z]{2} .*")
)
@example("\xb2")
def test_any_header_is_a_number_of_seconds_or_none(header: str) -> None:
    seconds = retry_after(header, header, NOW)
    assert seconds is None or 0 <= seconds <= LONGEST_RETRY_AFTER


def test_a_failing_visit_backs_off_to_a_minute_at_most() -> None:
    for attempt, ceiling in ((0, 0.5), (1, 1.0), (3, 4.0), (30, 60.0)):
        pauses = [backoff(attempt) for _ in range(200)]
        assert ceiling / 2 <= min(pauses) < 0.7 * ceiling
        assert 0.8 * ceiling < max(pauses) <= ceiling


def test_the_breaker_opens_for_ten_minutes_at_most(database: str) -> None:
    with budget(database, 1.0) as connection:
        open_breaker(connection, "HTTP 500")
        connection.execute("UPDATE crawl.rate_limit SET breaker_trips = 40, closed_until = now() - interval '1 s'")
        assert open_breaker(connection, "HTTP 500") == pytest.approx(LONGEST_TRIP_SECONDS, abs=0.5)
        close_budget(connection, 1.0, "told so")
        assert reserve_slots(connection, 1).seconds > LONGEST_TRIP_SECONDS - 5


def test_retry_after_counts_from_the_date_of_its_response() -> None:
    """Whatever the clock here says, which is asked only where the response has no date."""
    at = "Wed, 21 Oct 2015 07:28:00 GMT"
    assert retry_after(at, "Wed, 21 Oct 2015 07:26:20 GMT", NOW) == 100
    assert retry_after(at, "Wed, 21 Oct 2015 07:29:00 GMT", NOW) == 0
    for none in (None, "", "today"):
        assert retry_after(at, none, NOW) == 0
        assert retry_after(at, none, datetime(2015, 10, 21, 7, 27, tzinfo=UTC)) == 60
