"""Tests of every stream of the catalogue; a failure names the stream."""

import contextlib
import copy
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET, ValidationError, convert, structs

from harvester.api import records as r
from harvester.api.catalogue import DETAIL, LEFT, OWNER_COLUMN, STREAMS, streams_of
from harvester.api.decode import SchemaDeviation, decode, decode_strict
from harvester.api.rows import Query, Visit, normalise
from harvester.api.stream import Format, Order, Paging, Stream
from harvester.crawl.commit import Writer
from harvester.errors import DecodeError
from harvester.warehouse.connect import open_connection
from harvester.warehouse.tables import KEY_COLUMNS, WRITTEN, metadata

EXAMPLES = Path(__file__).parent.parent / "api_examples"
HTML_COMMENTS = {
    "/site-api/comments/user/<username>/?page=<page>",
    "/site-api/comments/project/<project_id>/?page=<page>",
    "/site-api/comments/gallery/<studio_id>/?page=<page>",
}
"""Documented as pages, not as JSON."""
DOCUMENTED = {
    loaded["endpoint"].removeprefix("GET "): loaded
    for loaded in (json.loads(path.read_text()) for path in EXAMPLES.glob("*.json"))
}
JSON_STREAMS = [stream for stream in STREAMS.values() if stream.format is Format.JSON]
TEXTS = ("title", "content", "headline", "actor_username", "featured_project_label_name", "version", "username")
every_stream = pytest.mark.parametrize("stream", STREAMS.values(), ids=lambda stream: stream.name)
every_json_stream = pytest.mark.parametrize("stream", JSON_STREAMS, ids=lambda stream: stream.name)


def response(stream: Stream) -> Any:
    assert stream.documented in DOCUMENTED, (
        f"{stream.name}: `documented` in the catalogue must be the endpoint of a file in {EXAMPLES.name}/, without GET"
    )
    return copy.deepcopy(DOCUMENTED[stream.documented]["response"])


def body(stream: Stream) -> bytes:
    return json.dumps(response(stream)).encode()


def visit(stream: Stream) -> Visit:
    return Visit(
        stream,
        700,
        owner_id=800,
        username="visited",
        host_id=128878,
        seen_at=datetime(2026, 6, 1, tzinfo=UTC),
        query=Query("cats", "popular", "en", 1),
    )


def items(served: Any, stream: Stream) -> list[dict[str, Any]]:
    """The objects of a response that become a record each."""
    if stream.name == "front_page":
        return [item for row in served.values() for item in row]
    return served if isinstance(served, list) else [served]


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


def test_every_documented_read_is_harvested_or_left_for_a_reason() -> None:
    """At least 36 public reads and 12 of one's own account, each by name; and nothing is claimed without an example."""
    own = {endpoint for endpoint, example in DOCUMENTED.items() if example["authentication"]}
    public = set(DOCUMENTED) - own | HTML_COMMENTS
    assert len(public) >= 36
    assert len(own) >= 12
    harvested = {stream.documented for stream in STREAMS.values() if stream.documented}
    left = {one.endpoint for one in LEFT}
    assert not harvested & left
    assert harvested | left == public | own
    assert {stream.documented for stream in STREAMS.values() if stream.is_own} == own
    assert all(one.reason for one in LEFT)


@every_json_stream
def test_the_documented_example_decodes(stream: Stream) -> None:
    deviations: list[SchemaDeviation] = []
    records = decode(stream, body(stream), deviations)
    assert len(records) == len(items(response(stream), stream))
    assert deviations == []
    served = [item["id"] for item in items(response(stream), stream) if "id" in item]
    assert [record.id for record in records if hasattr(record, "id")] == served


@pytest.mark.parametrize(
    "stream", [one for one in JSON_STREAMS if not one.unpack and not one.is_own], ids=lambda stream: stream.name
)
def test_the_documented_example_is_decoded_in_one_step(stream: Stream) -> None:
    assert decode_strict(stream, body(stream)) is not None


