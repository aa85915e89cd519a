"""Studios, their projects, managers and curators."""

from harvester.crawl.spider import FrontierSpider


class StudiosSpider(FrontierSpider):
    """Visits what is due of these streams."""

    name = "studios"
