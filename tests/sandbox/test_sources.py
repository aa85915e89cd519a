"""The sources that the sandbox serves are what it states, and are served to the token of their project alone."""

from collections import Counter

import pytest

from harvester.sandbox.community import Community
from harvester.sandbox.sources import SCRIPTS, TOKEN_SECONDS, blocks_of
from harvester.sandbox.truth import truth
from harvester.source.decode import decode
from harvester.source.model import DamagedSource


@pytest.fixture(scope="module")
def community():
    return Community(120, seed=1)


def test_a_source_is_what_is_stated(community):
    projects = community.projects
    outcomes = Counter()
    for row in truth(community, "sources"):
        body = community.sources.body(projects.by_id[row["project_id"]])
        outcomes[row["outcome"], row["format"]] += 1
        if row["outcome"] == "damaged":
            with pytest.raises(DamagedSource):
                decode(body)
            continue
        read = decode(body)
        assert (read.format, len(body)) == (row["format"], row["bytes"])
        if row["format"] != "scratch1":
            opcodes = Counter(block.opcode for target in read.targets for script in target.scripts for block in script)
            assert opcodes == row["opcodes"]
            assert (read.blocks, len(read.targets)) == (row["blocks"], row["sprites"] + 1)
            assert read.odd == 0
    assert outcomes.keys() >= {
        ("read", "scratch1"),
        ("read", "scratch2"),
        ("read", "scratch3"),
        ("damaged", "scratch3"),
    }
    shapes = {tuple(blocks_of(script)) for script in SCRIPTS}
    assert len(shapes) > 0.9 * len(SCRIPTS)


def test_a_remix_is_its_parent_until_it_is_edited(community):
    projects, sources = community.projects, community.sources
    differences = list(truth(community, "source_differences"))
    untouched = 0
    for row in differences:
        own, parent = (projects.by_id[row[name]] for name in ("project_id", "parent_id"))
        is_same = sources.pieces(own) == sources.pieces(parent)
        untouched += is_same
        assert row["kept"] + row["added"] == sources.pieces(own).scripts.total()
        if is_same:
            assert (row["added"], row["removed"]) == (0, 0)
    assert 0 < untouched < len(differences)
    before = sources.body(own)
    community.quiet_edits[own] += 1
    assert sources.body(own) != before
    del community.quiet_edits[own]
    assert sources.body(own) == before


def test_a_token_is_of_one_project_and_expires(community):
    one, other = community.projects.id[:2]
    sources = community.sources
    token = sources.token(one)
    assert sources.accepts(one, token)
    assert not any(
        sources.accepts(*pair) for pair in ((other, token), (one, ""), (one, token[:-1]), (one, f"9{token}"))
    )
    community.now += TOKEN_SECONDS
    assert sources.accepts(one, token)
    community.now += 1
    assert not sources.accepts(one, token)
    community.stale_tokens = 1
    assert not sources.accepts(one, sources.token(one))
    assert sources.accepts(one, sources.token(one))
