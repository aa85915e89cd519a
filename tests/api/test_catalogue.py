"""One sweep over the whole catalogue: a forgotten part fails by the name of its stream."""

import json
from pathlib import Path
from typing import Any

import pytest

from harvester.api.catalogue import DETAIL, OWNER_COLUMN, STREAMS, Kind, Order, Paging, Stream, streams_of
from harvester.api.decode import decode
from harvester.errors import DecodeError
from harvester.warehouse.commit import Writer
from harvester.warehouse.connect import open_connection
from harvester.warehouse.normalise import Visit, normalise
from harvester.warehouse.tables import KEY_COLUMNS, metadata

EXAMPLES = Path(__file__).parent.parent / "api_examples"
EXAMPLE_OF = {
    "user": "users.username",
    "user_projects": "users.username.projects",
    "user_favorites": "users.username.favorites",
    "user_followers": "users.username.followers",
    "user_following": "users.username.following",
    "user_studios": "users.username.studios.curate",
    "project": "projects.project_id",
    "project_remixes": "projects.project_id.remixes",
    "project_studios": "users.username.projects.project_id.studios",
    "project_comments": "users.username.projects.project_id.comments",
    "project_replies": "users.username.projects.project_id.comments.comment_id.replies",
    "studio": "studios.studio_id",
    "studio_projects": "studios.studio_id.projects",
    "studio_managers": "studios.studio_id.managers",
    "studio_curators": "studios.studio_id.curators",
    "studio_comments": "studios.studio_id.comments",
    "studio_replies": "studios.studio_id.comments.comment_id.replies",
}
every_stream = pytest.mark.parametrize("stream", STREAMS.values(), ids=lambda stream: stream.name)


def example(name: str) -> Any:
    return json.loads((EXAMPLES / f"{EXAMPLE_OF[name]}.json").read_text())


def body(name: str) -> bytes:
    return json.dumps(example(name)["response"]).encode()


def visit(stream: Stream) -> Visit:
    return Visit(stream, 700, owner_id=800, username="visited", host_id=128878)


def leaves(value: Any, path: str = "") -> dict[str, list[Any]]:
    """The values of a response by path, `[]` standing for an item of a list."""
    found: dict[str, list[Any]] = {}
    children = (
        [(f"{path}[]", item) for item in value]
        if isinstance(value, list)
        else [(f"{path}.{name}" if path else name, part) for name, part in value.items()]
        if isinstance(value, dict)
        else []
    )
    if not children and not isinstance(value, (list, dict)):
        found[path] = [value]
    for where, child in children:
        for deeper, values in leaves(child, where).items():
            found.setdefault(deeper, []).extend(values)
    return found


@every_stream
def test_the_documented_example_decodes(stream: Stream) -> None:
    served = example(stream.name)["response"]
    records = decode(stream, body(stream.name))
    assert [record.id for record in records] == [
        item["id"] for item in (served if isinstance(served, list) else [served])
    ]


@every_stream
def test_the_path_is_the_documented_one(stream: Stream) -> None:
    documented = example(stream.name)["endpoint"].removeprefix("GET ")
    own = stream.path.replace("{username}", "<username>")
    thing = {Kind.PROJECT: "<project_id>", Kind.STUDIO: "<studio_id>"}.get(stream.kind, "<comment_id>")
    owner = {Kind.PROJECT_THREAD: "<project_id>", Kind.STUDIO_THREAD: "<studio_id>"}.get(stream.kind, "")
    assert own.replace("{id}", thing).replace("{owner}", owner) == documented


@every_stream
def test_tables_and_columns_exist_and_are_commented(stream: Stream) -> None:
    for name, columns in stream.writes.items():
        table = metadata.tables[f"scratch.{name}"]
        assert table.comment
        assert set(KEY_COLUMNS[name]) <= set(columns)
        for column in columns:
            assert table.c[column].comment


@every_stream
def test_what_it_leads_to_can_be_visited(stream: Stream) -> None:
    for lead in stream.leads:
        columns = stream.writes[lead.table]
        assert lead.met in columns
        assert lead.owner in metadata.tables[f"scratch.{lead.table}"].c
        assert DETAIL[lead.kind] in STREAMS
        if lead.signal:
            assert lead.signal in columns
            assert OWNER_COLUMN[lead.kind] in columns
    for opened in stream.opens:
        assert STREAMS[opened].kind is stream.kind


@every_stream
def test_each_documented_field_is_kept(stream: Stream) -> None:
    """Every leaf of the example is found in the rows, in a column or in `extra`, but for what the entry says lies."""
    served = example(stream.name)["response"]
    rows = normalise(visit(stream), decode(stream, body(stream.name)))
    kept = {_plain(value) for part in rows for values in part.values for value in values if not isinstance(value, dict)}
    for part in rows:
        for values in part.values:
            for value in values:
                if isinstance(value, dict):
                    kept |= {_plain(leaf) for found in leaves(value).values() for leaf in found}
    missing = {
        path
        for path, values in leaves(served).items()
        if path not in stream.dummies and not {_plain(value) for value in values} <= kept
    }
    assert not missing


