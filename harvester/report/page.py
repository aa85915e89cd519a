"""Make the page of `harvester report` about the crawl and the community, from one snapshot of the warehouse.

The page is a single file that needs no network: it contains style and charts, its content security policy (CSP) allows
nothing else, and it has no script. The same warehouse at the same moment gives the same bytes.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import os
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from psycopg import IsolationLevel

from harvester import __version__
from harvester.api.decode import HARMLESS
from harvester.errors import UsageError
from harvester.frontier.request_rate import read_rate
from harvester.monitoring import status
from harvester.report.answers import Answer, FigureSources, ask, source
from harvester.report.charts import out_of, part_of, percent, share, short
from harvester.report.panels import (
    COMMUNITY,
    FULL,
    HEALTH,
    LIST,
    SOURCES,
    TOLERATED,
    Moment,
    Panel,
    known,
    length,
    waiting,
)
from harvester.warehouse.access import connect
from harvester.warehouse.schema import check_schema
from harvester.warehouse.source import Source, read_source
from harvester.warehouse.statements import statements
from harvester.warehouse.tables import MAIN_TABLES, WRITTEN
from harvester.wording import agreeing, counted, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harvester.config import Settings
    from harvester.report.answers import Row
    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "page")
PATIENCE = 10.0
"""Seconds that one query may take."""
_PAST = timedelta(days=28)
_STEPS = (10, 30, 60, 300, 900, 3600, 10_800, 43_200, 86_400)
"""Seconds of a column of the charts of pace: the first with which the past fits is taken."""
_MOST_STEPS = 56
_ACROSS = 3
"""Columns of the widest page, which a card of the crawl takes as a whole."""
_STALE = timedelta(days=7)
"""Time after the last run from which on the page says that it shows the past."""


@dataclass(frozen=True, slots=True)
class Report:
    """Data of the page: answers by name of the query or panel, and the row counts of the tables."""

    moment: Moment
    answers: Mapping[str, Answer]
    rows: Mapping[str, Answer]
    source: Source | None
    """The source of the warehouse; None before its first response."""


@dataclass(frozen=True, slots=True)
class Number:
    """A large number of the page with its text."""

    number: str
    words: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Notice for the operator at the head of the page. Its tone is good, bad, live or plain."""

    tone: str
    text: str


def read(settings: Settings, *, at: datetime | None = None, patience: float = PATIENCE, start: bool = True) -> Report:
    """Run all queries over one snapshot.

    Args:
        settings: the settings of the warehouse.
        at: the time from which ages are counted; now unless given. The tables are read as they are now.
        patience: the time limit of a query in seconds; the answer of one that takes longer is left out.
        start: start an embedded server that is down.

    Raises:
        WarehouseError: the database is unusable.
    """
    with connect(settings, start=start) as connection:
        check_schema(connection)
        connection.rollback()
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        return _read(connection, settings, at, patience)


def _read(connection: Connection, settings: Settings, at: datetime | None, patience: float) -> Report:
    row = connection.execute(_SQL["period"], {"at": at, "past": _PAST}).fetchone()
    assert row is not None
    rate = read_rate(connection)
    moment = moment_of(row[0], row[1], settings.rate if rate is None else rate)
    moment = replace(moment, read_until=row[2], at_work=row[3])
    values = {"at": moment.at, "since": moment.since, "step": moment.step, "rate": moment.rate}

    figures = FigureSources.find(connection)

    def answer(name: str) -> Answer:
        text, heavy = source(name, figures)
        found = ask(connection, text, values, patience)
        if heavy and found.trouble and figures.refreshed_at is None:
            return replace(found, trouble=f"{found.trouble}; after `harvester analytics refresh` it is quick")
        return replace(found, as_of=figures.refreshed_at if heavy else None)

    answers = {name: answer(name) for name in ("budget", "runs", "quarantine", "drift", "reciprocity", "pace")}
    answers["requests"] = answers["written"] = answers.pop("pace")
    backlog = ask(connection, status.STREAMS_QUERY, status.stream_values(settings.min_gain, moment.at), patience)
    answers["backlog"] = _in_order(backlog)
    answers["coverage"] = _in_order(answer("coverage"))
    answers |= {
        panel.name: answer(panel.name) for panel in (*HEALTH, *COMMUNITY, *SOURCES) if panel.name not in answers
    }
    rows = {name: ask(connection, status.count_query(connection, WRITTEN[name]), {}, patience) for name in MAIN_TABLES}
    return Report(moment, answers, rows, read_source(connection))


def _in_order(answer: Answer) -> Answer:
    return replace(answer, rows=tuple(status.in_order(answer.rows)))


