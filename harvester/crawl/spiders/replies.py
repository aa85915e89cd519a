"""The replies of threads whose `reply_count` changed."""

from harvester.crawl.spider import WalkSpider


class RepliesSpider(WalkSpider):
    """Visits what is due of these streams."""

    name = "replies"
