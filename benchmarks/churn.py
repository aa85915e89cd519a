"""Compare the items that this version and another one have not seen after each refresh of a community that changes.

    python -m benchmarks churn --against=CHECKOUT [--users=2000] [--cycles=10] [--setting=NAME=VALUE]

`CHECKOUT` is a folder with another version, which runs with the packages of this one. Both crawl the same community,
one after the other: all users and studios, then a refresh of what has not changed, then cycles. In each cycle the
community changes, by as many events as 1% of its items, and a refresh spends the same number of requests: four fifths
of what the other version's refresh of the unchanged community took. An unseen item is one that the sandbox serves and
the warehouse does not have. The setting is one of this version.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from benchmarks.report import publish
from harvester.sandbox.truth import KEYS

if TYPE_CHECKING:
    from collections.abc import Iterator

USERS, CYCLES = 2000, 10
_ITEMS = (
    "projects", "project_comments", "studio_comments", "profile_comments", "follows", "favorites", "studio_projects",
    "studio_members", "studio_activity",
)  # fmt: skip
_CHANGED, _SPENT = 0.01, 0.8
_EVENTS = 1_000
"""Events of one request to the sandbox."""
_SEEDS = 2_000
"""Seeds of one command."""
HERE = Path(__file__).parents[1]


@dataclass
class Outcome:
    """Requests of the first crawl, of a refresh without changes and of each cycle; unseen items after each cycle."""

    first: int = 0
    unchanged: int = 0
    spent: list[int] = field(default_factory=list)
    unseen: list[int] = field(default_factory=list)


class Version:
    """One version of the harvester with a warehouse of its own, and a sandbox of this version."""

    def __init__(self, checkout: Path, home: Path, url: str, settings: dict[str, str]) -> None:
        self.url = url
        self._program = [sys.executable, "-m", "harvester"]  # the one in the folder that it is started in
        self._checkout = checkout
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HARVESTER_")}
        own = {"HARVESTER_HOME": str(home), "HARVESTER_API_URL": url, "HARVESTER_SITE_URL": url, "HARVESTER_RATE": "0"}
        self._environment = clean | own | settings

    def run(self, *words: str) -> str:
        """Run a command, and return what it printed. 3: a crawl that looks anomalous."""
        done = subprocess.run(
            [*self._program, *words],
            cwd=self._checkout, env=self._environment, stdout=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
        if done.returncode not in (0, 3):
            sys.exit(f"{' '.join(words[:3])} ended with {done.returncode} in {self._checkout}")
        return done.stdout

    def crawl(self, *words: str) -> int:
        """Crawl, and return the number of requests that the sandbox has answered."""
        self.ask("/sandbox/requests/reset", "POST")
        self.run("crawl", "--json", *words)
        return int(json.loads(self.ask("/sandbox/requests"))["total"])

    def seed(self) -> None:
        """Put all users and studios in scope."""
        seeds = json.loads(self.ask("/sandbox/seeds"))
        for kind in ("users", "studios"):
            for first in range(0, len(seeds[kind]), _SEEDS):
                self.run("seed", kind, *map(str, seeds[kind][first : first + _SEEDS]))

    def change(self, events: int) -> None:
        """Let the community change."""
        for first in range(0, events, _EVENTS):
            self.ask(f"/sandbox/churn?events={min(_EVENTS, events - first)}", "POST")

    def served(self, table: str) -> set[tuple[Any, ...]]:
        """Return the keys of the items that the sandbox serves."""
        rows = map(json.loads, self.ask(f"/sandbox/truth/{table}").splitlines())
        return {tuple(row[column] for column in KEYS[table]) for row in rows}

    def unseen(self) -> int:
        """Return the number of items that are served and not in the warehouse."""
        with psycopg.connect(self.run("db", "url").strip()) as connection:
            found = 0
            for table in _ITEMS:
                kept = connection.execute(f"SELECT {', '.join(KEYS[table])} FROM scratch.{table}")
                found += len(self.served(table) - set(kept))
            return found

    def ask(self, path: str, method: str = "GET") -> bytes:
        """Return what the sandbox answers."""
        with urllib.request.urlopen(urllib.request.Request(self.url + path, method=method), timeout=600) as answer:
            body: bytes = answer.read()
        return body


@contextmanager
def started(checkout: Path, users: int, settings: dict[str, str]) -> Iterator[Version]:
    """Start a sandbox and the embedded server of a new home; stop both afterwards."""
    command = [sys.executable, "-m", "harvester", "sandbox", "--users", str(users), "--seed", "1"]
    sandbox = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert sandbox.stdout is not None
        with tempfile.TemporaryDirectory(prefix="harvester-bench-") as folder:
            Path(folder).chmod(0o755)  # as root, the server is another user
            version = Version(checkout, Path(folder), sandbox.stdout.readline().split()[1], settings)
            version.run("db", "up")
            try:
                version.run("db", "migrate")
                yield version
            finally:
                version.run("db", "down")
    finally:
        sandbox.terminate()
        sandbox.wait()


def measure(version: Version, cycles: int, budget: int | None) -> Outcome:
    """Crawl through all cycles; `budget`: the requests of each, None for four fifths of a refresh."""
    version.seed()
    found = Outcome(first=version.crawl())
    items = sum(len(version.served(table)) for table in _ITEMS)
    found.unchanged = version.crawl("--refresh")
    say(f"{items:,} items, {found.first:,} requests, {found.unchanged:,} for a refresh, {version.unseen()} unseen")
    for _ in range(cycles):
        version.change(round(items * _CHANGED))
        requests = budget or round(found.unchanged * _SPENT)
        found.spent.append(version.crawl("--refresh", "--max-requests", str(requests)))
        found.unseen.append(version.unseen())
        say(f"{found.spent[-1]:,} requests, {found.unseen[-1]:,} unseen")
    return found


def say(line: str) -> None:
    """Show progress."""
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    given = [word.removeprefix("--").partition("=") for word in sys.argv[1:]]
    options = {name: value for name, _, value in given}
    settings = dict([options["setting"].split("=", 1)]) if options.get("setting") else {}
    if not options.get("against"):
        sys.exit("name a checkout of another version: --against=CHECKOUT")
    users, cycles = int(options.get("users", USERS)), int(options.get("cycles", CYCLES))
    found: dict[str, Outcome] = {}
    budget = None
    for name, checkout, own in (("before", Path(options["against"]), {}), ("now", HERE, settings)):
        with started(checkout.resolve(), users, own) as version:
            found[name] = measure(version, cycles, budget)
        budget = budget or round(found[name].unchanged * _SPENT)
    publish(
        "churn",
        f"Items that are not seen after each refresh of {users:,} users who go on",
        ["version", "first crawl", "refresh, unchanged", "requests a cycle", *map(str, range(1, cycles + 1))],
        [
            [name, f"{one.first:,}", f"{one.unchanged:,}", f"{max(one.spent, default=0):,}", *map(str, one.unseen)]
            for name, one in found.items()
        ],
        notes=["Requests; then items that the sandbox serves and the warehouse does not have, by cycle."],
        figures={name: vars(one) for name, one in found.items()},
    )


if __name__ == "__main__":
    main()
