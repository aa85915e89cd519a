"""A sentence is shown only if its claim holds for the rows beside it: each condition is computed here too."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sentences import one_of_many, percent_of_few

from harvester.report.answers import BINS
from harvester.report.charts import ENOUGH, Calendar, Matrix, Stack
from harvester.report.panels import COMMUNITY, HEALTH, SOURCES, Moment, Panel

if TYPE_CHECKING:
    from collections.abc import Callable

PANELS: dict[str, Panel] = {panel.name: panel for panel in (*COMMUNITY, *SOURCES)}


def moment(at: datetime, read_until: datetime | None = None) -> Moment:
    return Moment(at, at, 60, 5.0, read_until)


AT = datetime(2026, 5, 20, tzinfo=UTC)


JULY = datetime(2026, 7, 1, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 29, tzinfo=UTC)
MAY, JUNE = date(2026, 5, 18), date(2026, 6, 30)


@pytest.mark.parametrize(
    ("at", "read_until", "last_day", "said"),
    [
        (datetime(2026, 5, 21, tzinfo=UTC), AT, MAY, " The last quarter is not over."),
        (JULY, AT, MAY, " The last quarter was not over at the last crawl, which ended on 2026-05-20."),
        (JULY, None, JUNE, ""),
        (datetime(2026, 8, 1, tzinfo=UTC), JULY, JUNE, ""),
        (NOVEMBER, NOVEMBER, MAY, " Nothing that is held is newer than 2026-05-18."),
        (NOVEMBER, AT, MAY, " The last quarter was not over at the last crawl, which ended on 2026-05-20."),
        (JULY, datetime(2026, 6, 15, tzinfo=UTC), MAY, " Nothing that is held is newer than 2026-05-18."),
    ],
)
def test_a_quarter_is_said_to_be_cut_off_if_it_is(
    at: datetime, read_until: datetime | None, last_day: date, said: str
) -> None:
    rows = ({"quarter": date(2026, 4, 1), "projects_shared": 3, "last_day": last_day},)
    assert PANELS["growth"].say(rows, moment(at, read_until)) == f"In 2026.{said}"


def test_a_quarter_at_the_end_of_a_year_ends_with_it() -> None:
    rows = ({"quarter": date(2025, 10, 1), "projects_shared": 3, "last_day": date(2025, 12, 30)},)
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
    assert "90 of 110 users were not drawn at random" in PANELS["retention"].say(met, moment(AT))
    assert PANELS["retention"].say(rows[:1], moment(AT)).startswith("Of nobody two years are known yet.")


def test_an_assumed_parent_is_no_way_to_the_first_project() -> None:
    rows = ({"depth": 1, "remixes": 10, "assumed": 4}, {"depth": 2, "remixes": 2, "assumed": 0},
            {"depth": 3, "remixes": 1, "assumed": 1})  # fmt: skip
    panel = PANELS["remix_depths"]
    assert panel.say(rows, moment(AT)) == (
        "6 of 8 remixes were made from the first project of a tree; the deepest is 2 steps away from it."
    )
    assert panel.sample(rows).startswith("8 remixes whose way to the first project is held; 5 more")
    assert "more" not in panel.sample(rows[1:2])
    assert panel.say(rows[2:], moment(AT)).startswith("Of no remix")


def test_a_year_without_a_mean_score_has_no_column() -> None:
    names = ("year", "is_remix", "projects", "score")
    figures = ((2019, False, 9, 8.25), (2021, False, 9, 10), (2021, True, 30, 12.5))
    rows = tuple(dict(zip(names, row, strict=True)) for row in figures)
    drawn = PANELS["scores"].draw(rows, moment(AT))
    assert [[mark.says for mark in chart.marks] for chart in drawn] == [
        ["2019: 8.25 points", "2021: 10 points"],
        ["2021: 12.5 points"],
    ]
    said = "Projects of 2019 that are no remixes have 8.2 of 21 points on average, those of 2021 10."
    assert PANELS["scores"].say(rows, moment(AT)) == said
    assert PANELS["scores"].say(rows[2:], moment(AT)) == "Remixes of 2021 have 12.5 of 21 points on average."


def test_answers_are_told_as_far_as_comments_were_observed() -> None:
    def say(*shares: float | None) -> str:
        rows = tuple(
            {"class": number, "share": share, "observable": ENOUGH, "answered": 4, "unread": 0}
            for number, share in enumerate(shares, 1)
        )
        return PANELS["answered"].say(rows, moment(AT))

    told = "Of comments at the top of a thread somebody else answers"
    assert say(0.1, 0.1, 0.1, 0.1, 0.1, 0.5) == f"{told} 30% within an hour, 50% within a week."
    assert say(0.1, 0.1, 0.1, None, None, None) == f"{told} 30% within an hour."
    assert say(0.1, None, None, None, None, None) == f"{told} 10% within a minute."
    assert say(*[None] * 6).startswith("No comment was observed")


# What no sentence may say, whatever the rows -------------------------------------------------------------------------

NUMBERS = st.sampled_from((0, 1, 1, 2, 7, ENOUGH - 1, ENOUGH, 100, 12_345))
SHARES = st.sampled_from((0.0, 0.5, 1.0))


def figures(*names: str, **others: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Rows with any numbers in some columns, and with stated values or strategies in others."""
    given = {name: one if isinstance(one, st.SearchStrategy) else st.just(one) for name, one in others.items()}
    return st.fixed_dictionaries(dict.fromkeys(names, NUMBERS) | given)


