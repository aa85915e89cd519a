"""Each kind of damage is found and named; a sound release has none."""

import gzip
import json
import shutil
from dataclasses import replace

import msgspec
import pyarrow as pa
import pyarrow.parquet
import pytest
from made_up_release import COMMENTS, DECLARED, make_release, rows, told

from harvester.dataset.describe import describe, read_release
from harvester.dataset.release import Type
from harvester.dataset.verify import Problem, verify
from harvester.errors import UsageError


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound") / "release"
    make_release(folder, rows())
    return folder


@pytest.fixture
def folder(sound, tmp_path):
    return shutil.copytree(sound, tmp_path / "release")


def test_a_sound_release_has_no_problem(sound):
    assert verify(sound) == []


def again(folder, **changed_fields):
    """Describe what lies in the folder now, under its true sizes and hashes."""
    release = read_release(folder)
    resources = []
    for one in release.resources:
        files = tuple(told(folder, file.path, file.format) for file in one.files)
        resources.append(replace(one, files=files, fields=changed_fields.get(one.name, one.fields)))
    describe(folder, replace(release, resources=tuple(resources)))


def rewrite(folder, name, change, table="comments"):
    """Change the rows of one format, under a correct hash."""
    path = folder / f"{table}.{name}"
    if name == "parquet":
        kept = pyarrow.parquet.read_table(path)
        lines = change(kept.to_pylist())
        pyarrow.parquet.write_table(pa.Table.from_pylist(lines, schema=kept.schema), path)
    else:
        lines = gzip.decompress(path.read_bytes()).decode().splitlines(keepends=True)
        head = lines[:1] if name == "csv.gz" else []
        path.write_bytes(gzip.compress("".join(head + change(lines[len(head) :])).encode(), mtime=0))
    again(folder)


def set_field(column, value, row=3):
    def change(lines):
        lines[row][column] = value
        return lines

    return change


