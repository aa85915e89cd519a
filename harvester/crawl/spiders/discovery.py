"""Discovery: explore, search, the front page, and what the site says of itself."""

from harvester.crawl.spider import FrontierSpider


class DiscoverySpider(FrontierSpider):
    """Spider of these streams."""

    name = "discovery"
