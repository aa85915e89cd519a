"""`harvester report` as it is typed, and the page that renews itself while a crawl is at work."""

from __future__ import annotations

import http.client
import json
import signal
import time
from urllib.parse import urlsplit

import psycopg
import pytest

from harvester import http_server


def test_the_command_writes_one_file_and_tells_its_facts(harvest, tmp_path):
    file = tmp_path / "page.html"
    told = json.loads(harvest.harvester("report", str(file), "--json", "--at", "2030-01-01T00:00Z").stdout)
    page = file.read_bytes()
    assert told["file"] == str(file)
    assert told["bytes"] == len(page)
    assert told["at"] == "2030-01-01T00:00:00+00:00"
    assert told["rows"]["projects"] == len(harvest.sandbox.truth("projects"))
    assert [one.name for one in tmp_path.iterdir()] == ["page.html"]
    # Another process, the same bytes: no order of a set or a hash shows.
    line = harvest.harvester("report", str(tmp_path / "again.html"), "--at", "2030-01-01T00:00Z").stdout
    assert (tmp_path / "again.html").read_bytes() == page
    assert line.strip().endswith("as of 2030-01-01 00:00:00 UTC")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "name the file to write"),
        (["{}/nowhere/page.html"], "cannot be written: No such file"),
        (["{}"], "cannot be written: Is a directory"),
        (["{}/report/"], "cannot be written: Is a directory"),
        (["{}/p.html", "--at", "noon"], "--at noon: must be a time, such as"),
        (["--serve", "http"], "--serve http: a port is a number"),
        (["--serve", "70000"], "--serve 70000: a port is a number"),
        (["--serve", "--json"], "--serve excludes --at and --json"),
        (["--serve", "0", "--address", "192.0.2.1"], "192.0.2.1 port 0 cannot be used"),
        (["{}/p.html", "--patience", "0"], "--patience"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_status_2(arguments, told, database, tmp_path, run_here):
    status, _, error = run_here(database, "report", *(one.format(tmp_path) for one in arguments))
    assert status == 2
    assert told in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def _ask(url, method="GET", **headers):
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    connection.request(method, parts.path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, body


def _until(condition, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.2)
    raise AssertionError(f"not within {seconds} s: {condition}")


def test_a_served_page_renews_itself_while_a_crawl_is_at_work(make_harvester, start_sandbox, browser):
    sandbox = start_sandbox(users=30, seed=2)
    harvester = make_harvester(sandbox)
    harvester("seed", "users", *sandbox.seeds()["users"][:3], "--depth", "2")
    server = harvester.start("report", "--serve", "0")
    try:
        word, url = server.stdout.readline().split()
        assert word == "ready"
        assert urlsplit(url).hostname == "127.0.0.1"
        browser.open(url)
        shown = "return document.querySelector('#community-numbers dd').textContent"
        before = int(browser.run(shown))
        browser.run("window.stays = true; document.querySelector('#requests-source').open = true;")
        harvester.crawl("--max-requests", "150")
        held = harvester.query("SELECT count(*) FROM scratch.users WHERE gone_at IS NULL")[0][0]
        assert held > before
        _until(lambda: int(browser.run(shown)) == held)
        assert browser.run("return window.stays && document.querySelector('#requests-source').open")
        assert browser.run("return document.querySelectorAll('#requests .mark').length") > 0
        assert browser.run("return document.getElementById('lost').hidden")
        assert {urlsplit(address).netloc for address in browser.asked_for() if address.startswith("http")} == {
            urlsplit(url).netloc
        }
        assert browser.said() == []

        status, headers, body = _ask(url)
        assert status == 200
        assert b"<script>" in body
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert _ask(url, if_none_match=headers["etag"])[0] in (200, 304)
        assert _ask(url, "HEAD")[::2] == (200, b"")
        assert _ask(url, "POST")[0] == 405
        assert _ask(f"{url}crawl")[0] == 404
        # A page elsewhere that makes a name of its own point here gets nothing.
        assert _ask(url, host="evil.example")[::2] == (421, b"ask for this page by the address of this machine\n")
        assert _ask(url, host="localhost:1")[0] == 200
        assert _ask(url, origin="http://evil.example")[::2] == (403, b"not for pages of others\n")

        # The warehouse goes: the page says that it is no longer renewed, and nothing else changes on it.
        name = psycopg.conninfo.conninfo_to_dict(harvester.database)["dbname"]
        with psycopg.connect(harvester.database, dbname="postgres", autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} RENAME TO {name}_away")
            _until(lambda: not browser.run("return document.getElementById('lost').hidden"))
            assert _ask(url)[::2] == (503, b"the warehouse does not answer\n")
            assert int(browser.run(shown)) == held
            connection.execute(f"ALTER DATABASE {name}_away RENAME TO {name}")
            _until(lambda: browser.run("return document.getElementById('lost').hidden"))
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=30) == 0
        assert server.stderr.read() == ""
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
        server.stderr.close()
        browser.driver.get("about:blank")


def test_a_page_is_made_once_for_all_who_ask_and_not_too_often(monkeypatch):
    import asyncio

    made = []
    clock = [1000.0]
    monkeypatch.setattr(http_server.time, "monotonic", lambda: clock[0])

    def make():
        made.append(clock[0])
        clock[0] += 3.0
        return f"page {len(made)}"

    app = http_server.Application(make, http_server.PageKind("/", "text/plain"))

    async def ask():
        return (await app.renew()).body

    async def all_at_once():
        return await asyncio.gather(*(ask() for _ in range(5)))

    assert set(asyncio.run(all_at_once())) == {b"page 1"}
    clock[0] += 8.9
    assert asyncio.run(ask()) == b"page 1"
    # Making it took 3 s, which may be a quarter of the time.
    clock[0] += 0.2
    assert asyncio.run(ask()) == b"page 2"
