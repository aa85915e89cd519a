"""The replies of threads whose `reply_count` changed."""

from harvester.crawl.spider import FrontierSpider


class RepliesSpider(FrontierSpider):
    """Spider of these streams."""

    name = "replies"
