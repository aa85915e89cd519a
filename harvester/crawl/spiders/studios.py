"""Studios, their projects, managers and curators."""

from harvester.crawl.spider import WalkSpider


class StudiosSpider(WalkSpider):
    """Visits what is due of these streams."""

    name = "studios"
