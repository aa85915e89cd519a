"""This project, one worker, with the streams that the others read: what `harvester crawl` runs, of fewer streams.

The command line chooses spiders, and the spider `users` also reads follows. Entries are due in the warehouse already;
keys, history, checkpoints, certificates and the rate limiter are on. More arguments may follow: `refresh` or `audit`,
as the options of `harvester crawl`, and `without-history`, which leaves out the statements that store earlier versions.
Prints the counts of rows by table as JSON."""

import json
import sys

import harvester.__main__  # noqa: F401  (first: the collector's threshold with which `harvester` starts)
from harvester.api.catalogue import STREAMS
from harvester.api.stream import Stream
from harvester.config import Settings, load
from harvester.crawl.run import HarvestSpider, run_spider
from harvester.crawl.session import Session
from harvester.frontier import scope
from harvester.warehouse import upsert
from harvester.warehouse.access import connect

VISITED = ("user", "user_projects", "project", "project_comments", "project_replies")


class SameStreams(HarvestSpider):
    """The streams of the comparison."""

    def own_streams(self) -> tuple[Stream, ...]:
        return tuple(STREAMS[name] for name in VISITED)


def make_due(settings: Settings, *, full: bool) -> None:
    with connect(settings, autocommit=True) as connection:
        scope.refresh(connection, VISITED, full=full)


def main() -> None:
    url, database, _, *words = sys.argv[1:]
    settings = load(api_url=url, site_url=url, database_url=database, rate=0)
    if "without-history" in words:
        upsert.TRACKED = {}
    due_only = bool({"refresh", "audit"} & set(words))
    if due_only:
        make_due(settings, full="audit" in words)
    session = Session(settings, "bench")
    run_spider(SameStreams, session=session, due_only=due_only)
    print(json.dumps(session.counts.as_json()))


if __name__ == "__main__":
    main()
