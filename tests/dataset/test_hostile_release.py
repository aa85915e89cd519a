"""A release made to do harm: each trick is reported, no file outside is read, and memory and time stay bounded."""

from __future__ import annotations

import gzip
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
from collections import defaultdict
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import forked
import msgspec
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_up_release import make_release, rows, told

from harvester.cli.output import printable
from harvester.dataset import read
from harvester.dataset.build import Request, _previous, _told
from harvester.dataset.describe import describe, read_release
from harvester.dataset.diff import diff
from harvester.dataset.verify import verify
from harvester.errors import UsageError
from harvester.untrusted import open_beneath


class Opened:
    """The paths that are opened while it is told to note them."""

    def __init__(self):
        self.paths, self.notes = [], False
        sys.addaudithook(self._note)  # there is no way to take one off again

    def _note(self, event, values):
        if self.notes and event == "open" and isinstance(values[0], str | bytes):
            self.paths.append(os.fsdecode(values[0]))


OPENED = Opened()


def verified(folder):
    """What `verify` finds; nothing outside the folder is opened, and all of it can be printed."""
    OPENED.paths, OPENED.notes = [], True
    try:
        found = verify(folder)
    finally:
        OPENED.notes = False
    assert OPENED.paths
    assert not [path for path in OPENED.paths if {"outside", "passwd", "zero"} & set(Path(path).parts)]
    assert all(printable(f"{one.path}: {one.what}").isprintable() for one in found)
    return found


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound") / "release"
    make_release(folder, rows())
    return folder


@pytest.fixture
def folder(sound, tmp_path):
    (tmp_path / "outside").mkdir()
    shutil.copytree(sound, tmp_path / "outside", dirs_exist_ok=True)
    return shutil.copytree(sound, tmp_path / "release")


def replaced(path, make):
    path.unlink()
    make(path)


def manifest(folder, change):
    told = json.loads((folder / "manifest.json").read_text())
    change(told)
    (folder / "manifest.json").write_bytes(msgspec.json.encode(told))


def listen(path):
    with socket.socket(socket.AF_UNIX) as one:
        here = Path.cwd()
        os.chdir(path.parent)  # the name of a socket is short
        one.bind(path.name)
        os.chdir(here)


def first_file(told):
    return told["release"]["resources"][0]["files"][0]


DEEP = "d" * 250


