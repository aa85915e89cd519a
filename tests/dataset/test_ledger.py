"""What releases have spent of the budget of differential privacy: each once, all within the limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from harvester.config import load
from harvester.dataset import ledger
from harvester.dataset.ledger import Spending
from harvester.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from harvester.config import Settings


@pytest.fixture
def settings(database: str, tmp_path: Path) -> Settings:
    return load(database_url=database, home=tmp_path, privacy_budget=1.0)


def publish(settings: Settings, fingerprint: str, epsilon: float) -> None:
    with ledger.publication(settings, Spending(fingerprint, "2026.06.0", epsilon, 1e-10)):
        pass


def spent(settings: Settings) -> list[tuple[str, float]]:
    return [(one.fingerprint, one.epsilon) for one in ledger.read(settings)]


def test_an_equal_release_spends_nothing_again(settings: Settings) -> None:
    for _ in range(3):
        publish(settings, "one", 0.6)
    assert spent(settings) == [("one", 0.6)]


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


def test_spending_is_recorded_before_the_folder_is_named(settings: Settings) -> None:
    """What ends between the two has spent: the other order could publish what is not recorded."""
    with ledger.publication(settings, Spending("one", "2026.06.0", 0.6, 1e-10)):
        assert spent(settings) == [("one", 0.6)], "another connection sees it"
        with pytest.raises(UsageError, match=r"0\.4 is left"):
            publish(settings, "other", 0.6)


def test_a_release_that_is_not_published_spends_nothing(settings: Settings) -> None:
    for fingerprint in ("one", "two"):
        with pytest.raises(OSError, match="no space"), ledger.publication(settings, Spending(fingerprint, "", 0.6, 0)):
            raise OSError("no space")
    publish(settings, "one", 0.6)
    # A failed build of one that was published before takes nothing back.
    with pytest.raises(OSError, match="no space"), ledger.publication(settings, Spending("one", "", 0.6, 0)):
        raise OSError("no space")
    assert spent(settings) == [("one", 0.6)]


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
