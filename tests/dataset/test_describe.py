"""A release is described for people and machines, each time in the same bytes."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from made_up_release import ABOUT, make_release

from harvester.dataset.describe import describe, read_release, render, version_of
from harvester.dataset.release import Profile
from harvester.errors import UsageError


def frictionless(folder):
    """What the tool says of the data package: errors, and rows read by table."""
    command = [sys.executable, "-m", "frictionless", "validate", "datapackage.json", "--json"]
    report = json.loads(subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True).stdout)
    errors = [(task["name"], error["type"]) for task in report["tasks"] for error in task["errors"]]
    errors += [("", error["type"]) for error in report["errors"]]
    assert report["valid"] == (not errors)
    return errors, {task["name"]: task["stats"]["rows"] for task in report["tasks"] if task["type"] == "table"}


def croissant(*arguments):
    command = [str(Path(sys.executable).with_name("mlcroissant")), *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@pytest.mark.usefixtures("processes")
def test_frictionless_validates_types_keys_and_hashes(release_folder):
    assert frictionless(release_folder) == ([], {"users": 40, "comments": 200, "follows": 40})


@pytest.mark.usefixtures("processes")
def test_frictionless_finds_a_broken_package(release_folder, tables):
    """The check above can fail: rows that refer to nobody, under correct hashes, and a flipped byte."""
    tables["comments"][0]["author"] = "nobody"
    make_release(release_folder, tables)
    data = bytearray((release_folder / "users.parquet").read_bytes())
    data[9] ^= 1
    (release_folder / "users.parquet").write_bytes(data)
    assert frictionless(release_folder)[0] == [("users.parquet", "hash-count"), ("comments", "foreign-key")]


@pytest.mark.usefixtures("processes")
def test_croissant_is_valid_and_its_records_can_be_read(release_folder):
    done = croissant("validate", "--jsonld", release_folder / "croissant.json")
    assert done.returncode == 0, done.stderr
    assert "Done." in done.stderr
    assert "WARNING" not in done.stderr.upper()
    done = croissant(
        "load", "--jsonld", release_folder / "croissant.json", "--record_set", "comments", "--num_records", 2
    )
    assert done.returncode == 0, done.stderr
    assert "c00001" in done.stderr + done.stdout


@pytest.mark.usefixtures("processes")
def test_each_address_of_the_api_is_a_source_of_its_own(tmp_path, tables):
    """A sandbox that was started again has another port: its addresses together are no address.

    The release has statements, too, so that both validators see one with them and one without.
    """
    urls = ["http://127.0.0.1:8601", "http://127.0.0.1:8602"]
    provenance = {"api": ", ".join(urls), "contact": "someone@example.org", "harvester": "0.1.0"}
    make_release(tmp_path / "release", tables, provenance=provenance, about=ABOUT)
    assert frictionless(tmp_path / "release")[0] == []
    assert croissant("validate", "--jsonld", tmp_path / "release" / "croissant.json").returncode == 0
    package = json.loads((tmp_path / "release" / "datapackage.json").read_text())
    assert [source["path"] for source in package["sources"]] == urls


@pytest.mark.usefixtures("processes")
def test_mlcroissant_finds_a_broken_description(release_folder):
    described = json.loads((release_folder / "croissant.json").read_text())
    described["recordSet"][1]["field"][1]["references"]["field"]["@id"] = "users/nobody"
    (release_folder / "croissant.json").write_text(json.dumps(described))
    assert croissant("validate", "--jsonld", release_folder / "croissant.json").returncode == 1


def test_croissant_has_hashes_keys_references_rights_and_origin(release_folder):
    release = read_release(release_folder)
    told = json.loads((release_folder / "croissant.json").read_text())
    assert {one["contentUrl"]: one["sha256"] for one in told["distribution"]} == {
        file.path: file.sha256 for one in release.resources for file in one.files
    }
    sets = {one["@id"]: one for one in told["recordSet"]}
    assert sets["follows"]["key"] == [{"@id": "follows/follower"}, {"@id": "follows/followee"}]
    fields = {field["@id"]: field for one in sets.values() for field in one["field"]}
    assert fields["comments/author"]["references"] == {"field": {"@id": "users/user"}}
    assert {one["termCode"] for one in told["usageInfo"]} == {"DUO_0000042", "DUO_0000046"}
    assert told["prov:wasDerivedFrom"][0]["@id"] == "https://api.scratch.mit.edu"
    assert told["prov:wasGeneratedBy"]["prov:startedAtTime"] == "2026-05-01T00:00:00Z"
    assert told["version"] == "2026.6.0"


def test_the_same_release_gives_the_same_bytes(release_folder):
    release = read_release(release_folder)
    written = {name: (release_folder / name).read_bytes() for name in render(release)}
    describe(release_folder, release)
    assert {name: (release_folder / name).read_bytes() for name in written} == written


def test_what_is_written_is_read_again(release_folder, tmp_path, tables):
    release = make_release(tmp_path / "other", tables, previous="2026.05.0", changes={"users": {"added": 3}})
    assert read_release(tmp_path / "other") == release
    assert read_release(release_folder) != release


@pytest.mark.parametrize("profile", Profile)
def test_the_datasheet_answers_all_seven_parts_with_no_blank(tmp_path, tables, profile):
    make_release(tmp_path, tables, profile=profile, coverage={}, anonymity={}, provenance={}, parameters={})
    sheet = (tmp_path / "DATASHEET.md").read_text()
    assert re.findall(r"^## (\d)\.", sheet, re.MULTILINE) == list("1234567")
    questions = re.split(r"^\*\*(.+?)\*\*", sheet, flags=re.MULTILINE)[1:]
    assert len(questions) // 2 >= 40
    for question, answer in zip(questions[::2], questions[1::2], strict=True):
        assert question.endswith("?") or question in {"Errors, noise", "Export controls or other restrictions"}
        assert len(answer.split("\n## ")[0].strip()) > 3, question
    assert "$" not in sheet
    assert "not known" in sheet


def test_the_documents_state_the_figures_of_the_release(tmp_path, tables):
    make_release(
        tmp_path,
        tables,
        previous="2026.05.0",
        changes={"users": {"added": 3, "changed": 1, "withdrawn": 2}},
        design={"kind": "uniform", "draws": 1000},
    )
    texts = {path.name: path.read_text() for path in tmp_path.glob("*.md")}
    assert "| `users` | 3 | 1 | 2 |" in texts["CHANGELOG.md"]
    assert "| followers | 40 | 2 |" in texts["COVERAGE.md"]
    assert "- id gaps: 3" in texts["COVERAGE.md"]
    assert "- draws: 1,000" in texts["DATASHEET.md"]
    assert "(bound: 400 days)" in texts["DATASHEET.md"]
    assert "2026-01-22" in texts["LICENCE.md"]
    assert "| `comments` | 200 |" in texts["README.md"]
    assert "| `user` | string | yes | Who. | A keyed pseudonym. |" in texts["SCHEMA.md"]


def test_years_are_no_counts_and_counts_agree_with_their_word(tmp_path, tables):
    years = [{"kind": "project", "year": 2026, "held": 12345}, {"kind": "project", "year": 2025, "held": None}]
    make_release(tmp_path, tables, coverage={"ids_by_year": years}, provenance={"runs": 1})
    assert "| project | 2026 | 12,345 |\n| project | 2025 | - |" in (tmp_path / "COVERAGE.md").read_text()
    assert "1 run of the crawl went into it." in (tmp_path / "DATASHEET.md").read_text()


def test_text_of_a_release_cannot_break_a_table(tmp_path, tables):
    make_release(tmp_path, tables, coverage={"failed": [{"why": "a | b\n# c"}]})
    assert "| a \\| b # c |" in (tmp_path / "COVERAGE.md").read_text()


@pytest.mark.usefixtures("processes")
def test_checksums_are_those_of_the_files(release_folder):
    done = subprocess.run(
        ["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=release_folder, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    listed = {line.split(":")[0] for line in done.stdout.splitlines()}
    assert listed == {path.name for path in release_folder.iterdir()} - {"SHA256SUMS"}


@pytest.mark.parametrize(("name", "version"), [("2026.06.0", "2026.6.0"), ("2026.11.12", "2026.11.12")])
def test_the_name_as_a_version(name, version):
    assert version_of(name) == version


@pytest.mark.parametrize("name", ["2026.6.0", "2026.13.0", "latest", "2026.06", "2026.06.0 "])
def test_another_name_is_refused(name, release_folder):
    with pytest.raises(UsageError, match="named by year"):
        render(replace(read_release(release_folder), name=name))


def test_a_description_contains_no_time_of_its_making(release_folder):
    """The only dates are those of the release."""
    days = {datetime.now(UTC).strftime(f) for f in ("%Y-%m-%d", "%B %Y")}
    for path in release_folder.glob("*.md"):
        assert not [day for day in days if day in path.read_text()]
