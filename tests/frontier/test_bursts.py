"""Feeds and the state of entities shorten delays in a simulated community with bursts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.schedule import bursts


@pytest.mark.soak
def test_feeds_and_state_beat_independent_visits() -> None:
    """At equal requests, of the delay of visits at the true rates; no list waits longer than its floor and a tick."""
    policies = (bursts.TODAY, bursts.ACTIVITY, bursts.STATE, bursts.OPTED, bursts.VIEWS, bursts.ALL)
    community = next(each for each in bursts.SCENARIOS if each.name == "bursts" and each.budget == 0.1)
    found = bursts.compare(replace(community, policies=policies), 1)
    assert found[bursts.ALL.name]["relative"] < 0.77
    assert found[bursts.STATE.name]["relative"] < 0.9 * found[bursts.TODAY.name]["relative"]
    assert found[bursts.ACTIVITY.name]["relative"] < 0.85 * found[bursts.TODAY.name]["relative"]
    assert found[bursts.OPTED.name]["relative"] < 0.88
    assert found[bursts.VIEWS.name]["relative"] < 0.99 * found[bursts.OPTED.name]["relative"]
    assert all(outcome["visits"] == 360_000 for outcome in found.values())
    assert all(outcome["overdue"] < 0.11 for outcome in found.values())