def bury(path):
    """Make folders deeper than a path can tell."""
    here = os.open(path, os.O_RDONLY)
    for _ in range(18):
        os.mkdir(DEEP, dir_fd=here)
        below = os.open(DEEP, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


LINK = "is a symbolic link, which is not followed"
# What is done to the folder, and what is told: file and words.
TRICKS = {
    "a link to a file outside": (
        lambda f: replaced(f / "users.parquet", lambda p: p.symlink_to("../outside/users.parquet")),
        [("users.parquet", LINK)],
    ),
    "a link to a device": (
        lambda f: replaced(f / "users.csv.gz", lambda p: p.symlink_to("/dev/zero")),
        [("users.csv.gz", LINK)],
    ),
    "a link to a folder outside": (lambda f: (f / "data").symlink_to("../outside"), [("data", LINK)]),
    "a file through a linked folder": (
        lambda f: (
            (f / "users.parquet").unlink(),
            (f / "data").symlink_to("../outside"),
            manifest(f, lambda m: first_file(m).update(path="data/users.parquet")),
        ),
        [
            ("data", LINK),
            ("data/users.parquet", "is missing"),
            ("ro-crate-metadata.json", ""),
            ("SHA256SUMS", "does not agree"),
            ("datapackage.json", "something else"),
            ("croissant.json", "something else"),
        ],
    ),
    "a FIFO in place of data": (
        lambda f: replaced(f / "users.jsonl.gz", os.mkfifo),
        [("users.jsonl.gz", "is not a regular file")],
    ),
    "a FIFO in place of the checksums": (
        lambda f: replaced(f / "SHA256SUMS", os.mkfifo),
        [("SHA256SUMS", "not a regular file")],
    ),
    "a FIFO in place of the manifest": (
        lambda f: replaced(f / "manifest.json", os.mkfifo),
        [("manifest.json", "is damaged")],
    ),
    "a link in place of the manifest": (
        lambda f: replaced(f / "manifest.json", lambda p: p.symlink_to("../outside/manifest.json")),
        [("manifest.json", "is damaged")],
    ),
    "a socket beside the data": (lambda f: listen(f / "socket"), [("socket", "is not a regular file")]),
    "a description that lies outside": (
        lambda f: manifest(f, lambda m: m["descriptions"][0].update(path="../outside/README.md")),
        [("manifest.json", "a description lies outside")],
    ),
    "a file by an absolute path": (
        lambda f: manifest(f, lambda m: first_file(m).update(path="/etc/passwd")),
        [("manifest.json", "a file of table users lies outside")],
    ),
    "a path with a NUL": (
        lambda f: manifest(f, lambda m: first_file(m).update(path="a\0b")),
        [("manifest.json", "a file of table users lies outside")],
    ),
    "a file that is listed twice": (
        lambda f: manifest(f, lambda m: m["descriptions"].append(m["descriptions"][0])),
        [("manifest.json", "lists a file twice")],
    ),
    "a manifest that is nested without end": (
        lambda f: (f / "manifest.json").write_bytes(b'{"release":' * 100_000),
        [("manifest.json", "is damaged")],
    ),
    "a manifest that is too large": (
        lambda f: os.truncate(f / "manifest.json", 2**34),
        [("manifest.json", "is damaged")],
    ),
    "numbers that no description can hold": (
        lambda f: manifest(f, lambda m: first_file(m).update(format="exe")),
        [("manifest.json", "says what"), ("SHA256SUMS", "does not agree"), ("users.parquet", "is not known")],
    ),
    "a name that moves the cursor": (
        lambda f: (f / "\x1b]0;owned\x07\u202egnp.exe").write_text("x"),
        [("\x1b]0;owned\x07\u202egnp.exe", "is not part")],
    ),
    "a name that is no text": (
        lambda f: Path(os.fsdecode(os.fsencode(f) + b"/\xff\xfe")).write_text("x"),
        [("\udcff\udcfe", "is not part")],
    ),
}


@pytest.mark.parametrize("what", TRICKS)
def test_a_trick_is_named_and_nothing_outside_is_opened(folder, what):
    trick, expected = TRICKS[what]
    trick(folder)
    found = verified(folder)
    for path, words in expected:
        assert any(one.path == path and words in one.what for one in found), (path, words, found)
    assert {one.path for one in found} == {path for path, _ in expected}


def test_folders_deeper_than_a_path_can_tell_are_told(folder):
    bury(folder)
    assert {one.what for one in verified(folder)} == {"cannot be read: File name too long"}


def test_what_is_swapped_while_it_is_opened_leads_nowhere(folder, monkeypatch):
    """Between the look and the opening a file becomes a link, or a FIFO that nobody writes to."""
    looked = os.stat

    def swapping(make):
        def look(path, **options):
            found = looked(path, **options)
            if path == "users.parquet" and not options.get("follow_symlinks", True):
                replaced(folder / "users.parquet", make)
            return found

        return look

    for make in (lambda path: path.symlink_to("../outside/users.parquet"), os.mkfifo):
        monkeypatch.setattr(os, "stat", swapping(make))
        with pytest.raises(OSError, match=r"symbolic|regular"):
            open_beneath(folder, "users.parquet")
        monkeypatch.setattr(os, "stat", looked)
        replaced(folder / "users.parquet", lambda path: shutil.copy(folder.parent / "outside" / path.name, path))
    (folder / "data").symlink_to("../outside")
    with pytest.raises(OSError, match="symbolic link"):
        open_beneath(folder, "data/users.parquet")
    # The same where it becomes a link after the look.
    monkeypatch.setattr(os, "stat", lambda path, **options: looked(folder if path == "data" else path, **options))
    with pytest.raises(OSError, match="directory"):
        open_beneath(folder, "data/users.parquet")


@pytest.mark.parametrize("what", ["written", "replaced"])
def test_what_changes_after_it_was_compared_is_not_taken(sound, folder, monkeypatch, what):
    """Its hash was right when it was compared; its size and its time of modification are kept."""
    path = folder / "users.parquet"
    compared = read.check_intact

    def change_then(place, file):
        stamp = compared(place, file)
        if place == folder and file.path == path.name:
            before = path.stat()
            if what == "replaced":
                path.unlink()
            flip(path, 5, 1) if what == "written" else shutil.copy(sound / path.name, path)
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        return stamp

    for module in ("verify", "diff"):
        monkeypatch.setattr(f"harvester.dataset.{module}.check_intact", change_then)
    assert [(one.path, one.what) for one in verify(folder)] == [(path.name, "changed while it was read")]
    shutil.copy(sound / path.name, path)
    with pytest.raises(UsageError, match="users cannot be compared: changed while it was read"):
        diff(sound, folder)


@pytest.fixture
def bombs(tmp_path):
    """Files of some kilobytes that unpack to much more, each under its true size and hash."""
    tables = rows()
    release = make_release(tmp_path / "bombs", {"users": tables["users"]})
    folder = tmp_path / "bombs"
    names = ",".join(f'"{field.name}"' for field in release.resources[0].fields)
    (folder / "users.csv.gz").write_bytes(gzip.compress(names.encode() + b"\n" + b"x" * 2**26, mtime=0))
    (folder / "users.jsonl.gz").write_bytes(gzip.compress(b'{"user":"' + b"x" * 2**26, mtime=0))
    kept = pyarrow.parquet.read_table(folder / "users.parquet")
    many = pa.DictionaryArray.from_arrays(pa.array([0] * 40_000, pa.int32()), pa.array(["x" * 1_000_000]))
    columns = {name: pa.nulls(40_000, kept.schema.field(name).type) for name in kept.schema.names} | {"user": many}
    pyarrow.parquet.write_table(pa.table(columns), folder / "users.parquet", store_schema=False)
    return folder


def again(folder):
    """Describe what lies in the folder now, under its true sizes and hashes, and with as many rows as fit."""
    release = read_release(folder)
    resources = tuple(
        replace(one, rows=10**9, files=tuple(told(folder, file.path, file.format) for file in one.files))
        for one in release.resources
    )
    describe(folder, replace(release, resources=resources))


def test_nothing_is_unpacked_whose_size_or_hash_is_wrong(bombs, monkeypatch):
    def unpack(*_args, **_options):
        raise AssertionError("unpacked")

    monkeypatch.setattr(read.gzip, "open", unpack)
    monkeypatch.setattr(read.pyarrow.parquet, "ParquetFile", unpack)
    found = verify(bombs)
    assert {one.path for one in found} == {"users.parquet", "users.csv.gz", "users.jsonl.gz"}
    assert all("bytes, not" in one.what for one in found)
    with pytest.raises(UsageError, match=r"users cannot be compared: has [\d,]+ bytes, not"):
        diff(bombs, bombs)


@pytest.mark.usefixtures("processes")
def test_what_unpacks_without_end_ends(bombs):
    """By the command, in a process of its own: in two gigabytes, of which its libraries reserve one."""
    again(bombs)
    code = f"import harvester.dataset.read as r; r.MEMORY = {2**31}; from harvester.cli.main import app; app()"
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    command = [sys.executable, "-c", code, "dataset", "verify", str(bombs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines() == [
        "users.parquet: cannot be read as parquet (ArrowMemoryError)",
        "users.csv.gz: cannot be read as csv.gz (ArrowInvalid)",
        "users.jsonl.gz: has a line of more than 16,777,216 bytes",
        "3 problems found",
    ]
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss <= max(before, 2**21)


def test_no_more_is_read_than_the_rows_that_are_promised(folder):
    release = read_release(folder)
    users = release.resources[0]
    describe(folder, replace(release, resources=(replace(users, rows=39), *release.resources[1:])))
    found = verify(folder)
    assert {(one.path, one.what) for one in found} == {
        (file.path, "has more rows than the 39 that are promised") for file in users.files
    }


def flip(path, place, value):
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= value
    path.write_bytes(data)


MUTATIONS = {
    "flip": flip,
    "cut": lambda path, place, _: os.truncate(path, place % path.stat().st_size),
    "append": lambda path, _, value: path.write_bytes(path.read_bytes() + bytes([value])),
    "delete": lambda path, *_: path.unlink(),
    "link": lambda path, *_: replaced(path, lambda p: p.symlink_to(f"../outside/{p.name}")),
    "fifo": lambda path, *_: replaced(path, os.mkfifo),
    "folder": lambda path, *_: replaced(path, Path.mkdir),
    "rename": lambda path, _, value: path.rename(path.with_name(f"{path.name}\x1b[{value}m")),
}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(
        ["manifest.json", "SHA256SUMS", "README.md", "croissant.json"]
        + [f"{table}.{kind}" for table in ("users", "comments") for kind in ("parquet", "csv.gz", "jsonl.gz")]
    ),
    mutation=st.sampled_from(sorted(MUTATIONS)),
    place=st.integers(0, 2**20),
    value=st.integers(1, 255),
)
def test_every_mutation_is_told(sound, tmp_path, name, mutation, place, value):
    folder = tmp_path / "release"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(sound, folder)
    MUTATIONS[mutation](folder / name, place, value)
    try:
        assert verified(folder)
    except UsageError:
        assert name == "manifest.json"
        assert mutation in ("delete", "rename")


ODD_VALUES = (
    """null true -1 0 1.5 9223372036854775808 1e400 "" "x" "\\u001b[2J" "../x" "users" "open" "٣" [] [[]] {} {"a":1}"""
)


def leaves(told, path=()):
    """The path to each value of a manifest, containers too; not to what is prose."""
    if path and path[-1] not in ("comment", "treatment"):
        yield path
    items = told.items() if isinstance(told, dict) else enumerate(told) if isinstance(told, list) else ()
    for name, value in items:
        yield from leaves(value, (*path, name))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_manifest_is_judged_and_no_command_fails_over_it(sound, tmp_path, data):
    """Any manifest with a true hash is accepted or reported as wrong, never with a traceback."""
    folder = tmp_path / "release"
    if not folder.exists():
        shutil.copytree(sound, folder)
    told = json.loads((sound / "manifest.json").read_text())
    for _ in range(data.draw(st.integers(1, 2))):
        by_name = defaultdict(list)
        for path in leaves(told):
            by_name[next(part for part in reversed(path) if isinstance(part, str))].append(path)
        *path, last = data.draw(st.sampled_from(by_name[data.draw(st.sampled_from(sorted(by_name)))]))
        place = told
        for name in path:
            place = place[name]
        if data.draw(st.integers(0, 4)) == 0:
            del place[last]
        else:
            place[last] = json.loads(data.draw(st.sampled_from(ODD_VALUES.split())))
    (folder / "manifest.json").write_bytes(json.dumps(told).encode())
    verified(folder)
    for command in (
        lambda: diff(sound, folder),
        lambda: _previous(Request(folder, previous=folder)),
        lambda: [list(_told(folder, one, with_looks=False)) for one in read_release(folder).resources],
        lambda: [list(_told(folder, one, with_looks=True)) for one in read_release(folder).resources],
    ):
        with suppress(UsageError):
            command()


def test_a_previous_table_without_a_key_is_named(sound):
    for one in read_release(sound).resources:
        if one.files and one.primary_key:
            with pytest.raises(UsageError, match=f"{one.name} of the previous release has no key"):
                list(_told(sound, replace(one, primary_key=()), with_looks=False))


@pytest.mark.usefixtures("processes")
def test_the_commands_print_nothing_that_a_terminal_obeys(folder, tmp_path):
    (folder / "\x1b]0;owned\x07[bold]x").write_text("x")
    other = shutil.copytree(folder, tmp_path / "other")
    odd = "\x1b[2J[red]\u202e"
    manifest(other, lambda m: m["release"]["resources"][2].update(name=odd))
    for arguments in (["verify", other], ["diff", folder, other]):
        done = forked.run(["dataset", *map(str, arguments)], os.environ, 60)
        assert "\\x1b" in done.stdout
        assert "[bold]" in done.stdout or "[red]" in done.stdout
        assert all(line.isprintable() for line in (done.stdout + done.stderr).splitlines())
        assert "Traceback" not in done.stderr


def test_a_previous_release_says_no_more_than_a_release(folder, tmp_path):
    """The number of people goes into statements; the files are held against the manifest first."""
    for k in ("10) OR true --", True, 1, None, 10.0):
        manifest(folder, lambda m, k=k: m["release"]["parameters"].update(k=k))
        with pytest.raises(UsageError, match="does not say how many people"):
            _previous(Request(tmp_path / "next", previous=folder))
    manifest(folder, lambda m: m["release"]["parameters"].update(k=12))
    assert _previous(Request(tmp_path / "next", previous=folder)) is not None
