"""A small release, made up, with real files in each format."""

import gzip
import hashlib
import json
import re
import tomllib
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from harvester.dataset.about import parse_statements, template
from harvester.dataset.describe import describe
from harvester.dataset.read import arrow_schema
from harvester.dataset.release import Field, File, ForeignKey, Profile, Release, Resource, Type

USERS = (
    Field("user", Type.STRING, "Who.", "A keyed pseudonym.", required=True),
    Field("country", Type.STRING, "As stated.", "Region where few share it."),
    Field("joined", Type.MONTH, "When they joined.", "To the month."),
    Field("team", Type.BOOLEAN, "Whether of the Scratch Team.", required=True),
    Field("followers", Type.INTEGER, "How many follow.", "In bins above 10."),
)
COMMENTS = (
    Field("comment", Type.STRING, "The comment.", "A keyed pseudonym.", required=True),
    Field("author", Type.STRING, "Who wrote it.", "A keyed pseudonym.", required=True),
    Field("kind", Type.STRING, "Where.", categories=("project", "studio"), required=True),
    Field("created", Type.DATE, "When.", "To the day."),
    Field("seen_at", Type.TIME, "When it was read last."),
    Field("weight", Type.NUMBER, "How many it stands for."),
    Field("features", Type.JSON, "Of its text."),
)
FOLLOWS = (
    Field("follower", Type.STRING, "Who follows.", "A keyed pseudonym.", required=True),
    Field("followee", Type.STRING, "Whom.", "A keyed pseudonym.", required=True),
)

STATED = "\n".join(re.sub(r"^# (?=\[|[a-z_]+ = )", "", line) for line in template().splitlines())
"""The template of `release.toml` with all of its keys stated."""
ABOUT = parse_statements(tomllib.loads(STATED))
SITE = {
    "api": "https://api.scratch.mit.edu",
    "contact": "someone@example.org",
    "harvester": "0.1.0",
    "runs": 3,
    "first": "2026-05-01T00:00:00Z",
    "last": "2026-06-01T00:00:00Z",
}
SANDBOX = {**SITE, "api": "http://127.0.0.1:8601", "synthetic": "60 users, seed 1"}


def rows() -> dict[str, list[dict]]:
    """The tables, sorted by key."""
    users = [f"u{hashlib.sha256(str(n).encode()).hexdigest()[:12]}" for n in range(40)]
    users.sort()
    comments = [
        {
            "comment": f"c{n:05d}",
            "author": users[n % 7],
            "kind": "project" if n % 3 else "studio",
            "created": date(2026, 1, 1 + n % 28),
            "seen_at": datetime(2026, 6, 1, 12, 0, n % 60, 123456, tzinfo=UTC),
            "weight": None if n % 2 else 6.5,
            "features": json.dumps({"length": n, "question": n % 2 == 0}),
        }
        for n in range(200)
    ]
    return {
        "users": [
            {
                "user": one,
                "country": None if n % 5 == 0 else 'Türkiye, "west"',
                "joined": "2024-03",
                "team": n == 3,
                "followers": n or None,
            }
            for n, one in enumerate(users)
        ],
        "comments": comments,
        "follows": sorted(
            ({"follower": users[n], "followee": users[(n * 7 + 1) % 40]} for n in range(40)),
            key=lambda row: (row["follower"], row["followee"]),
        ),
    }


DECLARED = {
    "users": (USERS, ("user",), ()),
    "comments": (COMMENTS, ("comment",), (ForeignKey(("author",), "users", ("user",)),)),
    "follows": (
        FOLLOWS,
        ("follower", "followee"),
        (ForeignKey(("follower",), "users", ("user",)), ForeignKey(("followee",), "users", ("user",))),
    ),
}


def write(folder: Path, resource: Resource, table: list[dict]) -> Resource:
    """The files of a table, in each format; the resource with them."""
    schema = arrow_schema(resource)
    arrow = pa.Table.from_pylist(table, schema=schema)
    pyarrow.parquet.write_table(arrow, folder / f"{resource.name}.parquet", compression="zstd")
    for index, field in enumerate(schema):
        if field.type == pa.timestamp("us", tz="UTC"):
            text = pa.compute.strftime(arrow.column(index), format="%Y-%m-%dT%H:%M:%SZ")
            arrow = arrow.set_column(index, field.name, text)
    sink = pa.BufferOutputStream()
    pyarrow.csv.write_csv(arrow, sink, pyarrow.csv.WriteOptions(quoting_style="needed"))
    plain = {"csv.gz": sink.getvalue().to_pybytes()}
    plain["jsonl.gz"] = "".join(json.dumps(row, default=str) + "\n" for row in arrow.to_pylist()).encode()
    for name, data in plain.items():
        (folder / f"{resource.name}.{name}").write_bytes(gzip.compress(data, mtime=0))
    return replace(
        resource,
        rows=len(table),
        files=tuple(told(folder, f"{resource.name}.{name}", name) for name in ("parquet", "csv.gz", "jsonl.gz")),
    )


def told(folder: Path, path: str, name: str) -> File:
    data = (folder / path).read_bytes()
    return File(path, name, len(data), hashlib.sha256(data).hexdigest())


def make_release(folder: Path, tables: dict[str, list[dict]], **changes) -> Release:
    """Write and describe a release of these tables."""
    folder.mkdir(parents=True, exist_ok=True)
    resources = []
    for name, table in tables.items():
        fields, key, foreign = DECLARED[name]
        empty = Resource(name, f"One row of {name}.", fields, key, foreign, 0, ())
        resources.append(write(folder, empty, table))
    release = Release(
        **{
            "name": "2026.06.0",
            "profile": Profile.OPEN,
            "as_of": datetime(2026, 6, 2, tzinfo=UTC),
            "resources": tuple(resources),
            "parameters": {"seen_within_days": 400, "k": 10, "key": "release", "key_id": "0123456789abcdef"},
            "coverage": {"lists": [{"stream": "followers", "certified": 40, "not_certified": 2}], "id gaps": 3},
            "anonymity": {"k": 10, "suppressed": {"country": 2}},
            "provenance": SITE,
            **changes,
        }
    )
    describe(folder, release)
    return release
