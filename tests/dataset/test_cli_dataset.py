"""`harvester dataset verify` and `diff` as a process."""

import json
import os

import forked
import pytest
from made_up_release import make_release

pytestmark = pytest.mark.usefixtures("processes")


def run(*arguments):
    return forked.run(["dataset", *map(str, arguments)], os.environ, 60)


def test_verify(release_folder):
    done = run("verify", release_folder, "--json")
    assert (done.returncode, json.loads(done.stdout), done.stderr) == (0, {"valid": True, "problems": []}, "")
    (release_folder / "extra.txt").write_text("x")
    done = run("verify", release_folder)
    assert done.returncode == 1
    assert done.stdout.splitlines() == ["extra.txt: is not part of the release", "1 problem found"]
    assert done.stderr == ""


def test_diff(tmp_path, tables):
    make_release(tmp_path / "a", tables)
    make_release(tmp_path / "b", {**tables, "follows": tables["follows"][:30]}, name="2026.07.0")
    done = run("diff", tmp_path / "a", tmp_path / "b", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["tables"]["follows"]
    assert found == {"added": 0, "removed": 10, "changed": 0, "unchanged": 30, "columns": {}}
    table = run("diff", tmp_path / "a", tmp_path / "b").stdout
    assert "from 2026.06.0 to 2026.07.0" in table


def test_wrong_use_is_one_line(tmp_path, release_folder):
    for arguments in (["verify", tmp_path / "nothing"], ["diff", release_folder, tmp_path / "nothing"]):
        done = run(*arguments)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert "holds no release" in done.stderr
