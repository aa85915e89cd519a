"""Panels of the page: each answers one question by a sentence, a chart and a table. Pure.

No panel has a name, a text or an id of the community. Groups of fewer than `FEWEST` people are not shown. A sentence
states what holds for the rows beside it: a share is a percentage of `ENOUGH` things or more and else a number, numbers
of one are singular, and nothing is said about a time after the last read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from harvester.report import charts
from harvester.report.answers import BINS, FEWEST, Row
from harvester.report.charts import ENOUGH, out_of, part_of, percent, share
from harvester.wording import agreeing, counted, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from harvester.report.charts import Chart

Rows = tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Moment:
    """Context of the panels besides their rows: the present time, and the step of charts over time."""

    at: datetime
    since: datetime
    step: int
    rate: float
    read_until: datetime | None = None
    """When the last crawl ended, or `at` while one is at work; None before the first."""
    at_work: bool = False
    """True while a crawl runs."""


FULL = "full"
"""Tone of a panel that is shown in full and is neither bad nor live."""
TOLERATED = 5.0
"""Percent that may wait, be unproved or fail in a crawl that is well."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A question, with the functions that present its answer.

    `say` returns the answer as a sentence, `sample` describes its data, `streams` are the lists that must have been
    read for it. Where all columns `counts` are 0 there is no answer yet, and `nothing` is shown. `tone` says how
    the panel is shown: `FULL`, or in full as "bad" or "live", or if it is empty as a line that opens. `span` is the
    number of columns, of three, that it takes.
    """

    name: str
    title: str
    unit: str
    counts: tuple[str, ...]
    nothing: str
    say: Callable[[Rows, Moment], str]
    draw: Callable[[Rows, Moment], tuple[Chart, ...]]
    sample: Callable[[Rows], str]
    streams: tuple[str, ...] = ()
    note: str = ""
    span: int = 1
    tone: Callable[[Rows, Moment], str] = lambda _rows, _moment: FULL


def _total(rows: Rows, *names: str) -> int:
    return sum(int(row[name]) for row in rows for name in names)


# Nouns of several panels, for one and for several.
LIST = ("list or object", "lists and objects")
_REQUEST = ("request", "requests")
_USER = ("user", "users")
_PROJECT = ("project", "projects")
_COMMENT = ("comment", "comments")
_STUDIO = ("studio", "studios")


# The crawl -----------------------------------------------------------------------------------------------------------


def _time(at: datetime, step: int) -> str:
    return f"{at:%H:%M:%S}" if step < 60 else f"{at:%H:%M}" if step < 43_200 else f"{at.day} {at:%b}"


def _dated(at: datetime, step: int) -> str:
    return f"{at:%Y-%m-%d} {at:%H:%M:%S}" if step < 60 else f"{at:%Y-%m-%d %H:%M}"


def _pace_times(rows: Rows, moment: Moment) -> tuple[list[str], list[str]]:
    names = [_dated(row["since"], moment.step) for row in rows]
    return names, [_time(row["since"], moment.step) for row in rows]


def _draw_requests(rows: Rows, moment: Moment) -> tuple[Chart, ...]:
    names, labels = _pace_times(rows, moment)
    rule = (moment.rate, f"budget {moment.rate:g}") if moment.rate else None
    values = [float(row["requests_per_second"]) for row in rows]
    return (charts.columns(values, names, labels, ("request/s", "requests/s"), rule=rule),)


def _draw_written(rows: Rows, moment: Moment) -> tuple[Chart, ...]:
    names, labels = _pace_times(rows, moment)
    values = [float(row["rows_per_hour"]) for row in rows]
    return (charts.columns(values, names, labels, ("row/hour", "rows/hour")),)


def _say_requests(rows: Rows, moment: Moment) -> str:
    most = max(float(row["requests_per_second"]) for row in rows)
    limit = f"the budget allows {moment.rate:g}" if moment.rate else "no limit is set"
    at_most = counted(round(most, 2 if most < 10 else None), *_REQUEST)
    return f"At most {at_most} a second, on average over {length(moment.step)}; {limit}."


def _say_written(rows: Rows, moment: Moment) -> str:
    most = max(float(row["rows_per_hour"]) for row in rows)
    return f"At most {charts.short(most)} an hour, new and changed, on average over {length(moment.step)}."


_PURPOSES = {
    "new": "first visits",
    "due": "visits that were due",
    "scheduled": "visits that pay",
    "recheck": "random re-checks",
    "audit": "full re-reads",
    "seed": "look-ups of seeds",
}


def _purpose(row: Row) -> str:
    return str(_PURPOSES.get(row["purpose"], row["purpose"]))


def _draw_purposes(rows: Rows, _: Moment) -> tuple[Chart, ...]:
    total = _total(rows, "requests")
    return (charts.shares([(_purpose(row), row["requests"], total) for row in rows], _REQUEST),)


def _say_purposes(rows: Rows, _: Moment) -> str:
    return f"{out_of(rows[0]['requests'], _total(rows, 'requests'), *_REQUEST)} went to {_purpose(rows[0])}."


def _draw_answers(rows: Rows, _: Moment) -> tuple[Chart, ...]:
    others = [(row["kind"], row["responses"]) for row in rows if row["kind"] != "answered"]
    return (charts.bars(others, ("response", "responses")),) if others else ()


_NO_FAULT = ("answered", "not there (404)", "not open to the public (403)")


def faults(rows: Rows) -> int:
    """Return the number of responses that are of no use: errors, calls to slow down, and none at all."""
    return _total(tuple(row for row in rows if row["kind"] not in _NO_FAULT), "responses")


def _say_answers(rows: Rows, _: Moment) -> str:
    answered = _total(tuple(row for row in rows if row["kind"] == "answered"), "responses")
    every, wrong = _total(rows, "responses"), faults(rows)
    said = f"{out_of(answered, every, 'response')} held what was asked for."
    if absent := every - answered - wrong:
        said += f" {plain(absent)} told that something is not there or not open."
    return f"{said} {counted(wrong, 'fault')}." if wrong else said


def backlog_parts(row: Row) -> tuple[int, int, int, int]:
    """Return how many lists of a stream are on time, would pay to visit, are due again, and are not read yet."""
    late = round((1 - row["on_time"]) * row["in_scope"])
    unread = row["in_scope"] - row["visited"]
    return row["in_scope"] - late, row["pays"], max(0, late - row["pays"] - unread), min(unread, late)


def waiting(rows: Rows) -> tuple[int, int]:
    """Return the number of entries that wait for a visit, and the number of all entries."""
    parts = [backlog_parts(row) for row in rows]
    return sum(sum(one[1:]) for one in parts), sum(sum(one) for one in parts)


_BACKLOG = ("on time", "visit pays", "due again", "not read yet")


def _draw_backlog(rows: Rows, _: Moment) -> tuple[Chart, ...]:
    """Draw the backlog by stream, with one line for all streams of which nothing waits."""
    parts = [(row["stream"], backlog_parts(row)) for row in rows]
    lines = [(stream, one, plain(sum(one))) for stream, one in parts if any(one[1:])]
    if idle := [one for _, one in parts if not any(one[1:])]:
        name = counted(len(idle), "other") if lines else f"all of {counted(len(idle), 'stream')}"
        together = sum(sum(one) for one in idle)
        lines.append((name, (together, 0, 0, 0), plain(together)))
    return (charts.stack(lines, _BACKLOG, LIST, head="in scope"),)


def _say_backlog(rows: Rows, _: Moment) -> str:
    late, whole = waiting(rows)
    unseen = sum(row["expected_unseen"] or 0 for row in rows)
    if not late:
        said = f"Nothing is late among {counted(whole, *LIST)} in scope."
    else:
        said = f"{out_of(late, whole, *LIST)} in scope {agreeing(late, 'waits', 'wait')} for a visit."
    if not (expected := round(unseen, 1 if unseen < 10 else None)):
        return said
    are = agreeing(expected, "is", "are")
    return f"{said} About {counted(expected, 'new item')} {are} expected in them that nobody has seen yet."


_AGES = {
    "within_a_day": "1 day",
    "within_a_week": "1 week",
    "within_a_month": "30 days",
    "within_half_a_year": "180 days",
    "older": "older",
    "unproved": "no proof",
    "not_read_yet": "not read",
    "gone": "gone",
}
_KNOWN = tuple(_AGES)[:5]


def known(row: Row) -> int:
    """Return the number of lists and objects of a stream whose state at a time is known."""
    return sum(row[name] for name in _KNOWN)


def _draw_coverage(rows: Rows, _: Moment) -> tuple[Chart, ...]:
    lines = [
        (
            row["stream"],
            [(row[name], row["in_scope"]) if row[name] else None for name in _AGES],
            plain(row["in_scope"]),
        )
        for row in rows
    ]
    return (charts.matrix(lines, tuple(_AGES.values()), LIST, "in scope", head="in scope"),)


def _say_coverage(rows: Rows, _: Moment) -> str:
    there = _total(rows, "in_scope") - _total(rows, "gone")
    if not there:
        return f"All of {counted(_total(rows, 'in_scope'), *LIST)} in scope are gone."
    sure = sum(known(row) for row in rows)
    exist = agreeing(there, "exists", "exist")
    said = f"Read, lists whole and with proof: {out_of(sure, there, *LIST)} that still {exist}"
    if oldest := [label for name, label in _AGES.items() if name in _KNOWN and _total(rows, name)]:
        older = f", {plain(_total(rows, 'older'))} longer than 180 days ago"
        said += older if oldest[-1] == "older" else f", none longer than {oldest[-1]} ago"
    left = [f"{plain(_total(rows, name))} {what}" for name, what in _LEFT.items() if _total(rows, name)]
    return "; ".join((said, *left)) + "."


_LEFT = {"unproved": "without proof", "not_read_yet": "not read yet"}


# A panel of the crawl is shown in full while something about it is wrong, or changes.


def _tone_requests(rows: Rows, moment: Moment) -> str:
    if moment.rate and any(float(row["requests_per_second"]) > moment.rate * (1 + TOLERATED / 100) for row in rows):
        return "bad"
    return _tone_live(rows, moment)


def _tone_live(_: Rows, moment: Moment) -> str:
    return "live" if moment.at_work else ""


def _tone_backlog(rows: Rows, moment: Moment) -> str:
    return "" if share(*waiting(rows)) <= TOLERATED else "live" if moment.at_work else "bad"


def _tone_coverage(rows: Rows, moment: Moment) -> str:
    there = _total(rows, "in_scope") - _total(rows, "gone")
    well = share(_total(rows, "older", *_LEFT), there) <= TOLERATED
    return "" if well else "live" if moment.at_work else "bad"


def _tone_answers(rows: Rows, _: Moment) -> str:
    return "bad" if share(faults(rows), _total(rows, "responses")) > TOLERATED else ""


_FEW = f"3/7 is three of seven, where there are fewer than {ENOUGH}"

HEALTH = (
    Panel(
        "requests",
        "Requests against the budget",
        "requests per second",
        ("requests_per_second",),
        "Nothing has been asked in the last four weeks.",
        _say_requests,
        _draw_requests,
        lambda rows: f"{counted(len(rows), 'step')}; requests of a run are spread evenly over its time",
        span=3,
        tone=_tone_requests,
    ),
    Panel(
        "written",
        "Rows written",
        "new and changed rows per hour",
        ("rows_per_hour",),
        "Nothing has been written in the last four weeks.",
        _say_written,
        _draw_written,
        lambda rows: f"{counted(len(rows), 'step')}; rows of a run are spread evenly over its time",
        span=3,
        tone=_tone_live,
    ),
    Panel(
        "backlog",
        "What waits for a visit",
        "share of the lists and objects of each stream",
        ("in_scope",),
        "Nothing is in scope yet: `harvester seed` puts it there.",
        _say_backlog,
        _draw_backlog,
        lambda rows: counted(_total(rows, "in_scope"), *LIST) + " in scope",
        span=3,
        tone=_tone_backlog,
    ),
    Panel(
        "coverage",
        "Coverage map",
        f"percent of the lists and objects of each stream, by how old what is known of them is; {_FEW}",
        ("in_scope",),
        "Nothing is in scope yet: `harvester seed` puts it there.",
        _say_coverage,
        _draw_coverage,
        lambda rows: counted(_total(rows, "in_scope"), *LIST) + " in scope",
        note="A column holds what is younger than its head and older than the head before it.",
        span=3,
        tone=_tone_coverage,
    ),
    Panel(
        "answers",
        "What was not answered",
        "responses in four weeks",
        ("responses",),
        "Nothing has been asked in the last four weeks.",
        _say_answers,
        _draw_answers,
        lambda rows: counted(_total(rows, "responses"), "response"),
        span=3,
        tone=_tone_answers,
    ),
    Panel(
        "purposes",
        "What requests were for",
        "requests of four weeks",
        ("requests",),
        "No crawl has asked for anything in the last four weeks.",
        _say_purposes,
        _draw_purposes,
        lambda rows: counted(_total(rows, "requests"), "request"),
        span=3,
        tone=lambda _rows, _moment: "",
    ),
)


# The community -------------------------------------------------------------------------------------------------------

_GROWN = {
    "users_joined": ("user who joined", "users who joined"),
    "projects_shared": ("project shared", "projects shared"),
    "comments_written": ("comment written", "comments written"),
    "studios_begun": ("studio begun", "studios begun"),
}
_QUIET_DAYS = 7
"""Days between the newest thing held and the last read from which on a sentence says so."""


def _draw_growth(rows: Rows, _: Moment) -> tuple[Chart, ...]:
    names = [f"{row['quarter'].year} quarter {(row['quarter'].month + 2) // 3}" for row in rows]
    labels = [str(row["quarter"].year) if row["quarter"].month == 1 else "" for row in rows]
    return tuple(
        charts.columns([row[column] for row in rows], names, labels, noun, caption=noun[1])
        for column, noun in _GROWN.items()
    )


def _say_growth(rows: Rows, moment: Moment) -> str:
    first, last = rows[0]["quarter"].year, rows[-1]["quarter"].year
    said = f"In {first}." if first == last else f"From {first} to {last}."
    shared = sorted((row["projects_shared"] for row in rows), reverse=True)
    if sum(shared) >= ENOUGH and shared[0] not in shared[1:]:
        busiest = max(rows, key=lambda row: row["projects_shared"])
        said += f" The quarter from which most projects are held began in {busiest['quarter']:%B %Y}."
    return said + _ended(rows[-1], moment)


def _ended(row: Row, moment: Moment) -> str:
    """Return a sentence if the last quarter is not over, was not at the last read, or the data ends before that."""
    last_month = row["quarter"].month + 2
    over = datetime(row["quarter"].year + last_month // 12, last_month % 12 + 1, 1, tzinfo=UTC)
    read_until = min(moment.at, moment.read_until or moment.at)
    if read_until - datetime.combine(row["last_day"], time(), UTC) > timedelta(days=_QUIET_DAYS):
        return f" Nothing that is held is newer than {row['last_day']}."
    if moment.at < over:
        return " The last quarter is not over."
    if read_until < over:
        return f" The last quarter was not over at the last crawl, which ended on {read_until:%Y-%m-%d}."
    return ""


_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_WEEKDAYS = tuple(day[:3] for day in _DAYS)


def _draw_calendar(rows: Rows, _: Moment) -> tuple[Chart, ...]:
    squares = [(index // 7, index % 7, row["acts"], f"{row['day']:%Y-%m-%d}") for index, row in enumerate(rows)]
    firsts = [(index // 7, row["day"]) for index, row in enumerate(rows) if row["day"].day == 1]
    top = [(week, f"{day:%b}") for week, day in firsts[::2] if week < 51]
    return (charts.calendar(squares, ("act", "acts"), top=top, side=[(row, _WEEKDAYS[row]) for row in (0, 2, 4, 6)]),)


_ACT = ("comment, shared project or event in a studio", "comments, shared projects and events in studios")


def _say_calendar(rows: Rows, _: Moment) -> str:
    acts, busy = _total(rows, "acts"), sum(row["acts"] > 0 for row in rows)
    if busy == 1:
        return f"{counted(acts, *_ACT)} in 53 weeks, on {rows[-1]['day']}."
    most = max(rows, key=lambda row: row["acts"])
    return (
        f"{counted(acts, *_ACT)} up to {rows[-1]['day']}, on {plain(busy)} of {counted(len(rows), 'day')};"
        f" {plain(most['acts'])} on the busiest, {most['day']}."
    )


def _draw_hours(rows: Rows, _: Moment) -> tuple[Chart, ...]:
    squares = [
        (row["hour"], row["weekday"] - 1, row["comments"], f"{_WEEKDAYS[row['weekday'] - 1]} {_hour(row['hour'])}")
        for row in rows
    ]
    by_hour = _by(rows, "hour", range(24))
    names = [_hour(hour) for hour in range(24)]
    labels = [f"{hour:02}h" if hour % 3 == 0 else "" for hour in range(24)]
    return (
        charts.columns(by_hour, names, labels, _COMMENT, caption="by hour"),
        charts.calendar(squares, _COMMENT, top=(), side=list(enumerate(_WEEKDAYS)), caption="by day and hour"),
    )


def _hour(hour: int) -> str:
    return f"{hour:02}:00 to {(hour + 1) % 24:02}:00"


def _by(rows: Rows, column: str, values: range) -> list[int]:
    """Return the number of comments for each value of a column."""
    return [_total(tuple(row for row in rows if row[column] == value), "comments") for value in values]


def _say_hours(rows: Rows, _: Moment) -> str:
    total = _total(rows, "comments")
    hours = [f"from {_hour(hour)} UTC, the busiest hour" for hour in range(24)]
    days = [f"on a {day}, the busiest day" for day in _DAYS]
    found = []
    for numbers, names in ((_by(rows, "hour", range(24)), hours), (_by(rows, "weekday", range(1, 8)), days)):
        most = max(numbers)
        if total >= ENOUGH and numbers.count(most) == 1:
            found.append(f"{part_of(most, total)} were written {names[numbers.index(most)]}")
    if not found:
        return f"{counted(total, *_COMMENT)}: no hour and no day stands out."
    return f"Of {counted(total, *_COMMENT)}, {'; '.join(found)}."


def _draw_retention(rows: Rows, _: Moment) -> tuple[Chart, ...]:
    lines = []
    for cohort in dict.fromkeys(row["cohort"] for row in rows):
        found = {row["year"]: row for row in rows if row["cohort"] == cohort}
        shares = [(found[year]["active"], found[year]["observable"]) if year in found else None for year in range(10)]
        lines.append((str(cohort), shares, plain(next(iter(found.values()))["users"])))
    return (
        charts.matrix(
            lines, tuple(str(year + 1) for year in range(10)), _USER, "active in that year after joining", head="users"
        ),
    )


def _say_retention(rows: Rows, _: Moment) -> str:
    later = tuple(row for row in rows if row["year"] == 1)
    users = _total(later, "observable")
    if not later:
        return f"Of nobody two years are known yet.{_bias(rows)}"
    return (
        f"Of {counted(users, 'user')} whose first two years are known, {part_of(_total(later, 'active_first'), users)}"
        f" did something in their first year and {part_of(_total(later, 'active'), users)} in their second: wrote a"
        f" comment or shared a project.{_bias(rows)}"
    )


def _bias(rows: Rows) -> str:
    """Return a sentence on the bias of shares of active users, by the ways in which users came into scope."""
    cohorts = tuple({row["cohort"]: row for row in rows}.values())
    users, drawn = _total(cohorts, "users"), _total(cohorts, "drawn")
    if drawn == users:
        return (
            " All were drawn at random; comments outside the places in scope are not seen, so these are lower bounds."
        )
    others = users - drawn
    if drawn:
        met = f"{plain(others)} of {counted(users, *_USER)} {agreeing(others, 'was', 'were')} not drawn at random"
    else:
        met = f"none of {counted(users, *_USER)} was drawn at random"
    return (
        f" Comments outside the places in scope are not seen, which makes shares too low; {met}, and shares are too"
        " high where people were met because of what they do."
    )


def _binned(rows: Rows, start: str, value: str) -> list[tuple[str, float]]:
    """Return names and values by class, empty classes between them included."""
    by_start = {row[start]: row[value] for row in rows}
    shown = [low for low in BINS if min(by_start) <= low <= max(by_start)]
    return [(_range(low), by_start.get(low, 0)) for low in shown]


def _range(low: int) -> str:
    index = BINS.index(low)
    if index + 1 == len(BINS):
        return f"{plain(low)} or more"
    high = BINS[index + 1] - 1
    return plain(low) if high == low else f"{plain(low)}\N{EN DASH}{plain(high)}"


def _say_remixes(rows: Rows, _: Moment) -> str:
    trees, projects = _total(rows, "trees"), _total(rows, "projects")
    small = _total(tuple(row for row in rows if row["projects_from"] == 2), "trees")
    return (
        f"{counted(projects, *_PROJECT)}, the first ones counted; {out_of(small, trees, 'tree')}"
        f" {agreeing(small, 'holds', 'hold')} two or three."
    )


_REMIX = ("remix", "remixes")


def _known_depths(rows: Rows) -> list[tuple[int, int]]:
    """Return remixes by depth, without those whose depth is assumed."""
    return [(row["depth"], row["remixes"] - row["assumed"]) for row in rows]


def _say_depths(rows: Rows, _: Moment) -> str:
    known = _known_depths(rows)
    total = sum(remixes for _, remixes in known)
    if not total:
        return "Of no remix the way to the first project of its tree is known."
    direct = sum(remixes for depth, remixes in known if depth == 1)
    deepest = max(depth for depth, remixes in known if remixes)
    return (
        f"{out_of(direct, total, *_REMIX)} {agreeing(total, 'was', 'were')} made from the first project of a tree;"
        f" the deepest is {counted(deepest, 'step')} away from it."
    )


def _sample_depths(rows: Rows) -> str:
    known = sum(remixes for _, remixes in _known_depths(rows))
    assumed = _total(rows, "assumed")
    left_out = agreeing(assumed, "is left out", "are left out")
    more = f"; {plain(assumed)} more, on whose way a parent is not known, {left_out}" if assumed else ""
    return f"{counted(known, *_REMIX)} whose way to the first project is held{more}"


def _draw_degrees(rows: Rows, _: Moment) -> tuple[Chart, ...]:
    made = []
    for column, caption in (
        ("users_followed_by_so_many", "followers"),
        ("users_following_so_many", "users followed"),
    ):
        total = _total(rows, column)
        last = max((index for index, row in enumerate(rows) if row[column]), default=-1)
        parts = [(_range(row["number_from"]), row[column], total) for row in rows[: last + 1]]
        if parts:
            made.append(charts.shares(parts, _USER, caption=caption))
    return tuple(made)


def _say_degrees(rows: Rows, _: Moment) -> str:
    users = _total(rows, "users_followed_by_so_many")
    if not users:
        following = _total(rows, "users_following_so_many")
        nobody = _total(rows[:1], "users_following_so_many")
        return f"{out_of(nobody, following, *_USER)} {agreeing(nobody, 'follows', 'follow')} nobody."
    nobody = _total(rows[:1], "users_followed_by_so_many")
    many = _total(tuple(row for row in rows if row["number_from"] >= 16), "users_followed_by_so_many")
    return (
        f"Nobody follows {out_of(nobody, users, *_USER)}; {part_of(many, users)} {agreeing(many, 'has', 'have')}"
        " 16 followers or more."
    )


_EVENTS = {
    "addprojecttostudio": "project added",
    "removeprojectstudio": "project removed",
    "becomecurator": "curator joined",
    "removecuratorstudio": "member removed",
    "becomeownerstudio": "curator promoted",
    "becomehoststudio": "host changed",
    "updatestudio": "title or text edited",
    "userjoin": "user joined",
    "userleft": "user left",
    "studiocommented": "comment written",
}


def _event(row: Row) -> str:
    return str(_EVENTS.get(row["type"], row["type"]))


def _say_events(rows: Rows, _: Moment) -> str:
    total = _total(rows, "events")
    if len(rows) == 1:
        return f"{counted(total, 'event')} in studios: {_event(rows[0])}."
    most = rows[0]["events"]
    return f"{out_of(most, total, 'event')} in studios {agreeing(most, 'is', 'are')} of one kind: {_event(rows[0])}."


_QUIET = ("a week", "a month", "three months", "a year", "longer ago")


def _say_life(rows: Rows, _: Moment) -> str:
    total = _total(rows, "studios")
    alive = _total(rows[:2], "studios")
    return f"In {out_of(alive, total, *_STUDIO)} something happened in the 30 days before their events were last read."


def _draw_life(rows: Rows, _: Moment) -> tuple[Chart, ...]:
    total = _total(rows, "studios")
    return (charts.shares([(_QUIET[row["class"] - 1], row["studios"], total) for row in rows], _STUDIO),)


def _say_sizes(rows: Rows, _: Moment) -> str:
    studios, projects = _total(rows, "studios"), _total(rows, "projects")
    said = f"{counted(studios, *_STUDIO)} {agreeing(studios, 'holds', 'hold')} {counted(projects, *_PROJECT)}"
    return f"{said}; one that is in several counts in each." if studios > 1 and projects else f"{said}."


_PLACE = ("place", "places")


def _say_rankings(rows: Rows, _: Moment) -> str:
    again, kept = _total(rows, "places_read_again"), _total(rows, "kept")
    if not again:
        return "Each ranking was read once so far: what stays in them shows from the second reading on."
    return (
        f"{out_of(kept, again, *_PLACE)} {agreeing(again, 'was', 'were')} held by what stood in the same ranking one"
        " reading before."
    )


def _draw_rankings(rows: Rows, _: Moment) -> tuple[Chart, ...]:
    parts = [
        (
            row["place"].replace("_", " ").replace("front-page/", "front page: ").replace("/", " "),
            row["kept"],
            row["places_read_again"],
        )
        for row in rows
        if row["places_read_again"]
    ]
    return (charts.shares(parts, _PLACE),) if parts else ()


_WAITS = ("a minute", "10 minutes", "an hour", "a day", "a week", "later or never")


def _draw_answered(rows: Rows, _: Moment) -> tuple[Chart, ...]:
    if rows[0]["observable"] < ENOUGH:
        return ()
    known = [(_WAITS[row["class"] - 1], 100 * float(row["share"])) for row in rows if row["share"] is not None]
    return (charts.percentages(known, "of the comments"),) if known else ()


def _say_answered(rows: Rows, _: Moment) -> str:
    told, share = [], 0.0
    for row in rows[:5]:
        # No comment was observed for this long.
        if row["share"] is None:
            break
        share += float(row["share"])
        told.append(f"{percent(100 * share)} within {_WAITS[row['class'] - 1]}")
    if rows[0]["observable"] < ENOUGH:
        return f"{out_of(rows[0]['answered'], rows[0]['observable'], *_COMMENT)} had an answer of somebody else."
    if not told:
        return "No comment was observed for a minute after it was written."
    chosen = dict.fromkeys([*told[2:3], told[-1]])
    return f"Of comments at the top of a thread somebody else answers {', '.join(chosen)}."


def _sample_answered(rows: Rows) -> str:
    first = rows[0]
    left_out = agreeing(first["unread"], "is left out", "are left out")
    unread = f"; {plain(first['unread'])} with replies that were not read {left_out}" if first["unread"] else ""
    return (
        f"{counted(first['observable'], 'comment')}, {plain(first['answered'])} of them answered while they were"
        f" observed{unread}"
    )


OTHERS = "all others"
"""Name of what is taken together."""


def _draw_countries(rows: Rows, _: Moment) -> tuple[Chart, ...]:
    total = _total(rows, "users")
    return (charts.shares([(row["country"], row["users"], total) for row in rows], _USER),)


def _say_countries(rows: Rows, _: Moment) -> str:
    users, total = rows[0]["users"], _total(rows, "users")
    if rows[0]["country"] == OTHERS:
        return (
            f"{counted(total, *_USER)} {agreeing(total, 'names', 'name')} a country, none of them shared by {FEWEST}."
        )
    return f"{out_of(users, total, *_USER)} {agreeing(users, 'names', 'name')} {rows[0]['country']}."


def _say_gone(rows: Rows, _: Moment) -> str:
    gone = _total(rows, "gone")
    return f"{counted(gone, 'thing')} that stood on the site {agreeing(gone, 'is', 'are')} there no more."


_WRITTEN = ("project_comments", "studio_comments", "profile_comments")

COMMUNITY = (
    Panel(
        "growth",
        "Growth",
        "per quarter, in UTC, of those held here",
        tuple(_GROWN),
        "Nothing that has a date is held yet.",
        _say_growth,
        _draw_growth,
        lambda rows: (
            f"{counted(_total(rows, 'users_joined'), 'user')}, {counted(_total(rows, 'projects_shared'), 'project')},"
            f" {counted(_total(rows, 'comments_written'), 'comment')},"
            f" {counted(_total(rows, 'studios_begun'), 'studio')}, gone ones included"
        ),
        streams=("user", "user_projects", *_WRITTEN),
        span=3,
    ),
    Panel(
        "calendar",
        "Activity calendar",
        "comments, shared projects and events in studios per day, in UTC",
        ("acts",),
        "Nothing that has a date is held yet.",
        _say_calendar,
        _draw_calendar,
        lambda rows: f"{counted(_total(rows, 'acts'), *_ACT)} on {counted(len(rows), 'day')}",
        streams=("user_projects", *_WRITTEN, "studio_activity"),
        span=3,
    ),
    Panel(
        "hours",
        "Days and hours",
        "comments by day of the week and hour, in UTC",
        ("comments",),
        "No comment is held yet.",
        _say_hours,
        _draw_hours,
        lambda rows: counted(_total(rows, "comments"), *_COMMENT) + ", gone ones included",
        streams=_WRITTEN,
        note="Where their authors live it is another hour.",
        span=2,
    ),
    Panel(
        "answered",
        "How soon a comment is answered",
        "percent of the comments at the top of a thread that somebody else answers within",
        ("observable",),
        "No comment was observed after it was written.",
        _say_answered,
        _draw_answered,
        _sample_answered,
        streams=(*_WRITTEN, "project_replies", "studio_replies"),
        note="Each bar leaves out what the bars above it hold. A comment counts for as long as it was observed"
        " (Kaplan and Meier).",
    ),
    Panel(
        "retention",
        "Who stays",
        "percent active in their 1st, 2nd, … twelve months, of those observed for so long, by the year of joining;"
        f" {_FEW}",
        ("users",),
        "No cohort is large and old enough yet.",
        _say_retention,
        _draw_retention,
        lambda rows: (
            f"{counted(sum({row['cohort']: row['users'] for row in rows}.values()), 'user')} in"
            f" {counted(len({row['cohort'] for row in rows}), 'cohort')} of {FEWEST} or more"
            + (f", one user in {rows[0]['one_in']} by id" if rows[0]["one_in"] > 1 else "")
        ),
        streams=("user_projects", *_WRITTEN),
        note="A user counts in those years that were over when the user's projects were last read whole.",
        span=2,
    ),
    Panel(
        "countries",
        "Countries",
        "users who name one",
        ("users",),
        "No country is known yet.",
        _say_countries,
        _draw_countries,
        lambda rows: f"{counted(_total(rows, 'users'), 'user')}; countries of fewer than {FEWEST} are taken together",
        streams=("user",),
        note="People declare it themselves, and the first entries of the site's list are chosen too often.",
    ),
    Panel(
        "degrees",
        "The follower network",
        "users with so many",
        ("users_followed_by_so_many", "users_following_so_many"),
        "No list of followers or of users followed was read whole yet.",
        _say_degrees,
        _draw_degrees,
        lambda rows: (
            f"{counted(_total(rows, 'users_followed_by_so_many'), 'list')} of followers and"
            f" {plain(_total(rows, 'users_following_so_many'))} of users followed, read whole"
        ),
        streams=("user_followers", "user_following"),
        note="Each class is twice as wide as the one before it.",
        span=2,
    ),
    Panel(
        "remix_sizes",
        "Trees of remixes",
        "trees by the number of projects in them",
        ("trees",),
        "No remix is held yet.",
        _say_remixes,
        lambda rows, _: (charts.bars(_binned(rows, "projects_from", "trees"), ("tree", "trees")),),
        lambda rows: counted(_total(rows, "trees"), "tree") + ", unshared projects kept",
        streams=("project_remixes", "user_projects"),
    ),
    Panel(
        "gone",
        "What is gone",
        "things by what their absence means",
        ("gone",),
        "Nothing is known to be gone.",
        _say_gone,
        lambda rows, _: (
            charts.bars([(f"{row['what']}, {row['reason']}", row["gone"]) for row in rows], ("thing", "things")),
        ),
        lambda rows: counted(_total(rows, "gone"), "tombstone"),
        note="Found by audits and by visits to the things themselves: what was not read again may be gone too. What is"
        " gone stays in the warehouse, dated, until its owner is erased.",
    ),
    Panel(
        "studio_sizes",
        "How large studios are",
        "studios by the number of projects in them",
        ("studios",),
        "No studio had all its projects read yet.",
        _say_sizes,
        lambda rows, _: (charts.bars(_binned(rows, "projects_from", "studios"), _STUDIO),),
        lambda rows: counted(_total(rows, "studios"), "studio") + " whose projects were read whole",
        streams=("studio_projects",),
    ),
    Panel(
        "studio_events",
        "What happens in studios",
        "events by kind",
        ("events",),
        "No event in a studio is held yet.",
        _say_events,
        lambda rows, _: (charts.bars([(_event(row), row["events"]) for row in rows[:12]], ("event", "events")),),
        lambda rows: counted(_total(rows, "events"), "event"),
        streams=("studio_activity",),
    ),
    Panel(
        "studio_life",
        "How lively studios are",
        "studios whose last event was within",
        ("studios",),
        "No studio with an event had all its events read yet.",
        _say_life,
        _draw_life,
        lambda rows: counted(_total(rows, "studios"), *_STUDIO) + " with events, all of which were read",
        streams=("studio_activity",),
        note="Counted back from the last proved reading of each studio's events. Each bar leaves out what the bars"
        " above it hold.",
    ),
    Panel(
        "remix_depths",
        "How deep remixing goes",
        "remixes by steps from the first project",
        ("remixes",),
        "No remix is held yet.",
        _say_depths,
        lambda rows, _: (charts.bars([(counted(depth, "step"), n) for depth, n in _known_depths(rows)], _REMIX),),
        _sample_depths,
        streams=("project_remixes", "user_projects"),
    ),
    Panel(
        "rankings",
        "What stays in rankings",
        "places held by what stood there one reading before",
        ("readings",),
        "No ranking was read in the last 90 days: `harvester seed explore` puts one in scope.",
        _say_rankings,
        _draw_rankings,
        lambda rows: (
            f"{counted(_total(rows, 'readings'), 'reading')} in 90 days,"
            f" {counted(_total(rows, 'places_read_again'), *_PLACE)} read again"
        ),
        note="Rankings are observations: no list to be complete of.",
    ),
)


# What projects are made of --------------------------------------------------------------------------------------------

_SCRIPT = ("script", "scripts")
_MOST_SCORE = 21
"""Sum of the seven scores of the rubric, at most."""


def _draw_scores(rows: Rows, _: Moment) -> tuple[Chart, ...]:
    years = range(min(row["year"] for row in rows), max(row["year"] for row in rows) + 1)
    names = [str(year) for year in years]
    made = []
    for is_remix, caption in ((False, "projects that are no remixes"), (True, "remixes")):
        found = {row["year"]: float(row["score"]) for row in rows if row["is_remix"] is is_remix}
        means = [found.get(year, 0.0) for year in years]
        if found:
            chart = charts.columns(means, names, names, ("point", "points"), caption=caption)
            known = (mark for mark, year in zip(chart.marks, years, strict=True) if year in found)
            made.append(replace(chart, marks=tuple(known)))  # a year without a mean has none, not one of 0
    return tuple(made)


def _say_scores(rows: Rows, _: Moment) -> str:
    own = tuple(row for row in rows if not row["is_remix"])
    first, last = (own or rows)[0], (own or rows)[-1]
    what = f"Projects of {first['year']} that are no remixes" if own else f"Remixes of {first['year']}"
    said = f"{what} have {plain(round(float(first['score']), 1))} of {_MOST_SCORE} points on average"
    return f"{said}, those of {last['year']} {plain(round(float(last['score']), 1))}." if last != first else f"{said}."


def _draw_changes(rows: Rows, _: Moment) -> tuple[Chart, ...]:
    (row,) = rows
    total = row["remixes"]
    parts = (("nothing", "untouched"), ("scripts", "changed_scripts"), ("assets", "changed_assets"))
    scripts = (("kept", "scripts_kept"), ("added", "scripts_added"), ("removed", "scripts_removed"))
    return (
        charts.shares([(name, row[column], total) for name, column in parts], _REMIX, caption="what differs"),
        charts.bars([(name, row[column]) for name, column in scripts], _SCRIPT, caption="scripts"),
    )


def _say_changes(rows: Rows, _: Moment) -> str:
    (row,) = rows
    same, total, changed = row["untouched"], row["remixes"], row["changed_scripts"]
    return (
        f"{out_of(same, total, *_REMIX)} {agreeing(same, 'is', 'are')} as the parent is now;"
        f" scripts differ in {part_of(changed, total)}."
    )


SOURCES = (
    Panel(
        "scores",
        "Scores over the years",
        f"mean of the sum of seven scores, 0 to {_MOST_SCORE}, by the year in which projects were last shared, in UTC",
        ("projects",),
        "No source was worked out yet, or of too few authors a year: `harvester source analyse` does it.",
        _say_scores,
        _draw_scores,
        lambda rows: (
            f"{counted(_total(rows, 'projects'), *_PROJECT)} whose source is known; years of fewer than {FEWEST}"
            " authors are left out"
        ),
        streams=("project_source",),
        note="By the rubric of Dr. Scratch, of the source as it was last read. A remix has the score of what it"
        " inherits as well. A gap is a year without a mean.",
        span=2,
    ),
    Panel(
        "changes",
        "What remixes change",
        "remixes by what differs from their parent",
        ("remixes",),
        "No remix was compared yet: `harvester source analyse` does it.",
        _say_changes,
        _draw_changes,
        lambda rows: f"{counted(_total(rows, 'remixes'), *_REMIX)} that were read, as their parents were",
        streams=("project_source",),
        note="Both are compared as they were last read: what either changed after the remix was made counts too.",
    ),
)
"""Panels that are shown where sources of projects are in scope."""


def length(seconds: float) -> str:
    """Return a span in words, as `3 minutes`."""
    span = timedelta(seconds=seconds).total_seconds()
    for size, name in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if span >= size:
            return counted(round(span / size), name)
    return counted(round(span), "second")