def test_each_documented_field_is_found_in_the_warehouse(database: str) -> None:
    """The same after it was stored: read back from the tables as JSON, for all streams in one warehouse."""
    with open_connection(database, autocommit=True) as connection:
        connection.execute("INSERT INTO scratch.users (id) VALUES (700)")
        for table in ("projects", "studios"):
            connection.execute(f"INSERT INTO scratch.{table} (id) VALUES (700), (800)")
        for kind, parent in (("project", 272303677), ("studio", 121123167)):
            connection.execute(f"INSERT INTO scratch.{kind}_comments (id, {kind}_id) VALUES ({parent}, 800)")
        writer = Writer(connection)
        for stream in STREAMS.values():
            rows = normalise(visit(stream), decode(stream, body(stream.name)))
            writer.store(rows)
            kept: set[str] = set()
            for table in stream.writes:
                for (row,) in connection.execute(f"SELECT to_jsonb(t) FROM scratch.{table} t").fetchall():
                    kept |= {_plain(leaf) for found in leaves(row).values() for leaf in found}
            missing = {
                path
                for path, values in leaves(example(stream.name)["response"]).items()
                if path not in stream.dummies and not {_stored(value) for value in values} <= kept
            }
            assert not missing, stream.name


def _stored(value: Any) -> str:
    """A value as `to_jsonb` writes it."""
    plain = _plain(value)
    is_time = len(plain) == 24 and plain.endswith(".000Z")
    return plain.removesuffix(".000Z") + "+00:00" if is_time else plain


def _plain(value: Any) -> str:
    if hasattr(value, "isoformat"):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps(value) if not isinstance(value, str) else value


@every_stream
def test_dummies_are_never_written(stream: Stream) -> None:
    """A list's zero of remixes, an author's made-up date and flag are in no column that the stream writes."""
    if any(path.endswith("stats.remixes") for path in stream.dummies):
        assert "remixes" not in stream.writes["projects"]
    if any(path.endswith("author.scratchteam") for path in stream.dummies):
        assert not {"joined_at", "scratch_team", "profile_id"} & set(stream.writes["users"])
    assert "project_token" not in {column for columns in stream.writes.values() for column in columns}


@every_stream
def test_unknown_fields_are_kept(stream: Stream) -> None:
    served = example(stream.name)["response"]
    item = served[0] if isinstance(served, list) else served
    item["brand_new"] = {"deep": [1, 2]}
    rows = normalise(visit(stream), decode(stream, json.dumps(served).encode()))
    extras = [dict(zip(part.columns, part.values[0], strict=True)).get("extra", {}) for part in rows]
    assert any(extra.get("brand_new") == {"deep": [1, 2]} for extra in extras)


def test_a_field_that_is_not_served_leaves_its_column_alone() -> None:
    """The documented user has no `scratchteam`: its row then says nothing of that column, not even null."""
    served = example("user")["response"]
    stream = STREAMS["user"]
    (without,) = normalise(visit(stream), decode(stream, json.dumps(served).encode()))
    assert "scratch_team" not in without.columns
    (with_it,) = normalise(visit(stream), decode(stream, json.dumps(served | {"scratchteam": True}).encode()))
    assert dict(zip(with_it.columns, with_it.values[0], strict=True))["scratch_team"] is True


@every_stream
def test_nul_is_replaced_and_noted(stream: Stream) -> None:
    served = example(stream.name)["response"]
    item = served[0] if isinstance(served, list) else served
    text = next(name for name in ("title", "content", "username") if name in item)
    item[text] = "a\x00b"
    rows = normalise(visit(stream), decode(stream, json.dumps(served).encode()))
    values = [dict(zip(part.columns, part.values[0], strict=True)) for part in rows]
    assert any("a\N{REPLACEMENT CHARACTER}b" in row.values() for row in values)
    assert any(row.get("extra", {}).get("nul_replaced_in") == [text] for row in values)


@every_stream
@pytest.mark.parametrize(
    "served",
    [
        b"",
        b"<html>",
        b"null",
        b"3",
        b'{"a": 1}',
        b"[1]",
        b"[null]",
        b'[{"id": "x"}]',
        b'"\xff"',
        b'["\\ud800"]',
    ],
)
def test_another_shape_is_a_decode_error(stream: Stream, served: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(stream, served)
    assert "\n" not in str(caught.value)


def test_every_spider_owns_streams_and_every_stream_has_a_spider() -> None:
    from scrapy.settings import Settings
    from scrapy.spiderloader import SpiderLoader

    loader = SpiderLoader.from_settings(Settings({"SPIDER_MODULES": ["harvester.crawl.spiders"]}))
    assert set(loader.list()) == {stream.spider for stream in STREAMS.values()}
    for name in loader.list():
        assert streams_of(name)


@every_stream
def test_a_list_says_how_it_ends(stream: Stream) -> None:
    if stream.paging is Paging.OFFSET:
        assert stream.empties >= 0
        assert not stream.moves or (stream.key and stream.order is Order.NEWEST_FIRST)
        if stream.key:
            assert all(isinstance(stream.key(record), int) for record in decode(stream, body(stream.name)))
