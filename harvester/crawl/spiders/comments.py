"""Comments at the top of threads, on projects and in studios."""

from harvester.crawl.spider import FrontierSpider


class CommentsSpider(FrontierSpider):
    """Spider of these streams."""

    name = "comments"
