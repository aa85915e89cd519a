"""Releases of a harvested warehouse: described, found valid by the tools of others, and by our own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harvester.dataset.describe import read_release
from harvester.dataset.diff import diff
from harvester.dataset.recall import stated, table
from harvester.dataset.release import Profile
from harvester.dataset.verify import verify


@pytest.mark.parametrize("profile", Profile)
def test_a_build_is_what_it_says(built, profile):
    folder = built.folder / str(profile)
    assert verify(folder) == []
    assert read_release(folder) == built.releases[str(profile)]


@pytest.mark.parametrize(
    "profile",
    [Profile.RESTRICTED, *(pytest.param(one, marks=pytest.mark.soak) for one in (Profile.OPEN, Profile.INTERNAL))],
)
def test_frictionless_and_mlcroissant_find_it_valid(built, profile):
    folder = built.folder / str(profile)
    command = [sys.executable, "-m", "frictionless", "validate", "datapackage.json", "--json"]
    report = json.loads(subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True).stdout)
    assert [error["message"] for task in report["tasks"] for error in task["errors"]] == []
    assert report["valid"]
    command = [
        str(Path(sys.executable).with_name("mlcroissant")),
        "validate",
        "--jsonld",
        str(folder / "croissant.json"),
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr.upper()


@pytest.mark.parametrize("profile", Profile)
def test_a_datasheet_of_redacted_texts_states_the_recall(built, profile):
    sheet = (built.folder / str(profile) / "DATASHEET.md").read_text()
    assert (table(stated()) in sheet) == (profile is Profile.RESTRICTED)


def test_a_release_equals_itself(built):
    folder = built.folder / str(Profile.INTERNAL)
    for change in diff(folder, folder).tables.values():
        assert (change.added, change.removed, change.changed) == (0, 0, 0)
