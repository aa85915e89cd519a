"""Releases are recorded before their folders get names, and spend of differential privacy what the limit allows."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from harvester.config import load
from harvester.dataset import ledger
from harvester.dataset.ledger import Spending
from harvester.dataset.release import Profile, Text
from harvester.erasure.remembered import THIS_KEY
from harvester.errors import UsageError
from harvester.secret import keyed_hash, secret_key
from harvester.warehouse.annotations import USER

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from harvester.config import Settings


@pytest.fixture
def settings(database: str, tmp_path: Path) -> Settings:
    return load(database_url=database, home=tmp_path, privacy_budget=1.0)


AS_OF = datetime(2026, 6, 1, tzinfo=UTC)


def publication(settings: Settings, fingerprint: str | None, epsilon: float) -> AbstractContextManager[None]:
    if fingerprint is None:
        return ledger.publication(settings, "2026.06.0", Profile.RESTRICTED, AS_OF)
    spending = Spending(fingerprint, "2026.06.0", epsilon, 1e-10)
    return ledger.publication(settings, "2026.06.0", Profile.OPEN, AS_OF, spending)


def publish(settings: Settings, fingerprint: str | None, epsilon: float = 0) -> None:
    with publication(settings, fingerprint, epsilon):
        pass


def recorded(settings: Settings) -> list[str | None]:
    """The fingerprints of the releases whose holders are told of an erasure."""
    assert settings.database_url is not None
    with psycopg.connect(settings.database_url.get_secret_value()) as connection:
        rows = connection.execute("SELECT fingerprint FROM crawl.releases ORDER BY release_id").fetchall()
    return [fingerprint for (fingerprint,) in rows]


def spent(settings: Settings) -> list[tuple[str, float]]:
    return [(one.fingerprint, one.epsilon) for one in ledger.read(settings)]


def test_an_equal_release_spends_nothing_again(settings: Settings) -> None:
    for _ in range(3):
        publish(settings, "one", 0.6)
    assert spent(settings) == [("one", 0.6)]
    assert recorded(settings) == ["one"] * 3, "each build has holders"


def test_a_release_above_the_limit_is_refused(settings: Settings) -> None:
    for number in range(9):
        publish(settings, f"{number}", 0.1)
    with pytest.raises(UsageError, match=r"spend epsilon 0\.2: 0\.9 of 1 is spent, 0\.1 is left; see `harvester"):
        publish(settings, "more", 0.2)
    # Ten tenths are one, though their sum as binary fractions is not.
    publish(settings, "9", 0.1)
    assert ledger.epsilon_of(ledger.read(settings)) == 1.0
    publish(settings, "9", 0.1)
    with pytest.raises(UsageError, match="0 is left"):
        publish(settings, "last", 0.01)
    assert recorded(settings) == [*map(str, range(10)), "9"], "no release that was refused"
    publish(settings, None)
    assert recorded(settings)[-1] is None, "a release without noise is not refused"


def test_spending_is_recorded_before_the_folder_is_named(settings: Settings) -> None:
    """What ends between the two has spent: the other order could publish what is not recorded."""
    with publication(settings, "one", 0.6):
        assert spent(settings) == [("one", 0.6)], "another connection sees it"
        with pytest.raises(UsageError, match=r"0\.4 is left"):
            publish(settings, "other", 0.6)


@pytest.mark.parametrize("fingerprint", ["one", None])
def test_a_release_without_a_folder_is_not_recorded(settings: Settings, fingerprint: str | None) -> None:
    def fail() -> None:
        with pytest.raises(OSError, match="no space"), publication(settings, fingerprint, 0.6):
            raise OSError("no space")

    fail()
    assert recorded(settings) == []
    with publication(settings, fingerprint, 0.6):
        fail()  # takes back nothing of an equal build
    assert recorded(settings) == [fingerprint]


@pytest.mark.usefixtures("processes")
def test_a_build_killed_before_its_rename_has_spent(settings: Settings) -> None:
    if (process := os.fork()) == 0:
        with publication(settings, "one", 0.6):
            os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 9
    assert spent(settings) == [("one", 0.6)]
    with pytest.raises(UsageError, match=r"0\.4 is left"):
        publish(settings, "other", 0.6)
    publish(settings, "one", 0.6)
    assert spent(settings) == [("one", 0.6)]


def test_two_builds_at_once_spend_one_after_the_other(settings: Settings) -> None:
    """One has recorded and not committed: the other waits for it, and then finds too little left."""
    assert settings.database_url is not None
    refused: list[str] = []

    def other() -> None:
        try:
            publish(settings, "other", 0.6)
        except UsageError as error:
            refused.append(str(error))

    with psycopg.connect(settings.database_url.get_secret_value()) as first:
        first.execute(
            "INSERT INTO crawl.releases (name, profile, as_of, fingerprint, epsilon, delta)"
            " VALUES ('2026.06.0', 'open', now(), 'first', 0.6, 0)"
        )
        thread = threading.Thread(target=other)
        thread.start()
        waits = "SELECT FROM pg_locks WHERE NOT granted AND relation = 'crawl.releases'::regclass"
        while thread.is_alive() and first.execute(waits).fetchone() is None:
            time.sleep(0.01)
    thread.join()
    assert spent(settings) == [("first", 0.6)]
    assert len(refused) == 1
    assert "0.4 is left" in refused[0]


def test_a_release_with_a_person_erased_meanwhile_is_refused(builder: Any) -> None:
    def erase_somebody(step: str) -> None:
        if step == "pseudonyms":
            with psycopg.connect(builder.database) as connection:
                key = secret_key(builder.home)
                rows = [(keyed_hash(key, THIS_KEY, ""), "key"), (keyed_hash(key, USER, 1), "user")]
                connection.cursor().executemany("INSERT INTO crawl.erasures (hash, kind) VALUES (%s, %s)", rows)

    with pytest.raises(UsageError, match="a person was erased while the release was built: build it again"):
        builder("restricted", Profile.RESTRICTED, on_progress=erase_somebody, history=False, text=Text.NONE)
    assert not (builder.folder / "restricted").exists()
    assert recorded(builder.settings) == []


def test_builds_within_the_budget_are_made_and_others_refused(builder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARVESTER_PRIVACY_BUDGET", "1.5")
    first = builder("first", epsilon=1.0)
    with pytest.raises(UsageError, match=r"1 of 1\.5 is spent"):
        builder("refused", epsilon=0.75)
    assert not (builder.folder / "refused").exists()
    builder("second", epsilon=0.5)
    noises = {}
    for name, release in (("first", first), ("second", builder.releases["second"])):
        assert release.privacy["epsilon"] == (1.0 if name == "first" else 0.5)
        assert {one["statistic"] for one in release.privacy["statistics"]} >= {"retention", "counts_by_month people"}
        noises[name] = builder.rows(name, "counts_by_country")
        assert len({row["noise_scale"] for row in noises[name]}) == 4
        assert all(row["error_95"] > row["noise_scale"] for row in noises[name])
        text = "\n".join((builder.folder / name / file).read_text() for file in ("README.md", "DATASHEET.md"))
        assert " ".join(text.split()).count(f"epsilon {release.privacy['epsilon']:g} and delta 1e-10") == 2
    pairs = list(zip(noises["first"], noises["second"], strict=True))
    assert all(1.9 * one["noise_scale"] < other["noise_scale"] for one, other in pairs), "half the budget"
    # Most cells are empty: their figures differ by the noise alone.
    assert sum(one["count"] == other["count"] for one, other in pairs) < 0.1 * len(pairs)
    assert {one["country"] for one in noises["first"]} > {"Tonga", "other", "unknown"}


def test_an_epsilon_that_is_none_is_refused(builder: Any) -> None:
    for epsilon in (0.0, -1.0, 21.0, float("nan")):
        with pytest.raises(UsageError, match="--epsilon is a number from"):
            builder("never", epsilon=epsilon)
