"""Comments at the top of threads, on projects and in studios."""

from harvester.crawl.spider import FrontierSpider


class CommentsSpider(FrontierSpider):
    """Visits what is due of these streams."""

    name = "comments"
