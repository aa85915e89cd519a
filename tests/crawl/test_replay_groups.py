"""Transactions of an archive share one only where none depends on another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from harvester.api.catalogue import STREAMS
from harvester.api.odd_item import OddItem
from harvester.api.rows import Rows, Visit
from harvester.crawl.archive import Archived, Part
from harvester.crawl.replay_groups import LARGEST, Groups
from harvester.crawl.replay_steps import Decoded, ReplayStep
from harvester.warehouse.connect import open_connection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harvester.warehouse.connection import Connection

AT = datetime(2026, 1, 1, tzinfo=UTC)
PLAIN = Rows("news", ("id",), [(1,)])


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    with open_connection(database, autocommit=True) as connection:
        connection.execute("INSERT INTO scratch.users (id, username) VALUES (5, 'Anna'), (6, NULL)")
        connection.execute(
            "INSERT INTO crawl.frontier (stream, entity_id, due_at, last_error) VALUES"
            " ('user', 6, now(), 'waits: the present name of the account is not known')"
        )
        connection.execute("INSERT INTO scratch.studios (id) VALUES (20)")
        connection.execute("INSERT INTO scratch.studio_members (studio_id, user_id, role) VALUES (20, 5, 'manager')")
        yield connection


def page(stream: str, entity: int, *rows: Rows, records: Any = (), part: Part | None = None, **more: Any) -> Decoded:
    part = part or Part(first=True)
    response = Archived("", AT, None, 200, b"", Visit(STREAMS[stream], entity), "", part)
    return Decoded(response, more.pop("refused", {}), records=records, rows=list(rows), **more)


def sizes(connection: Connection, *steps: Decoded) -> list[int]:
    """Return the sizes of the groups of transactions of a page each."""
    made = [
        ReplayStep(number, AT + timedelta(seconds=number), [one], 0, number, set())
        for number, one in enumerate(steps, 1)
    ]
    return [len(group) for group in Groups(connection).divide(made)]


def user(number: int, name: str) -> Rows:
    return Rows("users", ("id", "username"), [(number, name)])


MEMBERS = ("studio_id", "user_id", "role")
FOLLOWS = ("followee_id", "follower_id")
ERASED = Rows("users", ("id", "gone_reason"), [(7, "erased")])
ALONE = {
    "gone": page("user", 1, records=None),
    "without a visit": page("news", 1, part=Part(alone=True)),
    "missed before": page("user_followers", 1, part=Part(first=True, has_missing_items=True)),
    "set aside": page("news", 1, aside=[OddItem(0, "odd", b"")]),
    "refused": page("news", 1, refused={0: "odd"}),
    "not usable": page("news", 1, is_usable=False),
    "of an index": page("search_projects", 1, Rows("projects", ("id",), [(1,)], weak=True)),
    "another name": page("user_followers", 1, user(5, "berta")),
    "a member who became host": page("studio", 20, Rows("studios", ("id", "host_id"), [(20, 5)])),
    "a name that was waited for": page("user_followers", 1, user(6, "carl")),
}


@pytest.mark.parametrize("name", ALONE)
def test_what_does_more_than_its_rows_is_stored_by_itself(connection: Connection, name: str) -> None:
    others = [page("news", number, PLAIN) for number in range(10, 14)]
    assert sizes(connection, *others[:2], ALONE[name], *others[2:]) == [2, 1, 2]


def test_a_visit_that_confirms_what_was_missed_is_stored_alone(connection: Connection) -> None:
    """Each of its pages, of which the first one alone says so; after a stop each page of a visit that was under way."""
    first, next_one = Part(first=True), Part(position=1)
    pages = [
        page("studio_curators", 1, part=Part(first=True, has_missing_items=True)),
        page("studio_curators", 2, part=first),
        page("studio_curators", 3, part=first),
        page("studio_curators", 1, part=next_one),
        page("studio_curators", 2, part=next_one),
        page("studio_curators", 1, part=first),
        page("studio_curators", 4, part=next_one),
    ]
    assert sizes(connection, *pages) == [1, 2, 1, 3]
    connection.execute(
        "INSERT INTO crawl.frontier (stream, entity_id, due_at, state) VALUES ('studio_curators', 4, now(), '{}')"
    )
    assert sizes(connection, *pages) == [1, 2, 1, 2, 1]


APART = {
    "another visit": (page("news", 1, PLAIN), page("news", 1, PLAIN)),
    "a thread that was made due": (
        page("project_comments", 1, Rows("project_comments", ("id", "project_id"), [(7, 1)])),
        page("project_replies", 7),
    ),
    "an item that a list did not show": (
        page("user_followers", 1, Rows("follows", FOLLOWS, [(1, 2)])),
        page("user_following", 3, Rows("follows", FOLLOWS, [(1, 3)])),
    ),
    "another host": (
        page("studio", 1, Rows("studios", ("id", "host_id"), [(1, 2)])),
        page("user_studios", 3, Rows("studios", ("id", "host_id"), [(1, 3)])),
    ),
    "a host who was a member": (
        page("studio_managers", 1, Rows("studio_members", MEMBERS, [(1, 2, "manager")])),
        page("studio", 1, Rows("studios", ("id", "host_id"), [(1, 2)])),
    ),
    "a member who is host": (
        page("studio", 1, Rows("studios", ("id", "host_id"), [(1, 2)])),
        page("user_studios", 2, Rows("studio_members", MEMBERS[:2], [(1, 2)])),
    ),
    "a visited user as gone": (page("user", 7, user(7, "a")), page("user_followers", 1, ERASED)),
    "a name that changes within": (page("user_followers", 1, user(8, "a")), page("user_followers", 2, user(8, "b"))),
}


@pytest.mark.parametrize("name", APART)
def test_what_depends_on_a_transaction_is_stored_after_it(connection: Connection, name: str) -> None:
    first, second = APART[name]
    assert sizes(connection, first, second) == [1, 1]


def test_what_depends_on_nothing_is_stored_together(connection: Connection) -> None:
    together = [
        page("user_followers", 1, Rows("follows", FOLLOWS, [(1, 2), (1, 3)]), user(5, "ANNA")),
        page("user_followers", 1, Rows("follows", FOLLOWS, [(1, 4)]), part=Part(position=1)),
        page("user_following", 3, Rows("follows", FOLLOWS, [(1, 3)])),
        page("project_comments", 1, Rows("project_comments", ("id", "project_id", "parent_id"), [(7, 1, None)])),
        page("user_followers", 9, records=None),
        page("project_replies", 8, Rows("project_comments", ("id", "project_id", "parent_id"), [(9, 1, 8)])),
        page("studio", 1, Rows("studios", ("id", "host_id"), [(1, 2)])),
        page("studio_managers", 2, Rows("studio_members", MEMBERS, [(2, 2, "host"), (2, 3, "manager")])),
        page("user_studios", 3, Rows("studios", ("id", "host_id"), [(1, 2), (2, 2)])),
        page("user_followers", 4, ERASED),
        page("user", 7, ERASED),
        page("profile_comments", 1, Rows("profile_comments", ("id", "gone_reason"), [(1, "removed")])),
    ]
    assert sizes(connection, *together) == [len(together)]
    assert sizes(connection, *(page("news", number, PLAIN) for number in range(LARGEST + 1))) == [LARGEST, 1]
