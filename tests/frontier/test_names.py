"""A name that another account has taken: what is retracted, what waits for the present name, and what goes on."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from harvester.api.catalogue import STREAMS
from harvester.api.decode import decode
from harvester.api.rows import Rows
from harvester.api.stream import Paging
from harvester.config import load
from harvester.crawl.commit import Writer
from harvester.crawl.visits import paginator_of, take_object, take_page, with_rows
from harvester.frontier import leases, names, runs
from harvester.frontier.model import Committed, Stale
from harvester.frontier.names import BY_NAME
from harvester.warehouse.connect import open_connection
from harvester.warehouse.upsert import NAME_UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harvester.frontier.model import Lease
    from harvester.warehouse.connection import Connection


def user(number: int, name: str) -> dict[str, Any]:
    profile = {"id": number + 1, "images": {}, "status": "", "bio": "", "country": "Chile"}
    return {"id": number, "username": name, "history": {"joined": "2019-03-11T20:54:16.000Z"}, "profile": profile}


def fans(*numbers: int) -> list[dict[str, Any]]:
    return [user(number, f"fan_{number}") for number in numbers]


class House:
    """A warehouse that knows account 5 as `alice`."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.writer = Writer(connection)
        self.run = runs.begin_run(connection, load(home="/dev/null"), "test")
        self.meet(5, "alice")

    def meet(self, number: int, name: str) -> None:
        self.writer.store([Rows("users", ("id", "username"), [(number, name)], shows=False)])

    def lease(self, stream: str, entity: int) -> Lease:
        lease = leases.lease_this(self.connection, self.run, stream, entity)
        return replace(lease, visit=replace(lease.visit, seen_at=datetime.now(UTC)))

    def answer(self, lease: Lease, served: Any, *, proven: bool = False) -> bool:
        """Commit the answer to a visit, None for 404; whether it was taken. A list ends with an empty page."""
        stream = lease.visit.stream
        records = None if served is None else decode(stream, json.dumps(served).encode())
        if stream.paging is Paging.SINGLE:
            return self.writer.commit([with_rows(take_object(lease, records), records)]).results == [Committed()]
        paginator = paginator_of(lease)
        while not paginator.finished:
            page = with_rows(take_page(lease, paginator, records)[0], records)
            if page.visit_result is not None:
                page = replace(page, visit_result=replace(page.visit_result, proven=proven))
            if self.writer.commit([page]).results != [Committed()]:
                return False
            lease, records = replace(lease, position=lease.position + 1), []
        return True

    def visit(self, stream: str, entity: int, served: Any, *, proven: bool = False) -> None:
        assert self.answer(self.lease(stream, entity), served, proven=proven)

    def rows(self, query: str) -> Sequence[tuple[Any, ...]]:
        return self.connection.execute(query).fetchall()

    @property
    def by_name(self) -> dict[str, tuple[bool, str | None]]:
        """Of the visits of account 5: whether each is due, and what it says."""
        found = self.rows("SELECT stream, due_at <= now(), last_error FROM crawl.frontier WHERE entity_id = 5")
        return {stream: (due, error) for stream, due, error in found}


@pytest.fixture
def house(database: str) -> Iterator[House]:
    with open_connection(database, autocommit=True) as opened:
        yield House(opened)


def test_rows_stored_under_a_lost_name_are_retracted(house: House) -> None:
    house.visit("user", 5, user(5, "Alice"))
    house.visit("user_followers", 5, fans(11, 12, 13, 14), proven=True)
    house.meet(15, "fan_15")
    house.meet(16, "fan_16")
    house.visit("user_following", 15, fans(16), proven=True)
    house.connection.execute(
        "UPDATE scratch.follows SET gone_at = now() - interval '1 h', last_seen_at = now() - interval '2 h',"
        " gone_reason = 'no longer listed' WHERE follower_id = 12"
    )
    # Three in their order: taken for the list that it was. A newcomer's, as the next visit of the account shows.
    house.visit("user_followers", 5, fans(15, 11, 12, 13))
    house.visit("user_messages", 5, {"count": 3})
    assert house.rows("SELECT count(*) FROM scratch.follows WHERE followee_id = 5 AND gone_at IS NULL") == [(5,)]
    house.visit("user", 5, user(99, "alice"))

    followers = dict(house.rows("SELECT follower_id, gone_reason FROM scratch.follows WHERE followee_id = 5"))
    assert followers == {11: None, 12: "no longer listed", 13: None, 14: None}
    assert house.rows("SELECT count(*) FROM history.absences") == [(0,)]
    assert house.rows("SELECT count(*) FROM history.message_counts") == [(0,)]
    assert house.rows("SELECT id, username FROM scratch.users WHERE id IN (5, 99) ORDER BY 1") == [
        (5, None),
        (99, "alice"),
    ]
    assert house.rows("SELECT DISTINCT gone_at FROM scratch.users") == [(None,)]
    assert house.rows(
        "SELECT username FROM history.user_revisions WHERE user_id = 5 ORDER BY valid_to DESC LIMIT 1"
    ) == [("Alice",)]
    assert house.rows("SELECT user_id, found_at, retracted FROM crawl.name_changes") == [(5, None, 2)]
    assert house.rows("SELECT certificate FROM crawl.frontier WHERE stream = 'user_followers'") == [(None,)]
    other = house.rows(
        "SELECT due_at <= now(), incremental FROM crawl.frontier WHERE stream = 'user_following' AND entity_id = 15"
    )
    assert other == [(True, False)], "the other end of the link that was taken back is read in full"
    assert set(house.by_name.values()) == {(False, NAME_UNKNOWN)}

    house.meet(5, "alice_5")
    assert set(house.by_name.values()) == {(True, None)}
    assert house.rows("SELECT found_at IS NOT NULL, retracted FROM crawl.name_changes") == [(True, 2)]
    assert house.rows("SELECT DISTINCT incremental FROM crawl.frontier WHERE entity_id = 5") == [(False,)]