def listed(*rows: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[tuple[dict[str, Any], ...]]:
    return st.tuples(*rows)


def several(row: st.SearchStrategy[dict[str, Any]], most: int = 4) -> st.SearchStrategy[tuple[dict[str, Any], ...]]:
    return st.lists(row, min_size=1, max_size=most).map(tuple)


AGES = (
    "within_a_day",
    "within_a_week",
    "within_a_month",
    "within_half_a_year",
    "older",
    "unproved",
    "not_read_yet",
    "gone",
)


def scoped(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "in_scope": sum(row[name] for name in AGES)}


def at_most(part: str, whole: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Make a part no larger than its whole."""
    return lambda row: {**row, part: min(row[part], row[whole])}


ROWS: dict[str, st.SearchStrategy[tuple[dict[str, Any], ...]]] = {
    "requests": several(figures("requests_per_second", since=AT)),
    "written": several(figures("rows_per_hour", since=AT)),
    "backlog": several(
        figures("in_scope", "visited", "expected_unseen", stream="user", on_time=SHARES, pays=0)
        .map(at_most("visited", "in_scope"))
    ),
    "coverage": several(figures(*AGES, stream="user").map(scoped)),
    "answers": listed(
        figures("responses", kind="answered"), figures("responses", kind="not there (404)"),
        figures("responses", kind="no response"),
    ),
    "purposes": several(figures("requests", purpose=st.sampled_from(("new", "due", "audit")))),
    "growth": several(
        figures(
            "users_joined", "projects_shared", "studios_begun", "comments_written",
            quarter=date(2026, 4, 1), last_day=MAY,
        )
    ),
    "calendar": several(figures("acts", day=MAY)),
    "hours": listed(*(figures("comments", weekday=day, hour=hour) for day in (1, 7) for hour in range(24))),
    "answered": listed(
        *(
            figures("observable", "answered", "unread", **{"class": number}, share=st.none() | SHARES)
            .map(at_most("answered", "observable"))
            for number in range(1, 7)
        )
    ),
    "retention": several(
        figures("users", "drawn", "observable", "active", "active_first", cohort=2020, year=st.sampled_from((0, 1)),
                one_in=st.sampled_from((1, 2)))
        .map(at_most("drawn", "users")).map(at_most("active", "observable")).map(at_most("active_first", "observable"))
    ),
    "remix_sizes": several(figures("trees", "projects", projects_from=st.sampled_from((2, 4)))),
    "remix_depths": several(
        figures("remixes", "assumed", depth=st.sampled_from((1, 2))).map(at_most("assumed", "remixes"))
    ),
    "degrees": listed(
        *(figures("users_followed_by_so_many", "users_following_so_many", number_from=low) for low in BINS)
    ),
    "studio_life": listed(*(figures("studios", **{"class": number}) for number in range(1, 6))),
    "studio_sizes": several(figures("studios", "projects", projects_from=st.sampled_from((0, 1, 2)))),
    "studio_events": several(figures("events", type=st.sampled_from(("userjoin", "updatestudio")))),
    "rankings": several(
        figures("readings", "places_read_again", "kept", place="explore").map(at_most("kept", "places_read_again"))
    ),
    "gone": several(figures("gone", what="users", reason="not known")),
    "countries": several(figures("users", country=st.sampled_from(("Iceland", "all others")))),
    "scores": several(
        figures("projects", year=st.sampled_from((2019, 2024)), is_remix=st.booleans(),
                score=st.sampled_from((0, 1, 7.25, 21)))
    ),
    "changes": listed(
        figures("remixes", "untouched", "changed_scripts", "changed_assets", "scripts_kept", "scripts_added",
                "scripts_removed")
        .map(at_most("untouched", "remixes")).map(at_most("changed_scripts", "remixes"))
        .map(at_most("changed_assets", "remixes"))
    ),
}  # fmt: skip
"""By panel the rows that its query may give, with few things and with many."""


@pytest.mark.parametrize("panel", [*HEALTH, *COMMUNITY, *SOURCES], ids=lambda panel: panel.name)
@settings(max_examples=25)
@given(st.data())
def test_numbers_of_one_are_singular_and_few_have_no_percent(panel: Panel, data: st.DataObject) -> None:
    rows = data.draw(ROWS[panel.name])
    assume(any(row[name] for row in rows for name in panel.counts))
    drawn = panel.draw(rows, moment(NOVEMBER, AT))
    texts = [panel.say(rows, moment(NOVEMBER, AT)), panel.sample(rows)]
    for chart in drawn:
        lines = chart.lines if isinstance(chart, Stack | Matrix) else ()
        marks = chart.cells if isinstance(chart, Calendar) else () if lines else chart.marks
        marks = [*marks, *(mark for line in lines for mark in line.marks)]
        texts += [chart.says, *(mark.says for mark in marks), *(line.name for line in lines)]
        for mark in marks:
            whole = re.search(r" of ([\d,]+) ", mark.says)
            if whole and getattr(mark, "number", "").endswith("%"):
                assert int(whole[1].replace(",", "")) >= ENOUGH, mark
    assert [found for text in texts for found in one_of_many(text)] == []
    assert [found for text in texts for found in percent_of_few(text)] == []
    # Nothing is dated later than the last read.
    assert [day for text in texts for day in re.findall(r"\d{4}-\d\d-\d\d", text) if day > f"{AT:%Y-%m-%d}"] == []
    assert not any("is not over" in text for text in texts)
