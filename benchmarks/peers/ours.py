"""This project, one worker, with the streams that the others read: what `harvester crawl` runs, of fewer streams.

The command line chooses spiders, and the spider `users`, say, also reads whom people follow. What is visited is due in
the warehouse already; keys, history, checkpoints, certificates and the budget are as ever.
"""

import sys

from harvester.api.catalogue import STREAMS
from harvester.api.stream import Stream
from harvester.config import load
from harvester.crawl.run import HarvestSpider, run_spider
from harvester.crawl.session import Session

WALK = ("user", "user_projects", "project", "project_comments", "project_replies")


class SameWalk(HarvestSpider):
    """The streams of the comparison."""

    def own_streams(self) -> tuple[Stream, ...]:
        return tuple(STREAMS[name] for name in WALK)


def main() -> None:
    url, database, _ = sys.argv[1:]
    settings = load(api_url=url, site_url=url, database_url=database, rate=0)
    session = Session(settings, "bench")
    run_spider(SameWalk, session=session, progress=False)
    assert session.failure is None


if __name__ == "__main__":
    main()