@pytest.mark.parametrize("is_known", [False, True])
def test_a_visit_waits_only_while_the_name_is_unknown(house: House, is_known: bool) -> None:
    """The name may become known between the lease and the visit: no other answer would end the wait."""
    house.visit("user", 5, user(5, "alice"))
    house.visit("user", 5, user(99, "alice"))
    leased = [house.lease("user_followers", 5)]
    house.writer.store([Rows("projects", ("id", "author_id", "title"), [(7, 5, "Pong")])])
    leased.append(house.lease("project_comments", 7))
    assert {lease.visit.username for lease in leased} == {None}
    if is_known:
        house.meet(5, "alice_5")
    assert [names.wait(house.connection, lease.visit) for lease in leased] == [not is_known] * 2
    errors = house.rows("SELECT last_error FROM crawl.frontier WHERE stream IN ('user_followers', 'project_comments')")
    assert errors == [(None if is_known else NAME_UNKNOWN,)] * 2


def test_lists_that_were_not_found_are_read_under_the_new_name(house: House) -> None:
    """Studios of a project: not found because there are none, or because its author has another name by now."""
    house.writer.store(
        [Rows("projects", ("id", "author_id", "title"), [(7, 5, "Pong"), (8, 5, "Maze"), (9, 5, "Art")])]
    )
    house.visit("project_studios", 7, None)
    house.visit("user", 5, user(5, "alice"))
    house.visit("project_studios", 8, None)
    due = "SELECT entity_id FROM crawl.frontier WHERE stream = 'project_studios' AND due_at <= now() ORDER BY 1"
    assert house.rows(due) == []
    under_way = house.lease("project_studios", 9)
    house.meet(5, "alice_5")
    assert house.rows(due) == [(8,), (9,)]
    assert not house.answer(under_way, None)


def test_a_list_under_way_begins_again_after_a_retraction(house: House) -> None:
    """What it showed before the link was taken back, it would not show again."""
    house.visit("user", 5, user(5, "alice"))
    house.meet(15, "fan_15")
    house.visit("user_followers", 5, fans(15))
    lease = house.lease("user_following", 15)
    paginator = paginator_of(lease)
    shown = [user(5, "alice"), *fans(*range(100, 139))]
    page, _ = take_page(lease, paginator, decode(lease.visit.stream, json.dumps(shown).encode()))
    assert house.writer.commit([page]).results == [Committed()]
    house.visit("user", 5, user(99, "alice"))
    assert house.rows("SELECT count(*) FROM scratch.follows WHERE followee_id = 5") == [(0,)]

    rest, _ = take_page(replace(lease, position=1), paginator, [])
    assert house.writer.commit([rest]).results == [Stale()]
    entry = (
        "SELECT due_at <= now(), state, visits FROM crawl.frontier WHERE stream = 'user_following' AND entity_id = 15"
    )
    assert house.rows(entry) == [(True, None, 0)]
    house.visit("user_following", 15, shown)
    assert house.rows("SELECT follower_id FROM scratch.follows WHERE followee_id = 5") == [(15,)]


def test_items_missed_under_a_proven_name_are_kept(house: House) -> None:
    """It tells since when an item may stand where one cannot be read; what was missed later may be another's."""
    house.visit("user", 5, user(5, "alice"))
    house.visit("user_followers", 5, fans(11, 12), proven=True)
    house.connection.execute(
        "INSERT INTO crawl.missing_items (stream, entity_id, item_id, last_seen_at, missed_at) VALUES"
        " ('user_followers', 5, 11, now() - interval '2 h', now() - interval '1 h'),"
        " ('user_followers', 5, 12, now() - interval '2 h', now() + interval '1 h'),"
        " ('user_page', 5, 5, now() - interval '2 h', now() - interval '1 h')"
    )
    house.meet(5, "bob")
    assert house.rows("SELECT stream, item_id FROM crawl.missing_items") == [("user_followers", 11)]