@every_stream
def test_the_path_is_the_documented_one(stream: Stream) -> None:
    if not stream.documented:
        assert stream.name in ("user_page", "user_activity", "project_source")  # no endpoints of the reference
        return
    documented = stream.documented.partition("?")[0]
    own = stream.path.replace("{username}", "<username>").replace("{owner}", "{place}")
    for name in ("id", "place"):
        own = own.replace(f"{{{name}}}", "<>")
    generic = re.sub(r"<(project_id|studio_id|comment_id)>", "<>", documented)
    assert own in (generic, f"/site-api{generic}")


@every_stream
def test_tables_and_columns_exist(stream: Stream) -> None:
    for name, columns in stream.writes.items():
        table = WRITTEN[name] if name in WRITTEN else metadata.tables[name]
        key = KEY_COLUMNS.get(name, tuple(table.primary_key.columns.keys()))
        assert set(key) <= set(columns) <= set(table.c.keys())


@every_stream
def test_links_lead_to_streams_that_exist(stream: Stream) -> None:
    for lead in stream.links:
        columns = stream.writes[lead.table]
        assert lead.target_column in columns
        assert not lead.owner or lead.owner in WRITTEN[lead.table].c
        assert DETAIL[lead.kind] in STREAMS
        if lead.changed_if:
            assert lead.changed_if in columns
            assert OWNER_COLUMN[lead.kind] in columns
    for opened in (*stream.enqueues, *stream.enqueues_gone):
        assert STREAMS[opened].kind is stream.kind


@every_stream
def test_announcements_name_columns_and_streams_that_exist(stream: Stream) -> None:
    for announcement in stream.announces:
        columns = stream.writes[announcement.table] if announcement.table else stream.record.__struct_fields__
        assert {announcement.target_column, announcement.counter or "type"} - {""} <= set(columns)
        assert (announcement.counter is None) == bool(announcement.types)
        for name in announcement.streams:
            assert announcement.target_column or STREAMS[name].kind is stream.kind
            if announcement.is_complete:
                # Only then it is visited wherever the list is, and schedules it.
                assert STREAMS[name].spider == stream.spider
                assert not announcement.target_column
                assert announcement.below is None
                assert STREAMS[name].item_weight
                assert stream.item_weight


def test_a_list_has_one_counter_and_one_complete_announcer() -> None:
    all_of_them = [(name, one) for stream in STREAMS.values() for one in stream.announces for name in one.streams]
    for is_meant in (lambda one: one.counter is not None, lambda one: one.is_complete):
        names = [name for name, one in all_of_them if is_meant(one)]
        assert len(names) == len(set(names))
    signalled = {DETAIL[lead.kind] for stream in STREAMS.values() for lead in stream.links if lead.changed_if}
    assert signalled.isdisjoint(name for name, one in all_of_them if one.counter is not None)


