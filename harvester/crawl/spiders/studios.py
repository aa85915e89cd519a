"""Studios, their projects, managers and curators."""

from harvester.crawl.spider import FrontierSpider


class StudiosSpider(FrontierSpider):
    """Spider of these streams."""

    name = "studios"
