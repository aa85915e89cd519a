"""A sentence is shown only if its claim holds for the rows beside it: each condition is computed here too."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from harvester.report.panels import COMMUNITY, Moment, Panel

PANELS: dict[str, Panel] = {panel.name: panel for panel in COMMUNITY}


def moment(at: datetime, read_until: datetime | None = None) -> Moment:
    return Moment(at, at, 60, 5.0, read_until)


AT = datetime(2026, 5, 20, tzinfo=UTC)


JULY = datetime(2026, 7, 1, tzinfo=UTC)
CUT = "The last quarter was not over at the last crawl"


@pytest.mark.parametrize(
    ("at", "read_until", "said"),
    [
        (datetime(2026, 6, 30, 23, 59, 59, tzinfo=UTC), AT, "The last quarter is not over."),
        (JULY, AT, f"{CUT}, which ended on 2026-05-20."),
        (JULY, None, f"{CUT}."),
        (datetime(2026, 8, 1, tzinfo=UTC), JULY, "began in April 2026."),
    ],
)
def test_a_quarter_is_said_to_be_cut_off_if_it_is(at: datetime, read_until: datetime | None, said: str) -> None:
    rows = ({"quarter": date(2026, 4, 1), "projects_shared": 3},)
    assert PANELS["growth"].say(rows, moment(at, read_until)).endswith(said)


def test_a_quarter_at_the_end_of_a_year_ends_with_it() -> None:
    rows = ({"quarter": date(2025, 10, 1), "projects_shared": 3},)
    assert "not over" in PANELS["growth"].say(rows, moment(datetime(2025, 12, 31, tzinfo=UTC)))
    new_year = datetime(2026, 1, 1, tzinfo=UTC)
    assert "not over" not in PANELS["growth"].say(rows, moment(new_year, new_year))


def test_years_are_compared_of_the_same_people() -> None:
    """The cohort of 2025, of which a first year is known alone, is in no comparison."""
    names = ("cohort", "year", "users", "drawn", "observable", "active", "active_first")
    figures = ((2024, 0, 50, 50, 40, 30, 30), (2024, 1, 50, 50, 20, 4, 10), (2025, 0, 60, 60, 60, 60, 60))
    rows = tuple(dict(zip(names, row, strict=True)) for row in figures)
    said = PANELS["retention"].say(rows, moment(AT))
    assert "Of 20 users whose first two years are known, 50%" in said
    assert "and 20% in their second" in said
    assert "lower bounds" in said
    met = tuple({**row, "drawn": 10} for row in rows)
    assert "lower bounds" not in PANELS["retention"].say(met, moment(AT))
    assert "90 users of 110 were not drawn at random" in PANELS["retention"].say(met, moment(AT))
    assert PANELS["retention"].say(rows[:1], moment(AT)).startswith("Of nobody two years are known yet.")


def test_an_assumed_parent_is_no_way_to_the_first_project() -> None:
    rows = ({"depth": 1, "remixes": 10, "assumed": 4}, {"depth": 2, "remixes": 2, "assumed": 0},
            {"depth": 3, "remixes": 1, "assumed": 1})  # fmt: skip
    panel = PANELS["remix_depths"]
    assert panel.say(rows, moment(AT)) == (
        "75% of 8 remixes were made from the first project of their tree; the deepest is 2 steps away from it."
    )
    assert panel.sample(rows).startswith("8 remixes whose way to the first project is held; 5 more")
    assert "more" not in panel.sample(rows[1:2])
    assert panel.say(rows[2:], moment(AT)).startswith("Of no remix")


def test_answers_are_told_as_far_as_comments_were_observed() -> None:
    def say(*shares: float | None) -> str:
        rows = tuple(
            {"class": number, "share": share, "observable": 9, "answered": 4, "unread": 0}
            for number, share in enumerate(shares, 1)
        )
        return PANELS["answered"].say(rows, moment(AT))

    told = "Of comments at the top of a thread somebody else answers"
    assert say(0.1, 0.1, 0.1, 0.1, 0.1, 0.5) == f"{told} 30% within an hour, 50% within a week."
    assert say(0.1, 0.1, 0.1, None, None, None) == f"{told} 30% within an hour."
    assert say(0.1, None, None, None, None, None) == f"{told} 10% within a minute."
    assert say(*[None] * 6).startswith("No comment was observed")