# What breaks it, and what is told: file and words.
DAMAGE = {
    "a byte is flipped": (
        lambda f: flip(f / "users.parquet", 5),
        [("users.parquet", "has another SHA-256")],
    ),
    "a byte of compressed data is flipped": (
        lambda f: flip(f / "users.csv.gz", 60),
        [("users.csv.gz", "has another SHA-256")],
    ),
    "a file is cut short": (
        lambda f: (f / "users.jsonl.gz").write_bytes((f / "users.jsonl.gz").read_bytes()[:-20]),
        [("users.jsonl.gz", "bytes, not")],
    ),
    "a file is missing": (lambda f: (f / "users.csv.gz").unlink(), [("users.csv.gz", "is missing")]),
    "a description is missing": (lambda f: (f / "DATASHEET.md").unlink(), [("DATASHEET.md", "is missing")]),
    "something else lies there": (lambda f: (f / "notes.txt").write_text("x"), [("notes.txt", "is not part")]),
    "something else lies deeper": (
        lambda f: ((f / "old").mkdir(), (f / "old" / "users.csv").write_text("x")),
        [("old/users.csv", "is not part")],
    ),
    "a document is edited": (
        lambda f: (f / "LICENCE.md").write_text("Public domain"),
        [("LICENCE.md", "bytes, not")],
    ),
    "the checksums are edited": (
        lambda f: (f / "SHA256SUMS").write_text((f / "SHA256SUMS").read_text()[1:]),
        [("SHA256SUMS", "does not agree")],
    ),
    "the checksums are missing": (lambda f: (f / "SHA256SUMS").unlink(), [("SHA256SUMS", "is missing")]),
    "the manifest is damaged": (lambda f: (f / "manifest.json").write_text("{"), [("manifest.json", "is damaged")]),
    "a row is dropped": (
        lambda f: rewrite(f, "parquet", lambda lines: lines[:-1]),
        [("comments.parquet", "has 199 rows, not 200")],
    ),
    "a line is dropped": (
        lambda f: rewrite(f, "csv.gz", lambda lines: lines[:-1]),
        [("comments.csv.gz", "has 199 rows, not 200")],
    ),
    "a row is there twice": (
        lambda f: rewrite(f, "jsonl.gz", lambda lines: [*lines[:-2], lines[-1], lines[-1]]),
        [("comments.jsonl.gz", "the key is not unique (1 times)")],
    ),
    "rows are out of order": (
        lambda f: rewrite(f, "parquet", lambda lines: lines[::-1]),
        [("comments.parquet", "rows are not sorted by the key (199 times)")],
    ),
    "a key is empty": (
        lambda f: rewrite(f, "parquet", set_field("comment", None)),
        [("comments.parquet", "column comment is empty (1 times)")],
    ),
    "a required value is empty": (
        lambda f: rewrite(f, "parquet", set_field("author", None)),
        [("comments.parquet", "column author is empty (1 times)")],
    ),
    "a reference leads nowhere": (
        lambda f: rewrite(f, "parquet", set_field("author", "nobody")),
        [("comments", "its formats hold different rows"), ("comments.parquet", "author is not in users (1 times)")],
    ),
    "a value is of no category": (
        lambda f: rewrite(f, "parquet", set_field("kind", "wall")),
        [("comments.parquet", "column kind has values that are none of its categories (1 times)")],
    ),
    "a month is none": (
        lambda f: rewrite(f, "parquet", set_field("joined", "2024-13"), "users"),
        [("users.parquet", "column joined is no month (1 times)")],
    ),
    "JSON is none": (
        lambda f: rewrite(f, "parquet", set_field("features", "{length: 1")),
        [("comments.parquet", "column features is no JSON (1 times)")],
    ),
    "formats hold different rows": (
        lambda f: rewrite(f, "parquet", set_field("weight", 99.5)),
        [("comments", "its formats hold different rows")],
    ),
    "a type is changed": (
        lambda f: as_type(f / "users.parquet", "followers", pa.string()) or again(f),
        [("users.parquet", "column followers is string, not int64")],
    ),
    "a type is changed in CSV": (
        lambda f: rewrite(
            f, "csv.gz", lambda lines: [lines[0].replace("project", "x").replace("6.5", "much"), *lines[1:]]
        ),
        [("comments.csv.gz", "cannot be read as csv.gz")],
    ),
    "a column is missing": (
        lambda f: drop_column(f / "users.parquet", "followers") or again(f),
        [("users.parquet", "other columns than promised: lacks followers")],
    ),
    "a column is too many": (
        lambda f: rewrite(f, "jsonl.gz", lambda lines: [lines[0].replace("{", '{"username": "x", ', 1), *lines[1:]]),
        [("comments.jsonl.gz", "has keys that are no columns")],
    ),
    "the data package tells another hash": (
        lambda f: edit(f, "datapackage.json", lambda d: d["resources"][1].update(hash="sha256:" + "0" * 64)),
        [("datapackage.json", "says of users.csv.gz something else")],
    ),
    "the data package tells another type": (
        lambda f: edit(f, "datapackage.json", lambda d: d["resources"][1]["schema"]["fields"][4].update(type="string")),
        [("datapackage.json", "says of users.csv.gz something else")],
    ),
    "Croissant tells another key": (
        lambda f: edit(f, "croissant.json", lambda d: d["recordSet"][0].pop("key")),
        [("croissant.json", "says of users something else")],
    ),
    "Croissant tells another size": (
        lambda f: edit(f, "croissant.json", lambda d: d["distribution"][0].update(contentSize="1 B")),
        [("croissant.json", "says of users.parquet something else")],
    ),
    "DataCite tells another creator": (
        lambda f: edit(f, "datacite.json", lambda d: d["creators"][0].update(name="Somebody, Else")),
        [("datacite.json", "says of creators something else")],
    ),
    "the crate tells another hash": (
        lambda f: edit(f, "ro-crate-metadata.json", lambda d: d["@graph"][2].update(sha256="0" * 64)),
        [("ro-crate-metadata.json", "says of users.parquet something else")],
    ),
    "the citation is edited": (
        lambda f: (f / "CITATION.cff").write_text("cff-version: 1.2.0"),
        [("CITATION.cff", "bytes, not")],
    ),
    "the data package is no JSON": (
        lambda f: (f / "datapackage.json").write_text("[1"),
        [("datapackage.json", "bytes, not")],
    ),
    "the data package is no JSON, under a correct hash": (
        lambda f: edit(f, "datapackage.json", lambda d: d.pop("resources")),
        [("datapackage.json", "is damaged")],
    ),
    "a text is changed": (
        lambda f: rewrite(f, "jsonl.gz", lambda lines: [line.replace("west", "east") for line in lines], "users"),
        [("users", "its formats hold different rows")],
    ),
}