def test_full_reads_since_the_last_proof_of_a_name_are_forgotten(house: House) -> None:
    """What they showed may be another account's: an item that they missed was last seen before them."""
    house.visit("user", 5, user(5, "alice"))
    house.visit("user_followers", 5, fans(11, 12), proven=True)
    house.visit("user_favorites", 5, [])
    read = (
        "SELECT stream, last_full_read_at IS NOT NULL FROM crawl.frontier"
        " WHERE stream IN ('user_favorites', 'user_followers') ORDER BY 1"
    )
    assert house.rows(read) == [("user_favorites", True), ("user_followers", True)]
    house.meet(5, "bob")
    assert house.rows(read) == [("user_favorites", False), ("user_followers", True)]


def test_an_account_that_is_met_under_another_name_is_not_gone(house: House) -> None:
    house.visit("user", 5, user(5, "alice"))
    house.visit("user_followers", 5, fans(11), proven=True)
    house.visit("user", 5, None)
    assert house.rows("SELECT gone_reason FROM scratch.users WHERE id = 5") == [("not found",)]
    leased = house.lease("user_page", 5)
    house.meet(5, "ALICE")
    assert house.rows("SELECT count(*) FROM crawl.name_changes") == [(0,)], "names are one in any case of letters"
    house.meet(5, "bob")
    assert not house.answer(leased, None), "nobody has the old name: that says nothing any more"
    assert house.rows("SELECT gone_at, gone_reason FROM scratch.users WHERE id = 5") == [(None, None)]
    assert house.rows("SELECT count(*) FROM history.absences") == [(0,)]
    assert set(house.by_name.values()) == {(True, None)}
    assert house.rows("SELECT retracted FROM crawl.name_changes WHERE found_at IS NOT NULL") == [(0,)]
    assert house.rows("SELECT count(*) FROM scratch.follows WHERE gone_at IS NULL") == [(1,)]


def test_an_account_whose_name_is_free_is_not_gone(house: House) -> None:
    house.visit("user", 5, user(5, "alice"))
    house.visit("user_followers", 5, fans(11), proven=True)
    house.visit("username_check", 5, {"username": "alice", "msg": "valid username"})
    assert house.rows("SELECT username, gone_at, gone_reason FROM scratch.users WHERE id = 5") == [(None, None, None)]
    assert set(house.by_name.values()) == {(False, NAME_UNKNOWN)}
    assert house.rows("SELECT count(*) FROM scratch.follows WHERE gone_at IS NULL") == [(1,)]
    house.meet(5, "alice_5")
    due = house.by_name
    assert due.pop("username_check") == (False, NAME_UNKNOWN), "asked only where the account is not found"
    assert set(due.values()) == {(True, None)}


def test_a_name_that_was_lost_before_is_tried_an_hour_later(house: House) -> None:
    """A list may lag, and show the name that an account had: whoever believed that at once would ask without end."""
    house.visit("user", 5, user(5, "alice"))
    house.visit("user", 5, user(99, "alice"))
    assert set(house.by_name.values()) == {(False, NAME_UNKNOWN)}
    house.meet(5, "Alice")
    assert set(house.by_name.values()) == {(False, None)}
    within = house.rows(
        "SELECT bool_and(due_at < now() + interval '61 minutes') FROM crawl.frontier WHERE entity_id = 5"
    )
    assert within == [(True,)]


def test_an_account_whose_name_is_taken_is_gone(house: House) -> None:
    house.visit("user", 5, user(5, "alice"))
    house.visit("username_check", 5, {"username": "alice", "msg": "username exists"})
    house.visit("user", 5, None)
    found = house.rows("SELECT username, gone_at > last_seen_at, gone_reason FROM scratch.users WHERE id = 5")
    assert found == [("alice", True, "deleted or banned")]
    assert house.by_name["username_check"] == (False, None)


def test_two_accounts_that_swap_names_keep_their_rows(house: House) -> None:
    """Each answers under the other's name, at the same time."""
    house.meet(6, "bob")
    for number, name in ((5, "alice"), (6, "bob")):
        house.visit("user", number, user(number, name))
        house.visit("user_followers", number, fans(number + 10), proven=True)
    one, other = house.lease("user", 5), house.lease("user", 6)
    assert house.answer(one, user(6, "alice"))
    house.answer(other, user(5, "bob"))
    house.visit("user", 6, user(6, "alice"))
    house.meet(5, "bob")
    assert house.rows("SELECT id, username FROM scratch.users WHERE id < 7 ORDER BY 1") == [(5, "bob"), (6, "alice")]
    assert house.rows("SELECT follower_id, followee_id, gone_at FROM scratch.follows ORDER BY 1") == [
        (15, 5, None),
        (16, 6, None),
    ]
    assert house.rows("SELECT count(*) FROM crawl.name_changes WHERE found_at IS NULL") == [(0,)]


def test_each_list_by_name_is_retracted_or_shows_whose_it_is() -> None:
    """A stream by name that is added is held against the account, or what it stores can be taken back."""
    from harvester.frontier.names import _LISTS, _OBSERVED

    shown = {name for name in BY_NAME if STREAMS[name].answers_for is not None}
    of_the_account_itself = {name for name in BY_NAME if set(STREAMS[name].writes) == {"users"}}
    assert set(BY_NAME) == shown | of_the_account_itself | {*_LISTS, _OBSERVED}
