"""The sources of projects: a spider only with HARVESTER_SOURCES=1."""

from harvester.config import settings
from harvester.crawl.spider import FrontierSpider

if settings().sources:

    class SourcesSpider(FrontierSpider):
        """Spider of these streams, each source with the token that its project's response holds."""

        name = "sources"