def moment_of(at: datetime, first: datetime | None, rate: float) -> Moment:
    """Return the time of a page, with the steps of its charts of pace since `first`, at most four weeks."""
    first = max(first or at, at - _PAST)
    span = (at - first).total_seconds()
    step = next((step for step in _STEPS if span <= step * (_MOST_STEPS - 1)), _STEPS[-1])
    since = datetime.fromtimestamp(first.timestamp() // step * step, UTC)
    return Moment(at, since, step, rate)


# What is said --------------------------------------------------------------------------------------------------------


def facts(report: Report) -> dict[str, Any]:
    """Return the page as `--json` prints it: numbers, notices, and the rows of each panel."""
    return {
        "at": report.moment.at.isoformat(),
        "notices": [{"tone": one.tone, "text": one.text} for one in notices(report)],
        "rows": {name: _count(answer) for name, answer in report.rows.items()},
        "answers": {
            name: {
                "rows": [{column: _as_json(value) for column, value in row.items()} for row in answer.rows],
                "trouble": answer.trouble,
                "as_of": _as_json(answer.as_of),
            }
            for name, answer in sorted(report.answers.items())
        },
    }


def _as_json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float):
        return round(value, 6)
    return value.isoformat() if isinstance(value, date) else value


def _count(answer: Answer) -> int | None:
    return int(answer.rows[0]["present"]) if answer.rows else None


def _first(answer: Answer) -> Row:
    return answer.rows[0] if answer.rows else {}


def notices(report: Report) -> list[Notice]:
    """Return the notices at the head of the page: running crawls and problems, or one that all is well."""
    answers, at = report.answers, report.moment.at
    found: list[Notice] = []
    runs = answers["runs"].rows
    if at_work := [run for run in runs if run["ended_at"] is None]:
        sent = sum(run["requests"] for run in at_work)
        found.append(Notice("live", f"A crawl is at work: {counted(sent, 'request')} so far."))
    if (ended := [run for run in runs if run["ended_at"] is not None]) and ended[0]["outcome"] in _WRONG:
        findings = "; ".join(ended[0]["findings"])
        found.append(Notice("bad", f"The last run ended {ended[0]['outcome']}{': ' if findings else ''}{findings}."))
    budget = _first(answers["budget"])
    if budget.get("closed_until"):
        until = f"{budget['closed_until']:%H:%M:%S}"
        found.append(Notice("bad", f"The site asked for a pause: no request is sent before {until} UTC."))
    if budget.get("pauses_in_a_row"):
        found.append(Notice("bad", f"The site does not answer: pause {budget['pauses_in_a_row']} in a row."))
    if cases := _first(answers["quarantine"]).get("cases", 0):
        wait = agreeing(cases, "waits", "wait")
        found.append(Notice("bad", f"{counted(cases, 'response')} could not be used and {wait} in quarantine."))
    if failing := sum(row["failing"] for row in answers["backlog"].rows):
        again = agreeing(failing, "it is asked again", "they are asked again")
        found.append(Notice("bad", f"The last visit to {counted(failing, *LIST)} failed; {again}."))
    late, whole = waiting(answers["backlog"].rows)
    if not at_work and share(late, whole) > TOLERATED:
        waits = agreeing(late, "waits", "wait")
        found.append(Notice("bad", f"{out_of(late, whole, *LIST)} in scope {waits} for a visit."))
    slow = sorted({name for name, one in (*answers.items(), *report.rows.items()) if one.trouble})
    if slow:
        found.append(Notice("bad", f"Left out of this page, see below why: {', '.join(slow)}."))
    if not runs:
        found.append(Notice("plain", "Nothing has been crawled yet: `harvester seed` and `harvester crawl` begin."))
    if ended:
        since = at - max(run["ended_at"] for run in ended)
        ago = f"The last run ended {length(max(0.0, since.total_seconds()))} ago"
        if since > _STALE and not at_work:
            found.append(Notice("plain", f"{ago}: the page shows the site as it was then."))
        elif not any(notice.tone == "bad" for notice in found):
            found.append(Notice("good", f"All is well. {ago}, {ended[0]['outcome']}."))
    return found


_WRONG = ("degraded", "failed", "killed")


def _number_of(number: float, one: str, many: str = "") -> Number:
    return Number(short(number), agreeing(number, one, many))


def _share_of(part: int, whole: int, words: str) -> Number:
    """Return a part of a whole as a number of the page; `words` say what the whole is."""
    return Number(part_of(part, whole), f"of {words}")