@every_json_stream
def test_each_documented_field_is_kept(stream: Stream) -> None:
    """Every leaf of the example is found in the rows, in a column or in `extra`, but for what the entry says lies."""
    served = response(stream)
    rows = normalise(visit(stream), decode(stream, body(stream)))
    kept = {_plain(value) for part in rows for values in part.values for value in values if not isinstance(value, dict)}
    for part in rows:
        for values in part.values:
            for value in values:
                if isinstance(value, dict):
                    kept |= {_plain(leaf) for found in leaves(value).values() for leaf in found}
    missing = {
        path
        for path, values in leaves(served).items()
        if path not in stream.placeholder_fields and not {_plain(value) for value in values} <= kept
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
        for stream in JSON_STREAMS:
            rows = normalise(visit(stream), decode(stream, body(stream)))
            writer.store(rows)
            kept: set[str] = set()
            for table in stream.writes:
                name = WRITTEN[table].fullname
                for (row,) in connection.execute(f"SELECT to_jsonb(t) FROM {name} t").fetchall():
                    kept |= {_plain(leaf) for found in leaves(row).values() for leaf in found}
            missing = {
                path
                for path, values in leaves(response(stream)).items()
                if path not in stream.placeholder_fields
                and not all({_stored(value), _plain(value)} & kept for value in values)
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
def test_placeholders_are_never_written(stream: Stream) -> None:
    """No stream writes values that a list makes up: zero remixes, the date and the flag of an author."""
    if any(path.endswith("stats.remixes") for path in stream.placeholder_fields):
        assert "remixes" not in stream.writes["projects"]
    if any(path.endswith("author.scratchteam") for path in stream.placeholder_fields):
        assert not {"joined_at", "scratch_team", "profile_id"} & set(stream.writes["users"])
    assert "project_token" not in {column for columns in stream.writes.values() for column in columns}


@every_json_stream
def test_unknown_fields_are_kept_and_reported(stream: Stream) -> None:
    served = response(stream)
    if not items(served, stream):
        return
    items(served, stream)[0]["brand_new"] = {"deep": [1, 2]}
    deviations: list[SchemaDeviation] = []
    rows = normalise(visit(stream), decode(stream, json.dumps(served).encode(), deviations))
    extras = [dict(zip(part.columns, part.values[0], strict=True)).get("extra", {}) for part in rows]
    counted = stream.record is r.Count
    assert counted or any(extra.get("brand_new") == {"deep": [1, 2]} for extra in extras)
    told = [] if stream.is_own else [SchemaDeviation("brand_new", "new field", '{"deep":[1,2]}')]
    assert deviations == told


def test_deviating_fields_are_left_out_and_reported() -> None:
    """A missing field and one of another type cost their own columns, and nothing else of the page."""
    stream = STREAMS["studio_comments"]
    served = response(stream)
    del served[0]["visibility"]
    served[0]["reply_count"] = "7"
    served[0]["datetime_modified"] = "2022-06-02T00:38:43"  # of no zone
    del served[0]["author"]["scratchteam"]
    deviations: list[SchemaDeviation] = []
    rows = normalise(visit(stream), decode(stream, json.dumps(served).encode(), deviations))
    assert set(deviations) == {
        SchemaDeviation("visibility", "missing field", ""),
        SchemaDeviation("reply_count", "type changed to string", '"7"'),
        SchemaDeviation("datetime_modified", "type changed to string", '"2022-06-02T00:38:43"'),
        SchemaDeviation("author.scratchteam", "missing field", ""),
    }
    comments = [part for part in rows if part.table == "studio_comments"]
    (lacking,) = [part for part in comments if "visibility" not in part.columns]
    first = dict(zip(lacking.columns, lacking.values[0], strict=True))
    assert first["id"] == served[0]["id"]
    assert first["extra"] == {"reply_count": "7", "datetime_modified": "2022-06-02T00:38:43"}
    assert not {"reply_count", "modified_at"} & set(first)
    assert sum(len(part.values) for part in comments) == len(served)


@pytest.mark.parametrize("lost", ["id", "datetime_created"])
def test_without_identity_or_key_a_page_is_refused(lost: str) -> None:
    stream = STREAMS["studio_comments"]
    served = response(stream)
    del served[-1][lost]
    with pytest.raises(DecodeError):
        decode(stream, json.dumps(served).encode())


def test_fields_that_are_not_served_are_not_in_extra() -> None:
    stream = STREAMS["studio_projects"]
    served = response(stream)
    del served[0]["image"]
    rows = normalise(visit(stream), decode(stream, json.dumps(served).encode()))
    kept = [dict(zip(part.columns, values, strict=True)).get("extra", {}) for part in rows for values in part.values]
    assert kept
    assert not any(value is UNSET for extra in kept for value in extra.values())


def test_a_part_that_is_not_served_costs_its_own_columns() -> None:
    stream = STREAMS["project"]
    served = response(stream)
    del served["author"], served["stats"]
    rows = normalise(visit(stream), decode(stream, json.dumps(served).encode()))
    (project,) = [part for part in rows if part.table == "projects"]
    assert "title" in project.columns
    assert not {"author_id", "views", "remixes"} & set(project.columns)
    assert not [part for part in rows if "id" in part.columns and part.table == "users"]


def test_a_field_that_is_not_served_leaves_its_column_alone() -> None:
    """The documented user has no `scratchteam`: its row leaves that column out, and does not set it to null."""
    served = response(STREAMS["user"])
    stream = STREAMS["user"]
    (without,) = normalise(visit(stream), decode(stream, json.dumps(served).encode()))
    assert "scratch_team" not in without.columns
    (with_it,) = normalise(visit(stream), decode(stream, json.dumps(served | {"scratchteam": True}).encode()))
    assert dict(zip(with_it.columns, with_it.values[0], strict=True))["scratch_team"] is True


def filled(stream: Stream) -> Any:
    """The documented example with a value for each field that it leaves out or shows as null."""
    served = response(stream)
    optional = [field for field in structs.fields(stream.record) if not field.required and field.encode_name[0] != ":"]
    for item in items(served, stream):
        for field in optional:
            item.setdefault(field.encode_name, _sample(field.type))
    for path, values in leaves(served).items():
        if None in values:
            served = _with_leaf(served, path, "2020-01-01T00:00:00.000Z" if ".history." in f".{path}" else 4711)
    return served


def _sample(hint: Any) -> Any:
    for value in (True, 4711, "sample"):
        with contextlib.suppress(ValidationError):
            return convert(value, hint)
    raise AssertionError(hint)


_DELETED = object()


def _with_leaf(value: Any, path: str, new: Any) -> Any:
    """A copy of a response with another value at a path of `leaves`, or without what stands there."""
    return _changed(value, re.findall(r"\[\]|[^.\[\]]+", path), new)


def _changed(value: Any, path: list[str], new: Any) -> Any:
    if not path:
        return new
    if path[0] == "[]":
        return [made for item in value if (made := _changed(item, path[1:], new)) is not _DELETED]
    if not isinstance(value, dict) or path[0] not in value:
        return value
    made = {name: _changed(part, path[1:], new) if name == path[0] else part for name, part in value.items()}
    return {name: part for name, part in made.items() if part is not _DELETED}


def _columns(stream: Stream, served: Any) -> dict[tuple[str, str], list[Any]]:
    """The values of each column that a response writes."""
    made: dict[tuple[str, str], list[Any]] = {}
    for part in normalise(visit(stream), decode(stream, json.dumps(served).encode())):
        for place, column in enumerate(part.columns):
            made.setdefault((part.table, column), []).extend(values[place] for values in part.values)
    return made


def nullable(stream: Stream) -> dict[str, set[tuple[str, str]]]:
    """The leaves of a response that may be null, with the columns that each feeds.

    Checks that the others identify or place a thing, that null empties just the columns that are left alone where the
    leaf is missing, and that neither departs from what is declared.
    """
    served, found = filled(stream), {}
    before = _columns(stream, served)
    for path in leaves(served):
        name = path.removeprefix("[].")
        deviations: list[SchemaDeviation] = []
        try:
            decode(stream, json.dumps(_with_leaf(served, path, None)).encode(), deviations)
        except DecodeError:
            assert name.rpartition("[].")[2] in (*stream.record.required, *stream.key_name.split()), path
            continue
        after = _columns(stream, _with_leaf(served, path, None))
        emptied = {place for place, values in after.items() if None in values and None not in before[place]}
        if name == stream.key_name:
            fed = emptied  # without its key a page is refused
        else:
            without = _columns(stream, _with_leaf(served, path, _DELETED))
            fed = {place for place in before if place not in without}
        if deviations and not stream.is_own:
            is_own_id = name.rpartition(".")[2] == "id"
            assert is_own_id or any(column in (*KEY_COLUMNS[table], *_IDENTITIES) for table, column in fed), path
            continue
        assert all(set(after[place]) == {None} for place in fed), path
        assert emptied <= fed, path
        found[path] = fed
    return found


_IDENTITIES = ("username", "author_id", "created_at", "profile_id")
"""Columns that are no key, and yet never emptied: lists are asked for and placed by them, or they number a thing."""
_NOT_SERVED = ("extra", "gone_reason", "kind", "role", "seen_at", "trouble")
"""Columns that no single leaf feeds."""
EXEMPLIFIED = [
    stream
    for stream in JSON_STREAMS
    if stream.paging is not Paging.RANKING and stream.documented in DOCUMENTED and items(response(stream), stream)
]


@pytest.mark.parametrize("stream", EXEMPLIFIED, ids=lambda stream: stream.name)
def test_null_is_a_value_and_missing_is_not(stream: Stream) -> None:
    """A leaf that is served as null empties the columns that it feeds; one that is missing writes none of them."""
    fed = {column for columns in nullable(stream).values() for column in columns}
    for table, columns in stream.writes.items():
        may_be_null = {column for column in columns if WRITTEN[table].c[column].nullable}
        may_be_null -= {*_IDENTITIES, *_NOT_SERVED, *KEY_COLUMNS[table]}
        assert {(table, column) for column in may_be_null} <= fed


def test_null_replaces_what_was_stored_and_missing_leaves_it(database: str) -> None:
    """In the warehouse, for all streams; the history keeps what was replaced, and the null as a version too."""
    with open_connection(database, autocommit=True) as connection:
        connection.execute("INSERT INTO scratch.users (id) VALUES (700)")
        for table in ("projects", "studios"):
            connection.execute(f"INSERT INTO scratch.{table} (id) VALUES (700), (800)")
        for kind in ("project", "studio"):
            connection.execute(f"INSERT INTO scratch.{kind}_comments (id, {kind}_id) VALUES (4711, 800)")
        writer = Writer(connection)

        def stored(served: Any) -> dict[tuple[str, str], list[Any]]:
            """What stands in the columns that are fed, once a response was written."""
            rows = normalise(visit(stream), decode(stream, json.dumps(served).encode()))
            writer.store(rows)
            found: dict[tuple[str, str], list[Any]] = {}
            for part in rows:
                key = KEY_COLUMNS[part.table]
                named = [column for table, column in fed if table == part.table]
                statement = (
                    f"SELECT {', '.join(named) or 'NULL'} FROM {WRITTEN[part.table].fullname}"
                    f" WHERE ({', '.join(key)}) = ({', '.join(['%s'] * len(key))})"
                )
                for values in part.values:
                    row = dict(zip(part.columns, values, strict=True))
                    (kept,) = connection.execute(statement, [row[name] for name in key]).fetchall()
                    for column, value in zip(named, kept, strict=False):
                        found.setdefault((part.table, column), []).append(value)
            return found

        for stream in EXEMPLIFIED:
            feeds = nullable(stream)
            fed = {column for columns in feeds.values() for column in columns}
            full = null = missing = filled(stream)
            for path in feeds:
                null = _with_leaf(null, path, None)
                if path != f"[].{stream.key_name}":
                    missing = _with_leaf(missing, path, _DELETED)
            before = stored(full)
            emptied = stored(null)
            assert all(set(values) == {None} for values in emptied.values()), stream.name
            assert stored(full) == before
            assert stored(missing) == before, stream.name
        for table, column in (
            ("user_revisions", "country"),
            ("project_revisions", "title"),
            ("studio_stats", "project_count"),
        ):
            versions = f"SELECT array_agg(DISTINCT {column} IS NULL ORDER BY {column} IS NULL) FROM history.{table}"
            assert connection.execute(versions).fetchall() == [([False, True],)], table


@every_json_stream
def test_nul_is_replaced_and_noted(stream: Stream) -> None:
    served = response(stream)
    item = next(iter(items(served, stream)), {})
    text = next((name for name in TEXTS if isinstance(item.get(name), str)), None)
    if text is None or stream.name == "username_check":
        return
    item[text] = "a\x00b"
    rows = normalise(visit(stream), decode(stream, json.dumps(served).encode()))
    values = [dict(zip(part.columns, part.values[0], strict=True)) for part in rows]
    assert any("a\N{REPLACEMENT CHARACTER}b" in (row | row.get("extra", {})).values() for row in values)
    assert any(row.get("extra", {}).get("replaced_in") == [text] for row in values)


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
    if (stream.format in (Format.COMMENT_PAGE, Format.USER_ACTIVITY) and not served) or (
        stream.record.required == () and served[:1] == b"{"
    ):
        return  # an empty page of comments or events is one; an object about the account may hold anything
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
        assert stream.stop_after_empty_pages >= 0
        assert not stream.reorders or (stream.key and stream.order is Order.NEWEST_FIRST)
        if stream.key:
            assert all(isinstance(stream.key(record), int) for record in decode(stream, body(stream)))
