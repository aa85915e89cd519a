"""Make the endpoint reference from the catalogue: as facts, as text, and as `docs/endpoints.md`."""

import sys
from typing import Any

from harvester.api.catalogue import LEFT, PAGE_LIMIT, STREAMS
from harvester.api.stream import Announcement, Format, Host, Paging, Stream

_HEAD = f"""# Endpoints

Made from `harvester/api/catalogue.py` by `make docs`; a test compares the two. `harvester streams` prints the same.

Notes are facts that the reference lacks, each with its source: the site's own front end (scratch-www), its issues,
other clients, recordings; *reference* where the documented example itself shows it.
Lists are read {PAGE_LIMIT} items at a time. *Authority* is what a response may write: a column that is missing there
holds a dummy in it, or is not served.

"""
_SHORTEST = 86_400


def facts() -> list[dict[str, Any]]:
    """Return the facts of each stream in the catalogue, as `harvester streams --json` prints them."""
    return [_facts(stream) for stream in STREAMS.values()]


def _facts(stream: Stream) -> dict[str, Any]:
    return {
        "stream": stream.name,
        "spider": stream.spider,
        "endpoint": f"GET {stream.path}",
        "host": stream.host.value,
        "format": stream.format.value,
        "visits": stream.kind.value,
        "paging": stream.paging.value,
        "order": None if stream.paging is Paging.SINGLE else stream.order.value,
        "key": stream.key_name if stream.key else None,
        "revisit_days": round(stream.revisit / _SHORTEST, 1),
        "item_weight": stream.item_weight,
        "writes": {table: list(columns) for table, columns in stream.writes.items()},
        "weak": list(stream.weak),
        "enqueues": list(stream.enqueues),
        "announces": [_announced(announcement) for announcement in stream.announces],
        "links": [f"{lead.table}.{lead.target_column} -> {lead.kind.value}" for lead in stream.links],
        "gone": stream.gone,
        "placeholder_fields": list(stream.placeholder_fields),
        "documented": bool(stream.documented),
        "notes": list(stream.notes),
    }


def entry(name: str) -> str:
    """Return a stream as Markdown."""
    stream = STREAMS[name]
    host = "the site" if stream.host is Host.SITE else "the API"
    served = "" if stream.format is Format.JSON else f", as {stream.format.value}"
    known = "" if stream.documented else " It is not in the reference."
    lines = [
        f"## {name}",
        "",
        f"`GET {stream.path}` of {host}{served}.{known}",
        "",
        f"- spider `{stream.spider}`; visits: {stream.kind.value}; again {_again(stream)}",
        f"- paging: {_paging(stream)}",
    ]
    lines += [
        f"- {'weak ' if table in stream.weak else ''}authority over `{table}`: "
        + ", ".join(f"`{column}`" for column in columns)
        for table, columns in stream.writes.items()
    ]
    if stream.placeholder_fields:
        lines.append("- not believed, or never stored: " + ", ".join(f"`{path}`" for path in stream.placeholder_fields))
    if stream.enqueues:
        lines.append("- once seen, enqueues: " + ", ".join(f"`{one}`" for one in stream.enqueues))
    lines += [f"- announces: {_announced(announcement)}" for announcement in stream.announces]
    if stream.links:
        met = dict.fromkeys(f"{lead.kind.value} (`{lead.table}.{lead.target_column}`)" for lead in stream.links)
        lines.append("- leads to: " + ", ".join(met))
    if stream.gone:
        asked = "".join(f", and `{one}` is asked" for one in stream.enqueues_gone)
        lines.append(f"- not found means: {stream.gone}{asked}")
    lines += [f"- {note}" for note in stream.notes]
    return "\n".join(lines) + "\n"


def _announced(announcement: Announcement) -> str:
    """Return in words what an announcement makes due, and by which sign."""
    streams = ", ".join(f"`{one}`" for one in announcement.streams)
    if announcement.counter is not None:
        below = "" if announcement.below is None else f" below {announcement.below}"
        counter = ".".join(filter(None, (announcement.table, announcement.counter)))
        sign = f"when `{counter}` changes{below}"
    else:
        sign = "by events of the types " + ", ".join(f"`{one}`" for one in announcement.types)
    of = f" of `{announcement.target_column}`" if announcement.target_column else ""
    return f"{streams}{of} {sign}" + ("" if announcement.is_complete else "; not every new item of it")


def _again(stream: Stream) -> str:
    """Return when a stream is visited again, in words."""
    if not stream.item_weight:
        return f"after {_days(stream.revisit)}"
    return f"when it pays (item weight {stream.item_weight:g}), and in full after {_days(stream.revisit)}"


def _days(seconds: float) -> str:
    days = seconds / _SHORTEST
    return "a reason" if days > 1000 else "a day" if days == 1 else f"{days:g} days"


def _paging(stream: Stream) -> str:
    if stream.paging in (Paging.SINGLE, Paging.RANKING):
        return str(stream.paging.value)
    key = f", key `{stream.key_name}`" if stream.key else ", no key: by identity"
    moves = ", items may move to the head" if stream.reorders else ""
    ends = {0: "a short page is the end", 1: "an empty page is the end"}
    end = ends.get(stream.stop_after_empty_pages, f"{stream.stop_after_empty_pages} empty pages in a row are the end")
    return f"{stream.paging.value}; {stream.order.value}{key}{moves}; {end}"


def page() -> str:
    """Return the content of `docs/endpoints.md`."""
    rows = [
        "| stream | endpoint | tables |",
        "| --- | --- | --- |",
        *(
            f"| [{name}](#{name}) | `{stream.path}` | {', '.join(f'`{table}`' for table in stream.writes)} |"
            for name, stream in STREAMS.items()
        ),
        "",
    ]
    left = ["## Left out", "", *(f"- `{one.endpoint}`: {one.reason}" for one in LEFT), ""]
    return _HEAD + "\n".join([*rows, *(entry(name) for name in STREAMS), *left])


if __name__ == "__main__":
    sys.stdout.write(page())