def _health_numbers(report: Report) -> list[Number]:
    answers = report.answers
    numbers = []
    if budget := _first(answers["budget"]):
        sent, allowed = int(budget["requests_of_the_last_day"]), int(budget["budget_of_a_day"])
        used = f", {percent(100 * sent / allowed)} of the budget" if allowed else "; no limit is set"
        numbers.append(Number(short(sent), f"{agreeing(sent, 'request')} in the last 24 hours{used}"))
    if ended := [run for run in answers["runs"].rows if run["ended_at"] and run["rows_new"] + run["rows_changed"]]:
        run = ended[0]
        seconds = max(0.001, (run["ended_at"] - run["started_at"]).total_seconds())
        pace = round((run["rows_new"] + run["rows_changed"]) * 3600 / seconds)
        words = f"{agreeing(pace, 'row')} an hour, new and changed, in the run of {run['started_at']:%Y-%m-%d}"
        numbers.append(Number(short(pace), words))
    coverage = answers["coverage"].rows
    if there := sum(row["in_scope"] - row["gone"] for row in coverage):
        read = sum(known(row) for row in coverage)
        numbers.append(_share_of(read, there, f"{counted(there, *LIST)} read, lists whole and with proof"))
    if answers["backlog"].rows:
        late, _ = waiting(answers["backlog"].rows)
        numbers.append(_number_of(late, "waits for a visit", "wait for a visit"))
    if not answers["quarantine"].trouble:
        numbers.append(
            _number_of(
                _first(answers["quarantine"]).get("cases", 0), "response in quarantine", "responses in quarantine"
            )
        )
    return numbers


def _community_numbers(report: Report) -> list[Number]:
    counts = {name: _count(answer) or 0 for name, answer in report.rows.items()}
    numbers = [
        _number_of(counts["users"], "user"),
        _number_of(counts["projects"], "shared project"),
        _number_of(sum(counts[name] for name in counts if name.endswith("_comments")), "comment"),
        _number_of(counts["studios"], "studio"),
        _number_of(counts["follows"], "follow relation"),
    ]
    if (mutual := _first(report.answers["reciprocity"])) and (follows := mutual["follows"]):
        go = agreeing(follows, "goes both ways", "go both ways")
        numbers.append(_share_of(mutual["mutual"], follows, f"{counted(follows, 'follow relation')} {go}"))
    return numbers


def _is_in_scope(report: Report, panel: Panel) -> bool:
    """Return whether anything is in scope of the streams that a panel rests on."""
    return any(row["stream"] in panel.streams for row in report.answers["coverage"].rows)


def _coverage_of(report: Report, streams: tuple[str, ...]) -> str:
    """Return a sentence on the coverage of the streams that a panel rests on."""
    rows = [row for row in report.answers["coverage"].rows if row["stream"] in streams]
    there = sum(row["in_scope"] - row["gone"] for row in rows)
    if not there:
        return ""
    return f"{out_of(sum(known(row) for row in rows), there, 'list')} behind it read whole, with proof"


# How it is shown -----------------------------------------------------------------------------------------------------


def render(report: Report, *, live: bool = False) -> str:
    """Return the page; `live`: with the script that fetches changes from `harvester report --serve`."""
    return _template().render(
        policy=policy(live=live),
        at=_moment(report.moment.at),
        origin=report.source,
        version=__version__,
        notices=notices(report),
        health=_health_numbers(report),
        community=_community_numbers(report),
        health_panels=[
            *(_shown(report, panel) for panel in HEALTH),
            _runs(report),
            _quarantine(report),
            _drift(report),
        ],
        community_panels=[
            *(_shown(report, panel) for panel in COMMUNITY),
            *(_shown(report, panel) for panel in SOURCES if _is_in_scope(report, panel)),
        ],
        read_until=_read_until(report.moment),
        style=_file("page.css"),
        script=_file("live.js") if live else "",
    )


