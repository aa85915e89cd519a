"""Two releases compared: equal to a comparison row by row in Python."""

import random
from dataclasses import replace

import pytest
from made_up_release import DECLARED, make_release

import harvester.dataset.read
from harvester.dataset.describe import describe, read_release
from harvester.dataset.diff import Change, diff
from harvester.dataset.release import Field, Profile, Type
from harvester.errors import UsageError


def by_hand(before: list[dict], after: list[dict], key: tuple[str, ...]) -> Change:
    old = {tuple(row[name] for name in key): row for row in before}
    new = {tuple(row[name] for name in key): row for row in after}
    change = Change(
        added=len(new.keys() - old.keys()),
        removed=len(old.keys() - new.keys()),
        changed=sum(old[one] != new[one] for one in old.keys() & new.keys()),
        unchanged=sum(old[one] == new[one] for one in old.keys() & new.keys()),
    )
    for one in old.keys() & new.keys():
        for name, value in new[one].items():
            if value != old[one][name]:
                change.columns[name] = change.columns.get(name, 0) + 1
    return change


def altered(tables, seed):
    """The tables after some time."""
    chance = random.Random(seed)
    comments = []
    for earlier in tables["comments"]:
        if chance.random() < 0.1:
            continue
        row = dict(earlier)
        if chance.random() < 0.2:
            row["weight"] = None if row["weight"] else 2.5
        if chance.random() < 0.1:
            row["kind"] = "studio"
        comments.append(row)
    comments += [{**tables["comments"][0], "comment": f"c{chance.randrange(10**5):05d}x"} for _ in range(30)]
    comments = list({row["comment"]: row for row in comments}.values())
    follows = [row for row in tables["follows"] if chance.random() < 0.7]
    users = tables["users"]
    follows += [{"follower": users[n]["user"], "followee": users[(n * 3 + 2) % 40]["user"]} for n in range(0, 40, 3)]
    follows = list({tuple(row.values()): row for row in follows}.values())
    return {
        "users": users,
        "comments": sorted(comments, key=lambda row: row["comment"]),
        "follows": sorted(follows, key=lambda row: (row["follower"], row["followee"])),
    }


@pytest.mark.parametrize("batch", [1, 3, 64, 65_536])
def test_a_diff_equals_a_comparison_by_hand(tmp_path, tables, batch, monkeypatch):
    """Whatever the batches are, which end at other rows on each side."""
    later = altered(tables, batch)
    make_release(tmp_path / "a", tables)
    make_release(tmp_path / "b", later, name="2026.07.0")
    monkeypatch.setattr(harvester.dataset.read, "_BATCH", batch)
    found = diff(tmp_path / "a", tmp_path / "b")
    assert (found.older, found.newer, found.schema) == ("2026.06.0", "2026.07.0", ())
    for name, (_, key, _) in DECLARED.items():
        assert found.tables[name] == by_hand(tables[name], later[name], key), name
    assert found.tables["comments"].changed > 0
    assert found.tables["comments"].removed > 0


def test_the_same_release_does_not_differ(release_folder):
    for change in diff(release_folder, release_folder).tables.values():
        assert (change.added, change.removed, change.changed, change.columns) == (0, 0, 0, {})


def test_an_empty_table(tmp_path, tables):
    make_release(tmp_path / "a", tables)
    make_release(tmp_path / "b", {**tables, "follows": []})
    assert diff(tmp_path / "a", tmp_path / "b").tables["follows"] == Change(removed=40)
    assert diff(tmp_path / "b", tmp_path / "a").tables["follows"] == Change(added=40)


def test_only_a_format_that_both_have_is_read(tmp_path, tables):
    make_release(tmp_path / "a", tables)
    release = make_release(tmp_path / "b", altered(tables, 1))
    fewer = tuple(replace(one, files=one.files[1:]) for one in release.resources)
    for one in release.resources:
        (tmp_path / "b" / one.files[0].path).unlink()
    describe(tmp_path / "b", replace(release, resources=fewer))
    found = diff(tmp_path / "a", tmp_path / "b")
    for name, (_, key, _) in DECLARED.items():
        assert found.tables[name] == by_hand(tables[name], altered(tables, 1)[name], key), name


def test_changes_of_tables_and_columns_are_told(tmp_path, tables, monkeypatch):
    make_release(tmp_path / "a", tables)
    fields, key, foreign = DECLARED["users"]
    changed = (*(one for one in fields if one.name != "team"), Field("age_group", Type.STRING, "New."))
    changed = tuple(replace(one, type=Type.NUMBER) if one.name == "followers" else one for one in changed)
    monkeypatch.setitem(DECLARED, "users", (changed, key, foreign))
    later = [{k: v for k, v in row.items() if k != "team"} | {"age_group": "x"} for row in tables["users"]]
    make_release(tmp_path / "b", {"users": later, "follows": tables["follows"]})
    found = diff(tmp_path / "a", tmp_path / "b")
    assert set(found.schema) == {
        "table comments is gone",
        "column users.team is gone",
        "column users.age_group is new",
        "column users.followers was integer and is number",
    }
    assert found.tables["users"] == Change(unchanged=40)  # what both have is the same
    assert found.tables["comments"] == Change(removed=200)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"parameters": {"key": "release", "key_id": "other"}}, "different keys"),
        ({"profile": Profile.INTERNAL}, "profile open cannot be compared with one of profile internal"),
    ],
)
def test_what_cannot_be_compared_is_refused(tmp_path, tables, changes, why):
    make_release(tmp_path / "a", tables)
    make_release(tmp_path / "b", tables, **changes)
    with pytest.raises(UsageError, match=why):
        diff(tmp_path / "a", tmp_path / "b")


def test_a_file_out_of_order_is_not_compared(tmp_path, tables, monkeypatch):
    make_release(tmp_path / "a", tables)
    make_release(tmp_path / "b", {**tables, "comments": tables["comments"][::-1]})
    monkeypatch.setattr(harvester.dataset.read, "_BATCH", 10)
    with pytest.raises(UsageError, match="comments cannot be compared: rows are not sorted by the key"):
        diff(tmp_path / "a", tmp_path / "b")


def test_a_damaged_file_is_not_compared(tmp_path, tables):
    make_release(tmp_path / "a", tables)
    make_release(tmp_path / "b", tables)
    (tmp_path / "b" / "users.parquet").write_bytes(b"PAR1")
    with pytest.raises(UsageError, match="users cannot be compared: has 4 bytes, not"):
        diff(tmp_path / "a", tmp_path / "b")


def test_no_release(tmp_path, release_folder):
    with pytest.raises(UsageError, match="holds no release"):
        diff(release_folder, tmp_path)
    assert read_release(release_folder).name == "2026.06.0"
