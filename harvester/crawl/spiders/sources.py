"""The sources of projects: their spider needs HARVESTER_SOURCES=1."""

from harvester.crawl.spider import FrontierSpider


class SourcesSpider(FrontierSpider):
    """Spider of these streams, each source with the token that its project's response holds."""

    name = "sources"