def policy(*, live: bool = False) -> str:
    """Return the content security policy of the page: no script, or the page's one script if it is live."""
    rules = [
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    if live:
        digest = base64.b64encode(hashlib.sha256(_file("live.js").encode()).digest()).decode()
        rules += [f"script-src 'sha256-{digest}'", "connect-src 'self'"]
    return "; ".join(rules)


def write(page: str, target: str) -> int:
    """Write a page to a file, completely or not at all, and return its size in bytes.

    Raises:
        UsageError: the file cannot be written.
    """
    path = Path(target)
    body = page.encode()
    made = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if target.endswith("/") or path.is_dir():  # a Path drops the slash at its end
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        made.write_bytes(body)
        made.replace(path)
    except (OSError, ValueError) as error:
        with contextlib.suppress(OSError, ValueError):
            made.unlink()
        raise UsageError(f"{target} cannot be written: {getattr(error, 'strerror', None) or error}") from None
    return len(body)


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _read_until(moment: Moment) -> str:
    """Return the day on which the last run ended if that is not the page's own."""
    if moment.read_until is None or moment.at.date() == moment.read_until.date():
        return ""
    return f"{moment.read_until:%Y-%m-%d}"


def _shown(report: Report, panel: Panel) -> dict[str, Any]:
    answer = report.answers[panel.name]
    used = answer.rows
    filled = any(row[name] for row in used for name in panel.counts)
    sample = []
    if filled:
        sample = [panel.sample(used), _coverage_of(report, panel.streams)]
    return _panel(
        answer,
        panel.name,
        panel.title,
        says=panel.say(used, report.moment) if filled else "",
        nothing=panel.nothing,
        tone=panel.tone(used, report.moment) if filled else "",
    ) | {
        "unit": panel.unit,
        "span": panel.span,
        "note": panel.note,
        "charts": panel.draw(used, report.moment) if filled else (),
        "sample": "; ".join(part for part in sample if part),
        "as_of": _moment(answer.as_of) if answer.as_of else "",
    }


def _panel(answer: Answer, name: str, title: str, *, says: str, nothing: str, tone: str) -> dict[str, Any]:
    """Return a panel as the template takes it: a card if it has an answer and a tone, else a line that opens."""
    return {
        "name": name,
        "title": title,
        "says": "" if answer.trouble else says,
        "nothing": f"This {answer.trouble}." if answer.trouble else nothing,
        "tone": "" if tone == FULL else tone,
        "is_line": not (says and tone) or bool(answer.trouble),
        "span": _ACROSS,
        "sql": answer.sql,
        "columns": answer.columns,
        "rows": answer.rows,
    }


def _runs(report: Report) -> dict[str, Any]:
    answer = report.answers["runs"]
    runs = [_run(run) for run in answer.rows]
    says = tone = ""
    if runs:
        last = runs[0]
        says = f"{last['command']}, {cell(last['started_at'])}, {last['took']}, {last['outcome']}: {last['did']}."
        tone = "bad" if last["tone"] == "bad" else ""
    nothing = "No run yet: `harvester crawl` begins one."
    return _panel(answer, "runs", "Latest runs", says=says, nothing=nothing, tone=tone) | {"rows": runs}


def _quarantine(report: Report) -> dict[str, Any]:
    answer = report.answers["quarantine"]
    cases = _first(answer).get("cases", 0)
    says = (
        f"{counted(cases, 'case')}, the newest below: `harvester quarantine show CASE` prints what came."
        if cases
        else ""
    )
    nothing = "Empty: every response could be used." if _was_read(report) else "Empty: nothing was read yet."
    made = _panel(answer, "quarantine", "Quarantine", says=says, nothing=nothing, tone="bad" if cases else "")
    return made | {"columns": [name for name in answer.columns if name != "cases"]}


def _drift(report: Report) -> dict[str, Any]:
    answer = report.answers["drift"]
    says = ""
    if answer.rows:
        latest = answer.rows[0]
        says = (
            f"{counted(latest['changes'], 'difference')} from what is declared of the source, the latest:"
            f" {latest['stream']}, {latest['field']}: {latest['change']}. Nothing is dropped."
        )
    nothing = "None: the source serves what is declared of it." if _was_read(report) else "None: nothing was read yet."
    harmful = any(row["change"] not in HARMLESS for row in answer.rows)
    made = _panel(answer, "drift", "Drift", says=says, nothing=nothing, tone="bad" if harmful else "")
    return made | {"columns": [name for name in answer.columns if name != "changes"]}


def _was_read(report: Report) -> bool:
    return any(run["requests"] for run in report.answers["runs"].rows)


def _run(run: Row) -> dict[str, Any]:
    ended = run["ended_at"]
    took = length((ended - run["started_at"]).total_seconds()) if ended else "at work"
    tone = "bad" if run["outcome"] in _WRONG else "live" if ended is None else "plain"
    written = (
        f"{counted(run['rows_new'], 'new row')}, {plain(run['rows_changed'])} changed, {plain(run['rows_gone'])} gone"
    )
    did = f"{counted(run['requests'], 'request')}, {written}"
    return {**run, "took": took, "tone": tone, "did": did}


def cell(value: Any) -> str:
    """Return a value in a table of the page."""
    if value is None:
        return "\N{EN DASH}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return str(value)
    return plain(round(float(value), 2)) if not isinstance(value, int) else plain(value)


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("harvester.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "cell": cell,
        "longest": lambda labels: max(labels, key=len, default=""),
        "spaced": lambda name: name.replace("_", " "),
        # The second decimal is a hundredth of a pixel on a phone.
        "at": lambda number: f"{number:.2f}".rstrip("0").rstrip("."),
    }
    return environment.get_template("page.html.jinja")


@cache
def _file(name: str) -> str:
    return files("harvester.report").joinpath(name).read_text(encoding="utf-8").strip()