def flip(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 0x40
    path.write_bytes(data)


def as_type(path, column, arrow_type):
    table = pyarrow.parquet.read_table(path)
    place = table.schema.get_field_index(column)
    pyarrow.parquet.write_table(table.set_column(place, column, table.column(column).cast(arrow_type)), path)


def drop_column(path, column):
    pyarrow.parquet.write_table(pyarrow.parquet.read_table(path).drop([column]), path)


def edit(folder, name, change):
    """Edit a description and everything that vouches for it."""
    import hashlib

    described = json.loads((folder / name).read_text())
    change(described)
    data = json.dumps(described).encode()
    (folder / name).write_bytes(data)
    manifest = json.loads((folder / "manifest.json").read_text())
    for one in manifest["descriptions"]:
        if one["path"] == name:
            one |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (folder / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    lines = [
        line for line in (folder / "SHA256SUMS").read_text().splitlines() if line[66:] not in {name, "manifest.json"}
    ]
    hashes = {path: hashlib.sha256((folder / path).read_bytes()).hexdigest() for path in (name, "manifest.json")}
    lines += [f"{digest}  {path}" for path, digest in hashes.items()]
    (folder / "SHA256SUMS").write_text("\n".join(sorted(lines, key=lambda line: line[66:])) + "\n")


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_named(folder, what):
    damage, expected = DAMAGE[what]
    damage(folder)
    found = verify(folder)
    for path, words in expected:
        assert any(one.path == path and words in one.what for one in found), (path, words, found)
    assert {one.path for one in found} == {path for path, _ in expected}


def test_each_description_is_compared_with_the_manifest(folder):
    """Among them the card, the citation, the metadata for a DOI and the crate, and what starts an analysis."""
    names = {one["path"] for one in json.loads((folder / "manifest.json").read_text())["descriptions"]}
    assert names | {"manifest.json", "SHA256SUMS"} == {
        path.name for path in folder.iterdir() if path.suffix not in {".gz", ".parquet"}
    }
    assert names > {"README.md", "CITATION.cff", "datacite.json", "ro-crate-metadata.json", "START.ipynb", "start.R"}
    kept = {name: (folder / name).read_bytes() for name in names}
    for name in names:
        flip(folder / name, 60)
    assert {(one.path, one.what) for one in verify(folder)} == {
        (name, "has another SHA-256 than the manifest says") for name in names
    }
    for name, data in kept.items():
        (folder / name).write_bytes(data)
    assert verify(folder) == []
    for name in names:
        (folder / name).unlink()
    assert {(one.path, one.what) for one in verify(folder)} == {(name, "is missing") for name in names}


def test_everything_that_is_wrong_is_named(folder):
    (folder / "notes.txt").write_text("x")
    (folder / "README.md").unlink()
    rewrite(folder, "parquet", lambda lines: set_field("author", "nobody")(set_field("kind", "wall")(lines)))
    (folder / "README.md").unlink()
    assert [one.path for one in verify(folder)] == ["notes.txt", "README.md", "comments.parquet", "comments.parquet"]


def test_a_reference_of_two_columns_and_one_that_is_half_null(tmp_path, monkeypatch):
    """`pairs` refers to `follows` by both columns; a null in one of them refers to nothing, as in SQL."""
    from harvester.dataset.release import Field, ForeignKey

    tables = rows()
    follows = tables["follows"]
    pair = (
        Field("id", Type.INTEGER, "Number.", required=True),
        Field("one", Type.STRING, "One."),
        Field("other", Type.STRING, "Other."),
    )
    monkeypatch.setitem(
        DECLARED, "pairs", (pair, ("id",), (ForeignKey(("one", "other"), "follows", ("follower", "followee")),))
    )
    tables["pairs"] = [
        {"id": 1, "one": follows[0]["follower"], "other": follows[0]["followee"]},
        {"id": 2, "one": follows[0]["follower"], "other": None},
        {"id": 10, "one": follows[1]["follower"], "other": follows[1]["followee"]},
    ]
    make_release(tmp_path / "good", tables)
    assert verify(tmp_path / "good") == []
    tables["pairs"][2]["other"] = "nobody"
    make_release(tmp_path / "bad", tables)
    assert verify(tmp_path / "bad") == [Problem("pairs.parquet", "one, other is not in follows (1 times)")]


def test_references_are_looked_up_a_part_at_a_time(sound, folder, monkeypatch):
    """With room for one batch of one row of the referred keys, the answer is the same."""
    import harvester.dataset.read
    import harvester.dataset.verify

    monkeypatch.setattr(harvester.dataset.read, "_BATCH", 7)
    monkeypatch.setattr(harvester.dataset.verify, "_BATCHES_AT_A_TIME", 1)
    assert verify(sound) == []
    rewrite(folder, "parquet", set_field("author", "nobody"))
    assert verify(folder)[1:] == [Problem("comments.parquet", "author is not in users (1 times)")]


def test_a_file_that_the_manifest_puts_elsewhere_is_not_opened(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["release"]["resources"][0]["files"][0]["path"] = "../outside.parquet"
    (folder / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    assert verify(folder) == [Problem("manifest.json", "a file of table users lies outside the folder")]


def test_a_manifest_that_refers_to_no_table(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["release"]["resources"][1]["foreign_keys"][0]["resource"] = "people"
    (folder / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    assert verify(folder) == [Problem("manifest.json", "table comments refers to what is not in the release")]


def test_no_release(tmp_path):
    with pytest.raises(UsageError, match="holds no release"):
        verify(tmp_path)


def test_a_type_is_promised_wrongly(folder):
    """The file is right and the release is wrong: told all the same."""
    fields = tuple(replace(one, type=Type.INTEGER) if one.name == "weight" else one for one in COMMENTS)
    again(folder, comments=fields)
    found = verify(folder)
    assert Problem("comments.parquet", "column weight is double, not int64") in found
    assert {one.path for one in found} >= {"comments.parquet", "comments.csv.gz"}
